"""Drafts, seals and pins, and what two people at once cannot break."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import close_old_connections, connection
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.core.errors import Conflict, Invalid, NotFound, UserError
from apps.pods import actions
from apps.pods.diff import diff
from apps.pods.models import Pod, Resource, Revision
from tests.pods.conftest import go_live
from tests.pods.specs import APP, REPO, RULES, app, env

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", ["", "Shop", "a--b", "-a", "a-", "new", "x" * 41, "a.b", "../a", "1a"])
def test_bad_names_of_pods(team: Team, alice: User, name: str) -> None:
    with pytest.raises(Invalid) as caught:
        actions.create_pod(team=team, name=name, by=alice)
    assert caught.value.details[0].path == "name"
    assert not Pod.objects.exists()


def test_the_name_of_a_pod_is_taken_once(pod: Pod, charlie: User) -> None:
    with pytest.raises(Conflict) as caught:
        actions.create_pod(team=Team.objects.of(charlie).get(), name="shop", by=charlie)
    assert caught.value.code == "name_taken"


def test_a_draft_is_shared_and_sealed_with_the_next_version(shop: Pod, alice: User, bob: User) -> None:
    draft = actions.draft(pod=shop, by=bob)
    assert draft == actions.draft(pod=shop, by=alice)
    revision = actions.seal(pod=shop, summary=" The\nfirst  ", by=bob)
    assert (revision, revision.version, revision.summary, revision.author) == (draft, 1, "The first", bob)
    assert shop.draft is None


def test_a_new_draft_starts_from_what_was_deployed_last(live: Pod, save: Callable[..., Resource]) -> None:
    save("Disk", "data", {})
    draft = live.draft
    assert draft
    assert draft.parent == live.head
    assert set(draft.snapshot()) == {"web", "front", "data"}
    assert set(live.live.snapshot()) == {"web", "front"}  # type: ignore[union-attr]


def test_sealing_names_every_problem(shop: Pod, save: Callable[..., Resource], alice: User) -> None:
    save("App", "api", app(configs=["none"]))
    with pytest.raises(Invalid) as caught:
        actions.seal(pod=shop, summary="", by=alice)
    assert [detail.path for detail in caught.value.details] == ["api.configs.0"]
    assert shop.draft


def test_nothing_to_deploy(live: Pod, save: Callable[..., Resource], alice: User) -> None:
    for _ in range(2):
        with pytest.raises(Conflict) as caught:
            actions.seal(pod=live, summary="", by=alice)
        assert caught.value.code == "nothing_to_deploy"
        actions.draft(pod=live, by=alice)


def test_a_summary_is_made_up_and_a_long_one_refused(shop: Pod, alice: User) -> None:
    with pytest.raises(Invalid, match="summary"):
        actions.seal(pod=shop, summary="x" * 201, by=alice)
    assert actions.seal(pod=shop, summary="", by=alice).summary == "Add front, add web"


def test_names_of_resources(shop: Pod, save: Callable[..., Resource]) -> None:
    for name in ("Web", "new", "", "a" * 64, "a/b"):
        with pytest.raises(Invalid):
            save("Disk", name, {})
    with pytest.raises(Conflict) as caught:
        save("Disk", "web", {})
    assert caught.value.code == "name_taken"
    with pytest.raises(NotFound):
        save("App", "nobody", APP, create=False)
    with pytest.raises(Invalid, match="kind"):
        save("Disk", "web", {}, create=False)


def test_a_bad_spec_opens_no_draft(live: Pod, save: Callable[..., Resource]) -> None:
    with pytest.raises(Invalid):
        save("App", "web", app(replicas=99), create=False)
    with pytest.raises(Invalid):
        save("Lambda", "x", {})
    assert live.draft is None


def test_an_edit_of_what_somebody_else_changed_is_refused(live: Pod, save: Callable[..., Resource]) -> None:
    assert live.live
    seen = {name: item.token for name, item in live.live.snapshot().items()}
    save("Route", "front", RULES | {"timeout": 5}, create=False, seen=seen["front"])
    save("App", "web", app(replicas=2), create=False, seen=seen["web"])  # another resource: no conflict
    with pytest.raises(Conflict) as caught:
        save("App", "web", app(replicas=3), create=False, seen=seen["web"])
    assert caught.value.code == "draft_changed"
    assert live.draft
    assert live.draft.snapshot()["web"].spec["replicas"] == 2


def test_a_disk_that_is_live_never_shrinks(shop: Pod, save: Callable[..., Resource], alice: User) -> None:
    save("Disk", "data", {"size": 20})
    save("Disk", "data", {"size": 10}, create=False)
    go_live(shop, alice)
    save("Disk", "data", {"size": 30}, create=False)
    save("Disk", "data", {"size": 10}, create=False)
    with pytest.raises(Invalid, match="never shrinks"):
        save("Disk", "data", {"size": 5}, create=False)


def test_deleting_and_discarding(live: Pod, alice: User) -> None:
    draft = actions.delete_resource(pod=live, name="web", by=alice)
    assert set(draft.snapshot()) == {"front"}
    with pytest.raises(NotFound):
        actions.delete_resource(pod=live, name="web", by=alice)
    assert actions.discard_draft(pod=live, by=alice)
    assert not actions.discard_draft(pod=live, by=alice)
    assert live.live
    assert set(live.live.snapshot()) == {"front", "web"}


def test_a_pod_that_is_going_takes_no_changes(live: Pod, save: Callable[..., Resource]) -> None:
    Pod.objects.filter(pk=live.pk).update(deleting_at=timezone.now())
    with pytest.raises(Conflict) as caught:
        save("Disk", "data", {})
    assert caught.value.code == "pod_deleting"


def test_a_push_ships_nobodys_draft(live: Pod, save: Callable[..., Resource], bob: User) -> None:
    save("App", "web", app(env=env(HALF="done")), create=False)
    commit = "a" * 40
    pushed = actions.pin_commit(pod=live, commits={"web": commit}, by=None, summary="push")
    assert live.live
    assert (pushed.version, pushed.parent) == (2, live.live)
    assert [f.path for c in diff(live.live.snapshot(), pushed.snapshot()) for f in c.fields] == ["source.commit"]
    assert live.draft
    carried = live.draft.snapshot()["web"].spec
    assert carried["source"]["commit"] == commit
    assert carried["env"] == env(HALF="done")


def test_a_pin_stays_out_of_a_draft_on_another_branch(live: Pod, save: Callable[..., Resource]) -> None:
    save("App", "web", {"source": {"repo": REPO, "branch": "next"}}, create=False)
    actions.pin_commit(pod=live, commits={"web": "a" * 40}, by=None, summary="push")
    assert live.draft
    assert live.draft.snapshot()["web"].spec["source"]["commit"] == ""


def test_pins_that_cannot_be(live: Pod, pod: Pod, alice: User) -> None:
    with pytest.raises(NotFound):
        actions.pin_commit(pod=live, commits={"nobody": "a" * 40}, by=alice, summary="")
    with pytest.raises(Invalid):
        actions.pin_commit(pod=live, commits={"web": "main"}, by=alice, summary="")
    empty = actions.create_pod(team=pod.team, name="empty", by=alice)
    with pytest.raises(Conflict):
        actions.pin_commit(pod=empty, commits={"web": "a" * 40}, by=alice, summary="")
    assert live.revisions.count() == 1


def test_another_branch_or_repository_forgets_the_commit(live: Pod, save: Callable[..., Resource], alice: User) -> None:
    pinned = actions.pin_commit(pod=live, commits={"web": "a" * 40}, by=alice, summary="push")
    Pod.objects.filter(pk=live.pk).update(live=pinned, head=pinned)
    kept = save("App", "web", app(replicas=2), create=False).spec["source"]
    assert kept["commit"] == "a" * 40
    moved = save("App", "web", {"source": kept | {"branch": "next"}}, create=False).spec["source"]
    assert moved["commit"] == ""
    assert (
        save("App", "web", {"source": moved | {"commit": "b" * 40}}, create=False).spec["source"]["commit"] == "b" * 40
    )


def test_an_earlier_revision_becomes_the_draft(live: Pod, save: Callable[..., Resource], alice: User) -> None:
    first = live.live
    assert first
    save("Disk", "data", {})
    go_live(live, alice)
    draft = actions.copy_revision(revision=first, by=alice)
    assert diff(first.snapshot(), draft.snapshot()) == []
    save("Config", "settings", {})
    with pytest.raises(Conflict) as caught:
        actions.copy_revision(revision=first, by=alice)
    assert caught.value.code == "draft_exists"
    assert set(actions.copy_revision(revision=first, by=alice, replace=True).snapshot()) == {"front", "web"}


def _at_once(work: list[Callable[[], Any]]) -> list[Any]:
    """What each returned, or the UserError it raised; all started together."""
    barrier = threading.Barrier(len(work))
    results: list[Any] = [None] * len(work)

    def run(index: int) -> None:
        close_old_connections()
        try:
            barrier.wait(30)
            results[index] = work[index]()
        except Exception as error:
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return results


@pytest.mark.django_db(transaction=True)
def test_two_editors_make_one_draft(pod: Pod, alice: User) -> None:
    drafts = _at_once([lambda: actions.draft(pod=pod, by=alice).pk] * 4)
    assert drafts == [Revision.objects.get(pod=pod).pk] * 4


@pytest.mark.django_db(transaction=True)
def test_of_two_seals_one_wins(shop: Pod, alice: User) -> None:
    results = _at_once([lambda: actions.seal(pod=shop, summary="mine", by=alice)] * 3)
    assert [type(r) for r in results].count(Revision) == 1
    assert all(isinstance(r, Revision) or (isinstance(r, UserError) and r.code == "nothing_to_deploy") for r in results)


@pytest.mark.django_db(transaction=True)
def test_edits_at_once_are_all_kept(shop: Pod, alice: User) -> None:
    def edit(name: str) -> Callable[[], Resource]:
        return lambda: actions.save_resource(pod=shop, kind="Disk", name=name, spec={}, by=alice, create=True)

    results = _at_once([edit(name) for name in ("a", "b", "c", "a")])
    assert [type(r) for r in results].count(Conflict) == 1
    assert shop.draft
    assert {"a", "b", "c"} <= set(shop.draft.snapshot())
