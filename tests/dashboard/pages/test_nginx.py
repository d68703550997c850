"""The configuration of nginx on the pages: of a route to its team and nobody else's hosts, all of it to operators."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse

from apps.core.errors import Unavailable
from apps.dashboard import resource_pages
from apps.dashboard.views import nginx
from apps.edge.base import EdgeState, Rule, Site
from apps.pods.models import Pod
from tests.edge.conftest import Stand, prepared
from tests.people import make_user

pytestmark = pytest.mark.django_db
HASH = f"guest:$2b$05${'a' * 53}"


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    with prepared() as made:
        for module in (resource_pages, nginx):
            monkeypatch.setattr(module, "edge", lambda: made.edge)
        yield made


@pytest.fixture
def served(stand: Stand, live_pod: Pod) -> Stand:
    """The pod's route and somebody else's, of one kind; nginx itself does not run."""

    def site(host: str, pod: str, socket: str) -> Site:
        rule = Rule("/", upstreams=(socket,), key=f"{pod}:front:/", app=f"{pod}/web")
        own = {"password": HASH, "headers": (("X-Of", host),), "allow": ("10.0.0.0/8",)}
        return Site(host, rules=(rule,), route=f"{pod}/front", **own)

    sites = (
        site(f"{live_pod.name}.localhost", live_pod.pk, "unix:/run/ours.sock"),
        site("secret.example.com", "elsewhere", "unix:/run/theirs.sock"),
    )
    with pytest.raises(Unavailable, match="does not answer"):
        stand.edge.apply(lambda: EdgeState(sites))
    return stand


def configuration(client: Client, pod: Pod) -> str:
    return client.get(reverse("resource", args=[pod.name, "front"]), {"tab": "configuration"}).content.decode()


def test_a_team_sees_its_own_hosts_and_where_they_lead(served: Stand, veras: Client, live_pod: Pod) -> None:
    shown = configuration(veras, live_pod)
    as_text = veras.get(reverse("route-nginx", args=[live_pod.name, "front"])).content.decode()
    assert "secret.example.com" in served.edge.served().text
    for text in (shown, as_text):
        assert f"{live_pod.name}.localhost" in text
        assert "proxy_pass" in text
        assert not any(word in text for word in ("secret.example.com", "elsewhere", "theirs.sock", HASH))
    assert "/run/ours.sock" in shown
    assert reverse("nginx") not in shown


def test_what_is_not_served_is_said(stand: Stand, veras: Client, live_pod: Pod) -> None:
    assert "Nothing of this route is served yet" in configuration(veras, live_pod)
    assert b"Nothing" in veras.get(reverse("route-nginx", args=[live_pod.name, "front"])).content
    assert veras.get(reverse("route-nginx", args=[live_pod.name, "nobody"])).status_code == 404


def test_operators_see_all_of_it_and_search(served: Stand, client: Client) -> None:
    client.force_login(make_user("operator", is_staff=True, is_superuser=True))
    page = client.get(reverse("nginx")).content.decode()
    assert "secret.example.com" in page
    assert "nginx does not answer" in page
    found = client.get(reverse("nginx"), {"q": "SECRET.example"}).content.decode()
    assert "secret.example.com" in found
    assert "proxy_pass" not in found
    assert "No line has it" in client.get(reverse("nginx"), {"q": "<b>x"}).content.decode()
    download = client.get(reverse("nginx-text"))
    assert download.content.decode() == served.edge.served().text
    assert "attachment" in download["Content-Disposition"]


def test_operators_see_what_was_refused(served: Stand, client: Client) -> None:
    client.force_login(make_user("operator", is_staff=True, is_superuser=True))
    logs = served.edge.layout.home / "logs"
    logs.rename(logs.with_name("moved"))
    with pytest.raises(Unavailable, match="logs"):
        served.edge.apply(lambda: EdgeState((Site("new.test", answer="disabled"),)))
    logs.with_name("moved").rename(logs)
    page = client.get(reverse("nginx")).content.decode()
    assert "The last change was refused" in page
    assert "logs/access.log" in page
    assert "new.test" not in page
