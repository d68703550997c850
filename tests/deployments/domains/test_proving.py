"""A domain from its claim to the edge, with a real name server."""

from __future__ import annotations

import datetime

import pytest
from django.utils import timezone

from apps.core.errors import Invalid, NotFound
from apps.deployments import domains
from apps.pods import actions
from apps.pods.domains import claims
from apps.pods.models import HostName, Pod
from tests.deployments.domains.conftest import AWAY, DOMAIN, HERE, World, served
from tests.pods.conftest import go_live
from tests.pods.specs import RULES

pytestmark = pytest.mark.django_db
WWW = "www.example.com"


def test_a_claim_serves_nothing(world: World, ours: Pod) -> None:
    world.name(ours, WWW)
    world.look(WWW)
    assert (world.state(ours, WWW), served()) == ("pending", {})
    assert world.words(ours) == []


def test_a_cname_proves_and_leads_here(world: World, ours: Pod) -> None:
    world.name(ours, WWW)
    world.cname(WWW, ours)
    world.look(WWW)
    row = world.claim(ours, WWW)
    assert (row.state, row.proof, bool(row.verified_at)) == ("verified", "cname", True)
    assert served() == {WWW: ours.pk}
    assert world.words(ours) == [f"{WWW} is proven by its CNAME record and leads here."]


def test_a_text_proves_before_anything_leads_here(world: World, ours: Pod) -> None:
    world.name(ours, WWW)
    world.txt(WWW, ours)
    world.dns.set(WWW, "A", AWAY)
    world.look(WWW)
    assert (world.state(ours, WWW), world.claim(ours, WWW).proof) == ("misdirected", "txt")
    assert served() == {WWW: ours.pk}  # whoever comes is answered
    world.dns.set(WWW, "A", HERE)
    world.look(WWW)
    assert world.state(ours, WWW) == "verified"
    assert world.words(ours)[-1] == f"{WWW} leads here again."


def test_addresses_prove_where_nobody_else_is_meant(world: World, ours: Pod) -> None:
    world.name(ours, "example.com")
    world.dns.set("example.com", "A", HERE)
    world.look("example.com")
    assert (world.state(ours, "example.com"), world.claim(ours, "example.com").proof) == ("verified", "address")


@pytest.mark.parametrize("addresses", [(HERE, AWAY), (AWAY,)])
def test_addresses_that_lead_elsewhere_too_prove_nothing(world: World, ours: Pod, addresses: tuple[str, ...]) -> None:
    world.name(ours, "example.com")
    world.dns.set("example.com", "A", *addresses)
    world.look("example.com")
    assert world.state(ours, "example.com") == "pending"


def test_a_wildcard_that_leads_here_proves_nothing(world: World, ours: Pod) -> None:
    world.name(ours, WWW)
    world.dns.set("*.example.com", "A", HERE)
    world.look(WWW)
    assert (world.state(ours, WWW), world.note(ours, WWW)) == ("pending", "wildcard")
    world.txt(WWW, ours)
    world.look(WWW)
    assert world.state(ours, WWW) == "verified"


def test_it_answers_where_the_live_revision_has_it(world: World, ours: Pod) -> None:
    """Proven early: nothing but the platform's page until it is deployed; then it moves from route to route."""
    world.name(ours, WWW, live=False)
    world.cname(WWW, ours)
    world.look(WWW)
    assert served() == {WWW: "not_deployed"}
    go_live(ours, None)  # type: ignore[arg-type]
    assert served() == {WWW: ours.pk}
    actions.save_resource(pod=ours, kind="Route", name="front", spec=RULES, by=None, create=False)
    actions.save_resource(pod=ours, kind="Route", name="other", spec=RULES | {"domains": [WWW]}, by=None, create=True)
    ours.refresh_from_db()
    go_live(ours, None)  # type: ignore[arg-type]
    domains.release(ours)
    assert (world.state(ours, WWW), served()) == ("verified", {WWW: ours.pk})


def test_what_leads_elsewhere_is_said_and_stays(world: World, ours: Pod) -> None:
    world.name(ours, WWW)
    world.cname(WWW, ours)
    world.look(WWW)
    world.dns.set(WWW, "CNAME")
    world.dns.set(WWW, "A", AWAY)
    world.look(WWW)
    world.look(WWW)
    assert (world.state(ours, WWW), served()) == ("misdirected", {WWW: ours.pk})
    assert world.words(ours)[1:] == [f"{WWW} does not lead here any more, but to {AWAY}."]


def test_silence_changes_nothing(world: World, ours: Pod) -> None:
    world.name(ours, WWW)
    world.cname(WWW, ours)
    world.look(WWW)
    world.dns.broken.add(f"_brainpod.{WWW}")
    world.look(WWW)
    row = world.claim(ours, WWW)
    assert (row.state, served()) == ("verified", {WWW: ours.pk})
    assert row.found
    assert "did not answer" in row.found["trouble"]
    assert row.check_at
    assert row.check_at > timezone.now()


def test_claims_are_looked_up_ever_less_often_and_end(world: World, ours: Pod) -> None:
    world.name(ours, WWW)
    waits = []
    for age in (0.0, 2.0, 25.0):
        HostName.objects.filter(host=WWW).update(claimed_at=timezone.now() - datetime.timedelta(hours=age))
        world.look(WWW)
        row = world.claim(ours, WWW)
        assert row.check_at
        assert row.checked_at
        waits.append((row.check_at - row.checked_at).total_seconds())
    assert waits == [60, 600, 3600]
    world.age(ours, WWW, days=14)
    world.look(WWW)
    assert (world.state(ours, WWW), world.claim(ours, WWW).check_at) == ("expired", None)
    assert world.words(ours) == [f"{WWW} was not proven within 14 days; it is looked up when asked."]
    world.look(WWW)
    assert len(world.words(ours)) == 1
    world.txt(WWW, ours)
    HostName.objects.filter(host=WWW).update(checked_at=timezone.now() - datetime.timedelta(hours=1))
    domains.ask(pod=ours, host=WWW)
    domains.check_due()
    assert world.claim(ours, WWW).verified_at


def test_an_expired_claim_that_is_named_again_is_looked_up_again(world: World, ours: Pod) -> None:
    world.name(ours, WWW)
    world.age(ours, WWW, days=15)
    world.look(WWW)
    assert world.state(ours, WWW) == "expired"
    world.name(ours, WWW, "b.example.com")
    assert world.state(ours, WWW) == "pending"


def test_what_is_due_is_looked_up_by_the_clock(world: World, ours: Pod) -> None:
    hosts = [f"h{n}.example.com" for n in range(9)]
    world.name(ours, *hosts)
    for host in hosts:
        world.cname(host, ours)
    domains.check_due()
    assert set(served()) == set(hosts)
    asked = len(world.dns.asked)
    domains.check_due()  # nothing is due
    assert len(world.dns.asked) == asked


def test_asking_again(world: World, ours: Pod, theirs: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domains, "EARLIEST", datetime.timedelta(hours=1))
    world.name(ours, WWW)
    domains.check_due()
    row = world.claim(ours, WWW)
    domains.ask(pod=ours, host=WWW)  # seconds ago: the answer is the one there is
    assert world.claim(ours, WWW).check_at == row.check_at
    HostName.objects.filter(pk=row.pk).update(checked_at=timezone.now() - datetime.timedelta(hours=2))
    domains.ask(pod=ours, host=WWW)
    world.cname(WWW, ours)
    domains.check_one(row.pk)
    assert world.state(ours, WWW) == "verified"
    for pod, host in ((theirs, WWW), (ours, "other.example.com"), (ours, f"shop.{DOMAIN}")):
        with pytest.raises(NotFound):
            domains.ask(pod=pod, host=host)


def test_a_claim_given_up_while_it_is_looked_up(world: World, ours: Pod) -> None:
    world.name(ours, WWW)
    world.cname(WWW, ours)
    rows = list(HostName.objects.filter(host=WWW).select_related("pod"))
    world.name(ours)
    domains.check(rows)
    domains.check([])
    domains.check_one(rows[0].pk)
    assert (world.state(ours, WWW), served()) == ("none", {})


def test_a_pod_being_deleted_serves_and_looks_up_nothing(world: World, ours: Pod) -> None:
    world.name(ours, WWW)
    world.cname(WWW, ours)
    world.look(WWW)
    Pod.objects.filter(pk=ours.pk).update(deleting_at=timezone.now())
    world.due(WWW)
    asked = len(world.dns.asked)
    domains.check_due()
    assert (served(), len(world.dns.asked)) == ({}, asked)


def test_claims_of_a_team_are_not_without_end(world: World, ours: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "MOST_UNPROVEN", 2)
    world.name(ours, "a.example.com", "b.example.com")
    with pytest.raises(Invalid, match="too many"):
        world.name(ours, "a.example.com", "b.example.com", "c.example.com", live=False)
    assert world.state(ours, "c.example.com") == "none"
