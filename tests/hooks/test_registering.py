"""The webhook of a pod, registered at each kind of host: once, anew with another secret, and removed."""

from __future__ import annotations

import datetime
import html
import urllib.parse
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.audit.models import AuditEntry
from apps.connections.models import Connection
from apps.core.errors import Conflict, Invalid, UserError
from apps.core.leases import acquire
from apps.hooks import actions
from apps.hooks.models import Registration, Webhook
from apps.hooks.registering import address_of, register, tend
from apps.pods import actions as pods
from apps.pods.models import Pod
from tests.connections.api_host import ApiHost, Asked
from tests.connections.conftest import TOKEN, Connect, authority, connect, loopback
from tests.hooks.conftest import make_pod
from tests.sources.conftest import Served, served

__all__ = ["authority", "connect", "loopback", "served"]
Browser = Callable[..., Client]
PLACES = {
    "github": "/repos/acme/shop/hooks",
    "gitea": "/repos/acme/shop/hooks",
    "gitlab": "/projects/acme%2Fshop/hooks",
    "bitbucket": "/repositories/acme/shop/hooks",
}
OTHER = "https://ci.example.org/hook"


class Hooks:
    """The webhooks of acme/shop at a host: by id what was posted, beside one of somebody else's."""

    def __init__(self, served: Served, provider: str) -> None:
        self.there = ApiHost(served, provider, f"Bearer {TOKEN}")
        self.kind, self.place = provider, PLACES[provider]
        self.ours = "{8b6e}" if provider == "bitbucket" else "2"
        self.rows: dict[str, dict[str, Any]] = {"1": {"url": OTHER, "config": {"url": OTHER}}}
        self.there.on("GET", self.place, lambda asked, match: self.listed(asked))
        self.there.on("POST", self.place, lambda asked, match: self.put(self.ours, asked, 201))
        verb = "PATCH" if provider in ("github", "gitea") else "PUT"
        self.there.on(verb, self.place + "/([^/]+)", lambda asked, match: self.put(match[1], asked, 200))
        self.there.on("DELETE", self.place + "/([^/]+)", lambda asked, match: self.dropped(match[1]))

    def away(self, method: str, status: int, said: Any) -> None:
        self.there.on(method, self.place, (status, said))

    def back(self, method: str = "GET") -> None:
        self.there.routes.pop(0)

    def listed(self, asked: Asked) -> tuple[int, Any]:
        size = int(asked.query[{"bitbucket": "pagelen", "gitea": "limit"}.get(self.kind, "per_page")])
        first = (int(asked.query["page"]) - 1) * min(size, 30)
        name = "uuid" if self.kind == "bitbucket" else "id"
        rows = [row | {name: key} for key, row in self.rows.items()][first : first + min(size, 30)]
        return 200, {"values": rows} if self.kind == "bitbucket" else rows

    def put(self, key: str, asked: Asked, status: int) -> tuple[int, Any]:
        self.rows[urllib.parse.unquote(key)] = asked.body
        return status, {}

    def dropped(self, key: str) -> tuple[int, Any]:
        del self.rows[urllib.parse.unquote(key)]
        return 204, None

    @property
    def secret(self) -> str:
        row = self.rows[self.ours]
        return str(row.get("token") or row.get("secret") or row["config"]["secret"])

    @property
    def address(self) -> str:
        row = self.rows[self.ours]
        return str(row.get("url") or row["config"]["url"])

    @property
    def told(self) -> set[str]:
        """What the host was asked to tell of."""
        row = self.rows[self.ours]
        return set(row.get("events") or [name for name, value in row.items() if value is True])


@pytest.fixture
def pod(team: Team, bob: User, served: Served) -> Pod:
    return make_pod(team, bob, {"web": {"repo": repo(served)}})


def repo(served: Served, name: str = "acme/shop") -> str:
    return f"{served.url}/{name}.git"


def later() -> None:
    Registration.objects.update(next_at=timezone.now())


EVENTS = {
    "github": {"push", "delete", "pull_request"},
    "gitea": {"push", "delete", "pull_request_only", "pull_request_sync"},
    "gitlab": {"push_events", "tag_push_events", "merge_requests_events"},
    "bitbucket": {
        "repo:push", "pullrequest:created", "pullrequest:updated", "pullrequest:fulfilled", "pullrequest:rejected",
    },
}  # fmt: skip


@pytest.mark.parametrize("provider", list(PLACES))
def test_registered_once_renewed_and_removed(
    provider: str, served: Served, connect: Connect, pod: Pod, bob: User
) -> None:
    hooks = Hooks(served, provider)
    connect(provider=provider)
    for _ in range(2):
        register(pod=pod, repo=repo(served), by=bob)
    assert list(hooks.rows) == ["1", hooks.ours]
    assert (hooks.secret, hooks.address) == (actions.read_key(pod=pod, by=bob), address_of(pod))
    assert hooks.told == EVENTS[provider]
    asked = len(hooks.there.asked)
    tend()
    assert len(hooks.there.asked) == asked, "there is nothing to do"

    actions.rotate_key(pod=pod, by=bob)
    tend()
    assert hooks.secret == actions.read_key(pod=pod, by=bob)
    assert list(hooks.rows) == ["1", hooks.ours]
    assert Registration.objects.get().version == Webhook.objects.get(pod=pod).version

    Pod.objects.filter(pk=pod.pk).update(deleting_at=timezone.now())
    tend()
    assert list(hooks.rows) == ["1"], "somebody else's stays"
    assert not Registration.objects.exists()
    noted = AuditEntry.objects.filter(team=pod.team, verb__contains="register").order_by("id")
    assert [(one.verb, one.actor) for one in noted] == [
        ("webhook.register", "user"),
        ("webhook.register", "user"),
        ("webhook.unregister", "platform"),
    ]


def test_ours_is_found_on_a_later_page(served: Served, connect: Connect, pod: Pod, bob: User) -> None:
    hooks = Hooks(served, "gitea")
    connect(provider="gitea")
    hooks.rows = {str(100 + number): {"config": {"url": f"{OTHER}{number}"}} for number in range(40)}
    hooks.rows["7"] = {"config": {"url": f"{address_of(pod)}/"}}
    register(pod=pod, repo=repo(served), by=bob)
    assert hooks.ours not in hooks.rows, "one that was set up by hand is taken over"
    assert hooks.rows["7"]["config"]["secret"] == actions.read_key(pod=pod, by=bob)


def test_what_is_refused_is_said_on_the_page(
    served: Served, connect: Connect, pod: Pod, bob: User, client_of: Browser
) -> None:
    hooks = Hooks(served, "github")
    client, at = client_of(bob), f"/pods/{pod.name}/webhook/registrations/"

    def press() -> str:
        page = client.post(at, {"repo": repo(served)}, follow=True)
        assert page.status_code == 200
        return html.unescape(page.content.decode())

    assert "Register webhook" not in press(), "no connection may ask"
    connect(provider="github")
    hooks.away("GET", 404, {"message": "Not Found"})
    page = press()
    assert "admin:repo_hook" in page
    assert "Register webhook" in page
    assert not Registration.objects.exists()
    hooks.back()
    hooks.away("POST", 422, {"message": "Validation Failed", "errors": [{"message": "url is not public"}]})
    page = press()
    assert "does not take the webhook" in page
    assert "url is not public" in page
    assert "admin:repo_hook" not in page
    hooks.back()
    page = press()
    assert "tells of pushes" in page
    assert "Registered at the host" in page
    assert Registration.objects.get(pod=pod).repository == f"{urllib.parse.urlsplit(served.url).netloc}/acme/shop"
    for secret in (TOKEN, hooks.secret):
        assert secret not in page
    assert AuditEntry.objects.filter(verb="webhook.register", team=pod.team).count() == 1


def test_a_host_that_is_away_is_asked_again(
    served: Served, connect: Connect, pod: Pod, bob: User, client_of: Browser
) -> None:
    hooks = Hooks(served, "gitea")
    connect(provider="gitea")
    register(pod=pod, repo=repo(served), by=bob)
    actions.rotate_key(pod=pod, by=bob)
    hooks.away("GET", 503, {})
    tend()
    row = Registration.objects.get()
    assert "does not answer" in row.failed
    assert datetime.timedelta(seconds=30) < row.next_at - timezone.now() < datetime.timedelta(seconds=70)
    assert "does not answer" in client_of(bob).get(f"/pods/{pod.name}/settings/").content.decode()
    hooks.back()
    tend()
    assert Registration.objects.get().failed, "not before its time"
    later()
    tend()
    assert Registration.objects.get().failed == ""
    assert hooks.secret == actions.read_key(pod=pod, by=bob)


def test_a_repository_that_no_app_is_built_from_any_more(served: Served, connect: Connect, pod: Pod, bob: User) -> None:
    hooks = Hooks(served, "gitlab")
    connect(provider="gitlab")
    register(pod=pod, repo=repo(served), by=bob)

    def built_from(name: str) -> None:
        spec = {"source": {"repo": repo(served, name), "branch": "main"}, "instance": "1x"}
        pods.save_resource(pod=pod, kind="App", name="web", spec=spec, by=bob, create=False)

    built_from("acme/other")
    tend()
    assert len(hooks.rows) == 2, "what is live is built from it still"
    revision = pods.seal(pod=pod, summary="other", by=bob)
    Pod.objects.filter(pk=pod.pk).update(head=revision, live=revision)
    hooks.away("GET", 503, {})
    tend()
    assert Registration.objects.get().tries == 1
    hooks.back()
    later()
    tend()
    assert list(hooks.rows) == ["1"]
    assert not Registration.objects.exists()


def test_of_a_pod_that_is_gone(served: Served, connect: Connect, pod: Pod, bob: User) -> None:
    hooks = Hooks(served, "github")
    made = connect(provider="github")
    register(pod=pod, repo=repo(served), by=bob)
    Registration.objects.update(pod=None)  # what deleting it does
    tend()
    assert list(hooks.rows) == ["1"]
    assert not Registration.objects.exists()

    register(pod=pod, repo=repo(served), by=bob)
    Registration.objects.update(pod=None)
    Connection.objects.filter(pk=made.pk).delete()
    tend()
    assert not Registration.objects.exists(), "nobody is left who could"


def test_another_address_of_the_dashboard(served: Served, connect: Connect, pod: Pod, bob: User, settings: Any) -> None:
    hooks = Hooks(served, "github")
    connect(provider="github")
    register(pod=pod, repo=repo(served), by=bob)
    before = address_of(pod)
    hooks.ours = "3"
    settings.BRAINPOD = replace(settings.BRAINPOD, dashboard_host="elsewhere.example.org")
    assert address_of(pod) != before
    tend()
    assert list(hooks.rows) == ["1", "3"], "the old one is gone"
    assert hooks.address == address_of(pod)


def test_what_cannot_be_registered(served: Served, connect: Connect, pod: Pod, bob: User) -> None:
    with pytest.raises(Invalid, match="built from"):
        register(pod=pod, repo=repo(served, "acme/other"), by=bob)
    with pytest.raises(Invalid, match="by hand"):
        register(pod=pod, repo=repo(served), by=bob)
    made = connect(provider="github")
    Connection.objects.filter(pk=made.pk).update(kind="github_app", app_page="https://x/app", installation_id="1")
    with pytest.raises(Invalid, match="tells of its pushes already"):
        register(pod=pod, repo=repo(served), by=bob)
    assert not Registration.objects.exists()
    assert not Webhook.objects.exists()
    Pod.objects.filter(pk=pod.pk).update(deleting_at=timezone.now())
    pod.refresh_from_db()
    with pytest.raises(Conflict, match="being deleted"):
        register(pod=pod, repo=repo(served), by=bob)


def test_one_at_a_time(served: Served, connect: Connect, pod: Pod, bob: User) -> None:
    hooks = Hooks(served, "github")
    connect(provider="github")
    row = register(pod=pod, repo=repo(served), by=bob)
    lease = acquire(row)
    assert lease
    with pytest.raises(UserError) as caught:
        register(pod=pod, repo=repo(served), by=bob)
    assert caught.value.code == "webhook_busy"
    actions.rotate_key(pod=pod, by=bob)
    tend()
    assert hooks.secret != actions.read_key(pod=pod, by=bob)
    lease.release()
    tend()
    assert hooks.secret == actions.read_key(pod=pod, by=bob)


def test_who_may_not(pod: Pod, connect: Connect, vera: User, charlie: User, client_of: Browser) -> None:
    connect(provider="github")
    at = f"/pods/{pod.name}/webhook/registrations/"
    assert client_of(vera).post(at, {"repo": "x"}).status_code == 403
    assert client_of(charlie).post(at, {"repo": "x"}).status_code == 404
    assert "Register webhook" not in client_of(vera).get(f"/pods/{pod.name}/settings/").content.decode()
