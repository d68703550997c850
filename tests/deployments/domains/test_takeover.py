"""One domain, several teams: whoever shows a record has it, and nobody gets what only happens to lead here."""

from __future__ import annotations

import threading

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from apps.deployments import actions as deployments
from apps.deployments import domains
from apps.dns.lookup import Found
from apps.pods.domains.claims import target_of, text_of
from apps.pods.domains.settling import settle
from apps.pods.models import DomainProof, HostName, Pod, Revision
from apps.pods.plan import make_plan
from tests.deployments.domains.conftest import AWAY, DOMAIN, HERE, World, served

WWW = "www.example.com"
pytestmark = pytest.mark.django_db


def hold(world: World, pod: Pod, host: str = WWW) -> None:
    """The pod has proven it by its CNAME, and answers to it."""
    world.name(pod, host)
    world.cname(host, pod)
    world.look(host)
    assert world.claim(pod, host).verified_at


def test_a_claim_keeps_nobody_out(world: World, ours: Pod, theirs: Pod) -> None:
    world.name(theirs, WWW)
    world.look(WWW)
    hold(world, ours)
    assert served() == {WWW: ours.pk}


def test_the_second_to_prove_by_leading_here_is_told_no(world: World, ours: Pod, theirs: Pod) -> None:
    world.name(ours, "example.com")
    world.dns.set("example.com", "A", HERE)
    world.look("example.com")
    world.name(theirs, "example.com")
    world.look("example.com")
    assert (world.state(theirs, "example.com"), world.note(theirs, "example.com")) == ("pending", "taken")
    assert served() == {"example.com": ours.pk}


def test_two_who_claim_it_have_to_show_a_record(world: World, ours: Pod, theirs: Pod) -> None:
    world.name(theirs, "example.com")
    world.name(ours, "example.com")
    world.dns.set("example.com", "A", HERE)
    world.look("example.com")
    assert (world.note(ours, "example.com"), world.note(theirs, "example.com")) == ("contested", "contested")
    world.txt("example.com", ours)
    world.look("example.com")
    assert served() == {"example.com": ours.pk}


def test_a_name_beside_one_of_another_teams_has_to_be_shown(world: World, ours: Pod, theirs: Pod) -> None:
    """DNS that leads everything beneath example.com here is no invitation to everybody."""
    hold(world, ours, "example.com")
    world.name(theirs, "evil.example.com")
    world.dns.set("evil.example.com", "A", HERE)
    world.look("evil.example.com")
    assert (world.state(theirs, "evil.example.com"), world.note(theirs, "evil.example.com")) == ("pending", "contested")


def test_a_cname_to_another_pod_is_not_for_this_one(world: World, ours: Pod, theirs: Pod) -> None:
    world.name(theirs, WWW)
    world.dns.set(WWW, "CNAME", f"shop.{DOMAIN}")
    world.look(WWW)
    assert world.state(theirs, WWW) == "pending"


def test_what_still_leads_here_after_its_release_is_nobodys(world: World, ours: Pod, theirs: Pod) -> None:
    """The takeover by DNS left behind: the CNAME stands, and another team claims the name."""
    hold(world, ours)
    world.name(ours)
    assert (world.state(ours, WWW), served()) == ("none", {})
    assert "was released" in world.words(ours)[-1]
    world.name(theirs, WWW)
    world.look(WWW)
    assert (world.state(theirs, WWW), served()) == ("pending", {})
    world.dns.set(WWW, "CNAME")
    world.dns.set(WWW, "A", HERE)
    world.look(WWW)
    assert (world.state(theirs, WWW), world.note(theirs, WWW)) == ("pending", "contested")
    world.txt(WWW, theirs)
    world.look(WWW)
    assert served() == {WWW: theirs.pk}


def test_even_after_the_pod_and_its_team_are_gone(world: World, ours: Pod, theirs: Pod) -> None:
    hold(world, theirs, "example.com")
    team = theirs.team
    Pod.objects.filter(pk=theirs.pk).update(live=None, head=None)
    theirs.delete()
    team.delete()
    world.dns.set("example.com", "CNAME")
    world.dns.set("example.com", "A", HERE)
    world.name(ours, "example.com")
    world.look("example.com")
    assert (world.state(ours, "example.com"), world.note(ours, "example.com")) == ("pending", "contested")


def test_a_released_name_is_proven_again_by_its_own_team(world: World, ours: Pod) -> None:
    hold(world, ours)
    world.name(ours)
    world.name(ours, WWW)
    assert served() == {}
    world.look(WWW)
    assert served() == {WWW: ours.pk}


def test_the_new_owner_of_a_domain_takes_it_and_the_old_record_is_worth_nothing(
    world: World, ours: Pod, theirs: Pod
) -> None:
    world.name(theirs, WWW)
    world.txt(WWW, theirs)
    world.look(WWW)
    old = text_of(world.proof(theirs, WWW))
    world.name(ours, WWW)
    world.txt(WWW, ours)
    world.look(WWW)
    assert (world.state(ours, WWW)[:3], world.state(theirs, WWW)) == ("mis", "pending")
    assert served() == {WWW: ours.pk}
    assert "proven by somebody else" in world.words(theirs)[-1]
    assert ours.team.name not in world.words(theirs)[-1]
    world.dns.set(f"_brainpod.{WWW}", "TXT", old)
    world.look(WWW)
    assert served() == {WWW: ours.pk}


def test_with_both_records_it_stays_where_it_is(world: World, ours: Pod, theirs: Pod) -> None:
    world.name(theirs, WWW)
    world.txt(WWW, theirs)
    world.look(WWW)
    world.name(ours, WWW)
    world.txt(WWW, ours, theirs)
    world.look(WWW)
    assert (world.note(ours, WWW), served()) == ("taken", {WWW: theirs.pk})
    world.txt(WWW, ours)
    world.look(WWW)
    assert served() == {WWW: ours.pk}


def test_leading_here_takes_nothing_from_anybody(world: World, ours: Pod, theirs: Pod) -> None:
    hold(world, theirs, "example.com")
    world.dns.set("example.com", "CNAME")
    world.dns.set("example.com", "A", AWAY)
    world.look("example.com")
    world.name(ours, "example.com")
    world.dns.set("example.com", "A", HERE)
    world.look("example.com")
    assert (world.note(ours, "example.com"), served()) == ("taken", {"example.com": theirs.pk})


def test_two_pods_of_a_team_hand_it_over(world: World, ours: Pod) -> None:
    hold(world, ours)
    second = world.pod("second", ours.team, ours.team.members.first())  # type: ignore[arg-type]
    world.name(second, WWW)
    world.look(WWW)
    assert (world.note(second, WWW), served()) == ("sibling", {WWW: ours.pk})
    assert make_plan(second, Revision.objects.get(pk=second.live_id), stored=frozenset({"web"}))
    world.name(ours)
    world.look(WWW)
    assert served() == {WWW: second.pk}


def test_a_rollback_to_a_domain_that_was_released(world: World, ours: Pod, theirs: Pod) -> None:
    hold(world, ours)
    first = ours.live
    assert first
    world.name(ours)
    ours.refresh_from_db()
    plan = make_plan(ours, first, stored=frozenset({"web"}))
    assert [(line.consequence, line.aside) for line in plan.lines if line.kind == "Domain"] == [
        (f"adds domain {WWW} to front", "it has to be proven again")
    ]
    world.name(theirs, WWW)
    world.dns.set(WWW, "CNAME")
    world.txt(WWW, theirs)
    world.look(WWW)
    later = make_plan(ours, first, stored=frozenset({"web"}))
    assert later.token == plan.token  # what holds of the domain meanwhile is no other plan
    assert "somebody else on this platform has proven it" in next(
        line.aside for line in later.lines if line.kind == "Domain"
    )
    deployments.deploy_revision(pod=ours, revision=first, by=None)
    Pod.objects.filter(pk=ours.pk).update(live=first)
    world.look(WWW)
    assert (world.state(ours, WWW), world.note(ours, WWW)) == ("pending", "")
    assert served() == {WWW: theirs.pk}
    world.txt(WWW, ours)
    world.look(WWW)
    assert served() == {WWW: ours.pk}


def test_the_database_itself_knows_one_owner(world: World, ours: Pod, theirs: Pod) -> None:
    hold(world, ours)
    world.name(theirs, WWW)
    row = world.claim(theirs, WWW)
    with pytest.raises(IntegrityError), transaction.atomic():
        HostName.objects.filter(pk=row.pk).update(state="verified", verified_at=timezone.now())
    with pytest.raises(IntegrityError), transaction.atomic():
        HostName.objects.create(pod=theirs, host=WWW, custom=True, state="pending")
    with pytest.raises(IntegrityError), transaction.atomic():
        HostName.objects.filter(pk=row.pk).update(state="verified")


@pytest.mark.django_db(transaction=True)
def test_two_teams_prove_it_at_once(world: World, ours: Pod, theirs: Pod) -> None:
    """Both records stand: one gets it, and the other is told."""
    world.name(ours, WWW)
    world.name(theirs, WWW)
    found = Found(texts=tuple(text_of(world.proof(pod, WWW)) for pod in (ours, theirs)), addresses=(HERE,))
    rows = [world.claim(pod, WWW) for pod in (ours, theirs)] * 3
    start = threading.Barrier(len(rows))
    errors: list[BaseException] = []

    def run(row: HostName) -> None:
        try:
            start.wait(60)
            settle(row, found)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(row,)) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    states = sorted(world.state(pod, WWW) for pod in (ours, theirs))
    assert states == ["pending", "verified"]
    loser = ours if world.state(ours, WWW) == "pending" else theirs
    assert world.note(loser, WWW) == "taken"
    assert len(served()) == 1


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "release", "txt", "cname", "address", "away", "look", "old"]), st.integers(0, 2)
    ),
    min_size=3,
    max_size=14,
)


@hypothesis_settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whatever_happens_one_team_serves_it_and_showed_something(
    world: World, ours: Pod, theirs: Pod, steps: list[tuple[str, int]]
) -> None:
    with transaction.atomic():
        third = world.pod("third", ours.team, ours.team.members.first())  # type: ignore[arg-type]
        _walk(world, [ours, theirs, third], steps)
        transaction.set_rollback(True)


def _walk(world: World, pods: list[Pod], steps: list[tuple[str, int]]) -> None:
    world.dns.set(f"_brainpod.{WWW}", "TXT")
    tokens: dict[int, list[str]] = {0: [], 1: [], 2: []}
    for kind in ("A", "CNAME"):
        world.dns.set(WWW, kind)
    for step, which in steps:
        pod = pods[which]
        proof = DomainProof.objects.filter(team=pod.team, host=WWW).first()
        before = served().get(WWW)
        held = HostName.objects.filter(host=WWW, verified_at__isnull=False).first()
        match step:
            case "claim" | "release":
                _name(world, pod, claimed=step == "claim")
            case "txt" if proof:
                tokens[which].append(text_of(proof))
                world.dns.set(f"_brainpod.{WWW}", "TXT", text_of(proof))
            case "cname" if proof:
                world.dns.set(WWW, "A")
                world.dns.set(WWW, "CNAME", target_of(proof))
            case "address" | "away":
                world.dns.set(WWW, "CNAME")
                world.dns.set(WWW, "A", HERE if step == "address" else AWAY)
            case "old" if tokens[which]:
                world.dns.set(f"_brainpod.{WWW}", "TXT", tokens[which][0])
            case "look":
                world.look(WWW)
        owners = list(HostName.objects.filter(host=WWW, verified_at__isnull=False).select_related("pod"))
        assert len(owners) <= 1
        after = served().get(WWW)
        if owners and held and owners[0].pod.team_id != held.pod.team_id:
            assert owners[0].proof in ("txt", "cname")  # taken by showing a record alone
        if after not in (before, None, "not_deployed"):
            assert after == owners[0].pod_id


def _name(world: World, pod: Pod, *, claimed: bool) -> None:
    pod.refresh_from_db()
    there = pod.live is not None and WWW in pod.live.resources.get(name="front").spec.get("domains", [])
    if there != claimed:
        world.name(pod, *([WWW] if claimed else []))
    domains.release(pod)
