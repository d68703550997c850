"""Two teams with a pod each, a name server that answers for the world, and a platform at 192.0.2.10."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.accounts.roles import Role
from apps.deployments import domains
from apps.deployments.desired import edge_state
from apps.dns.names import zone_of
from apps.pods import actions
from apps.pods.domains.claims import target_of, text_of
from apps.pods.models import DomainProof, HostName, Pod
from tests.dns.nameserver import NameServer
from tests.people import join, make_team, make_user
from tests.pods.conftest import go_live
from tests.pods.specs import APP, RULES

HERE = "192.0.2.10"
AWAY = "203.0.113.9"
DOMAIN = "apps.example.net"


class World:
    """The DNS, and whatever is done to claims in it."""

    def __init__(self, dns: NameServer) -> None:
        self.dns = dns

    def pod(self, name: str, team: Team, by: User) -> Pod:
        """Live, with a route `front`."""
        pod = actions.create_pod(team=team, name=name, by=by)
        actions.save_resource(pod=pod, kind="App", name="web", spec=APP, by=by, create=True)
        actions.save_resource(pod=pod, kind="Route", name="front", spec=RULES, by=by, create=True)
        return go_live(pod, by)

    def stranger(self, name: str) -> Pod:
        """A pod of a team that nobody here knows."""
        team = make_team(name)
        return self.pod(name, team, join(team, make_user(name), Role.OWNER))

    def name(self, pod: Pod, *hosts: str, route: str = "front", live: bool = True) -> None:
        """Have the route answer to exactly these, if they are proven."""
        pod.refresh_from_db()
        spec = RULES | {"domains": list(hosts)}
        actions.save_resource(pod=pod, kind="Route", name=route, spec=spec, by=None, create=False)
        if live:
            pod.refresh_from_db()
            go_live(pod, None)  # type: ignore[arg-type]
            domains.release(pod)

    def proof(self, pod: Pod, host: str) -> DomainProof:
        return DomainProof.objects.get(team=pod.team, host=host)

    def txt(self, host: str, *pods: Pod) -> None:
        """The TXT records of these pods' teams, and no others."""
        self.dns.set(f"_brainpod.{host}", "TXT", *[text_of(self.proof(pod, host)) for pod in pods])

    def cname(self, host: str, pod: Pod) -> None:
        self.dns.set(host, "CNAME", target_of(self.proof(pod, host)))

    def look(self, host: str) -> None:
        """Everybody's claims of `host` are looked up, the oldest first."""
        domains.check(HostName.objects.filter(custom=True, host=host).select_related("pod").order_by("pk"))

    def claim(self, pod: Pod, host: str) -> HostName:
        return pod.hosts.get(custom=True, host=host)

    def state(self, pod: Pod, host: str) -> str:
        row = pod.hosts.filter(custom=True, host=host).first()
        return row.state if row else "none"

    def note(self, pod: Pod, host: str) -> str:
        return str((self.claim(pod, host).found or {}).get("note", ""))

    def age(self, pod: Pod, host: str, **by: float) -> None:
        """Have the claim be that much older."""
        row = self.claim(pod, host)
        assert row.claimed_at
        HostName.objects.filter(pk=row.pk).update(claimed_at=row.claimed_at - datetime.timedelta(**by))

    def due(self, host: str) -> None:
        HostName.objects.filter(host=host).update(check_at=timezone.now())

    def words(self, pod: Pod) -> list[str]:
        """What the pod's people were told, the oldest first."""
        return list(pod.events.filter(kind="domain").order_by("id").values_list("words", flat=True))


def served() -> dict[str, str]:
    """What the edge would serve of custom domains: the pod behind each, or the page."""
    sites = [site for site in edge_state().sites if not site.host.endswith(DOMAIN)]
    assert len({site.host for site in sites}) == len(sites)
    return {site.host: site.rules[0].key.partition(":")[0] if site.rules else site.answer for site in sites}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with NameServer() as dns:
        address, port = dns.endpoint
        config = dataclasses.replace(
            settings.BRAINPOD, dns_resolvers=f"{address}:{port}", domain=DOMAIN, addresses=HERE,
            dashboard_host="panel.example.net",
        )  # fmt: skip
        monkeypatch.setattr(settings, "BRAINPOD", config)
        monkeypatch.setattr(domains, "SECONDS", 120.0)  # however busy the machine is
        dns.set(f"*.{DOMAIN}", "A", HERE)
        assert zone_of("www.example.com") == "example.com"
        yield World(dns)


@pytest.fixture
def ours(world: World, team: Team, alice: User) -> Pod:
    return world.pod("shop", team, alice)


@pytest.fixture
def theirs(world: World) -> Pod:
    return world.stranger("elsewhere")
