"""The pages of backups, as people use them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.backups import restoring, run
from apps.backups.models import Backup, BackupPlan, Restore
from apps.deployments.models import AppEvent
from apps.pods.models import Pod
from tests.backups.conftest import Running

pytestmark = pytest.mark.django_db(transaction=True)
ClientOf = Callable[..., Client]
PLAN = {"schedule": "@daily", "zone": "Europe/Vienna", "last": "3", "days": "1", "weeks": "2", "drills": "on"}


def page(client: Client, name: str, *words: object, status: int = 200) -> str:
    answer = client.get(reverse(name, args=words))
    assert answer.status_code == status
    return answer.content.decode()


def test_from_the_button_to_the_restored_rows(server: Running, pod: Pod, bob: User, client_of: ClientOf) -> None:
    browser = client_of(bob)
    server.ask("CREATE TABLE people (n int)", "INSERT INTO people SELECT generate_series(1, 10)")
    assert "No backups yet" in page(browser, "backups", pod.name, "db")
    assert "none yet" in page(browser, "pod-backups", pod.name)
    answer = browser.post(reverse("backups", args=[pod.name, "db"]))
    backup = Backup.objects.get(pod=pod)
    assert answer["Location"] == reverse("backup", args=[pod.name, backup.pk])
    assert "Waiting" in page(browser, "backup", pod.name, backup.pk)
    refreshed = f"{reverse('backup', args=[pod.name, backup.pk])}?open"
    assert refreshed in page(browser, "backup", pod.name, backup.pk)
    assert "HX-Refresh" not in browser.get(refreshed, headers={"HX-Request": "true"})
    run.run(backup.pk)
    assert browser.get(refreshed, headers={"HX-Request": "true"})["HX-Refresh"] == "true"
    assert refreshed not in page(browser, "backup", pod.name, backup.pk)
    shown = page(browser, "backup", pod.name, backup.pk)
    assert "public.people" in shown
    assert ">10<" in shown
    server.ask("DELETE FROM people")

    restores = reverse("backup-restores", args=[pod.name, backup.pk])
    refused = browser.post(restores, {"target": "db", "confirmation": "no"})
    assert (refused.status_code, "must be its name" in refused.content.decode()) == (422, True)
    assert browser.post(restores, {"target": "db", "confirmation": "db"}).status_code == 302
    restoring.run(Restore.objects.get(backup=backup).pk)
    assert server.ask("SELECT count(*) FROM people") == [(10,)]
    assert "Completed" in page(browser, "backup", pod.name, backup.pk)
    assert browser.post(reverse("backup-drills", args=[pod.name, backup.pk])).status_code == 302
    restoring.run(Restore.objects.get(backup=backup, purpose="drill").pk)
    assert "never" not in page(browser, "pod-backups", pod.name)
    assert browser.delete(reverse("backup", args=[pod.name, backup.pk])).status_code in (200, 302, 303)
    assert not Backup.objects.filter(pk=backup.pk).exists()


def test_a_download_is_opened_and_written_down(
    server: Running, pod: Pod, bob: User, vera: User, client_of: ClientOf
) -> None:
    server.ask("CREATE TABLE people (n int)")
    client_of(bob).post(reverse("backups", args=[pod.name, "db"]))
    backup = Backup.objects.get(pod=pod)
    address = reverse("backup-content", args=[pod.name, backup.pk])
    assert client_of(bob).post(address).status_code == 409, "it is not there yet"
    run.run(backup.pk)
    backup.refresh_from_db()
    answer = client_of(bob).post(address)
    content = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    assert (content[:5], len(content)) == (b"PGDMP", backup.raw_size)
    assert answer["Content-Disposition"].endswith('.dump"')
    assert AppEvent.objects.get(pod=pod, words__endswith="was downloaded").actor == bob
    assert client_of(vera).post(address).status_code == 403
    assert client_of(vera).get(reverse("backup", args=[pod.name, backup.pk])).status_code == 200
    assert "Back up now" not in page(client_of(vera), "backups", pod.name, "db")


def test_a_plan_is_suggested_set_changed_and_taken_away(
    server: Running, pod: Pod, bob: User, client_of: ClientOf
) -> None:
    browser, address = client_of(bob), reverse("backup-plan", args=[pod.name, "db"])
    assert 'value="0 3 * * *"' in page(browser, "backups", pod.name, "db")
    assert browser.post(address, PLAN).status_code == 302
    plan = BackupPlan.objects.get(pod=pod)
    assert (plan.zone, plan.keep_last, plan.keep_days, plan.keep_weeks, plan.drills) == ("Europe/Vienna", 3, 1, 2, True)
    assert "Europe/Vienna" in page(browser, "pod-backups", pod.name)
    refused = browser.post(address, {**PLAN, "schedule": "now and then"})
    assert (refused.status_code, "five fields" in refused.content.decode()) == (422, True)
    assert browser.delete(address).status_code in (200, 302, 303)
    assert not BackupPlan.objects.filter(pod=pod).exists()


def test_what_is_wrong_stands_on_every_page(server: Running, pod: Pod, vera: User, client_of: ClientOf) -> None:
    Backup.objects.create(pod=pod, name="db", kind="PostgresDB", state="failed", error="The disk <is> full.")
    for name, words in (("pod-backups", [pod.name]), ("backups", [pod.name, "db"]), ("resource", [pod.name, "db"])):
        assert "The last backup failed: The disk &lt;is&gt; full." in page(client_of(vera), name, *words)
    page(client_of(vera), "backups", pod.name, "nothing", status=404)


def test_backups_of_what_is_not_live_any_more_are_found(
    server: Running, pod: Pod, vera: User, client_of: ClientOf
) -> None:
    assert "Not live any more" not in page(client_of(vera), "pod-backups", pod.name)
    for name in ("db", "former", "former"):
        newest = Backup.objects.create(pod=pod, name=name, kind="PostgresDB", state="completed", file=f"{name}.dump")
    _, _, gone = page(client_of(vera), "pod-backups", pod.name).partition("Not live any more")
    assert gone.count(reverse("backups", args=[pod.name, "former"])) == 1
    assert reverse("backup", args=[pod.name, newest.pk]) in gone
    assert reverse("backups", args=[pod.name, "db"]) not in gone
    assert "former.dump" in page(client_of(vera), "backups", pod.name, "former")
