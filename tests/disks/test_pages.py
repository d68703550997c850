"""The pages of disks: who may do what, what is shown, and every form as it is sent."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.disks import work
from apps.disks.models import DiskAction, Restore, Snapshot
from apps.disks.places import Disk
from apps.pods.models import Pod

pytestmark = pytest.mark.django_db

ClientOf = Callable[..., Client]


def page(disk: Disk, name: str = "resource", **words: object) -> str:
    return reverse(name, kwargs={"pod": disk.pod.name, "name": disk.name, **words})


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer.content[-2000:]
    return str(answer.content.decode())


def test_a_snapshot_from_the_button_to_the_list(disk: Disk, bob: User, vera: User, client_of: ClientOf) -> None:
    shown = text(client_of(bob), page(disk))
    assert "No snapshots yet" in shown
    assert page(disk, "disk-snapshots") in shown
    answer = client_of(bob).post(page(disk, "disk-snapshots"), {"note": "<b>before</b>"})
    assert answer.status_code == 302
    row = Snapshot.objects.get()
    work.take(row.pk)
    shown = text(client_of(vera), page(disk))
    assert "&lt;b&gt;before&lt;/b&gt;" in shown
    assert "Take a snapshot" not in shown, "viewers look"
    assert client_of(vera).post(page(disk, "disk-snapshots")).status_code == 403
    one = page(disk, "disk-snapshot", snapshot=row.pk)
    assert "Replace the content" in text(client_of(bob), one)
    assert "Replace the content" not in text(client_of(vera), one)


def test_putting_back_and_deleting(disk: Disk, bob: User, client_of: ClientOf) -> None:
    (disk.path / "a").write_text("then")
    client = client_of(bob)
    client.post(page(disk, "disk-snapshots"))
    row = Snapshot.objects.get()
    work.take(row.pk)
    (disk.path / "a").write_text("now")
    restores = page(disk, "disk-restores", snapshot=row.pk)
    assert client.post(restores, {"onto": "same"}).status_code == 302
    restore = Restore.objects.get()
    assert not restore.keeps
    assert "is being put back onto data" in text(client, page(disk))
    work.put_back(restore.pk)
    assert (disk.path / "a").read_text() == "then"
    refused = client.post(restores, {"onto": "new", "name": "No Name"})
    assert refused.status_code == 422
    assert "No Name" in refused.content.decode()
    assert client.post(restores, {"onto": "new", "name": "copy"}).status_code == 302
    draft = Pod.objects.get(pk=disk.pod.pk).draft
    assert draft
    assert "copy" in draft.snapshot()
    work.put_back(Restore.objects.get(target="copy").pk)
    assert client.post(page(disk, "disk-snapshot-deletion", snapshot=row.pk)).status_code == 302
    assert not Snapshot.objects.exists()
    shown = text(client, page(disk))
    assert "Deleted a snapshot" in shown
    assert bob.email in shown
    assert DiskAction.objects.count() == 4


def test_a_snapshot_of_another_disk_or_pod_is_not_found(
    disk: Disk, bob: User, charlie: User, client_of: ClientOf
) -> None:
    row = Snapshot.objects.create(pod=disk.pod, disk="other", state="ready")
    assert client_of(bob).get(page(disk, "disk-snapshot", snapshot=row.pk)).status_code == 404
    assert client_of(charlie).post(page(disk, "disk-snapshots")).status_code == 404
