"""What the palette and the page of /search/ find, for whom, and in how many queries."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.accounts.roles import Role
from apps.core.ids import new_id
from apps.dashboard.search import find
from apps.dashboard.search.words import fit, near
from apps.pods.models import Pod
from apps.pods.roles import give_role
from tests.dashboard.pages.conftest import HOSTILE, deploy, make_pod, seal, whole
from tests.people import join, make_team, make_user

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def shop(team: Team, bob: User) -> Pod:
    """Two revisions: the first by Bob, the second of a commit; both were deployed."""
    pod = make_pod(team, f"shop-{new_id()[-6:]}")
    first = seal(pod, 1, whole(f"{pod.name}.localhost"))
    first.summary, first.author = "Mend the basket", bob
    first.save()
    deploy(first, finished_at=timezone.now())
    second = seal(pod, 2, whole(f"{pod.name}.localhost"))
    second.summary = "Faster checkout"
    second.save()
    commit = "abc1234def" + "0" * 30
    second.builds.create(app="web", inputs="i", commit=commit, message="Cache the rates", author="Grace")
    deploy(second, finished_at=timezone.now())
    return pod


def found(user: User, text: str) -> dict[str, list[tuple[str, str]]]:
    return {group.title: [(hit.title, hit.url) for hit in group.hits] for group in find(user, text)}


def titles(user: User, text: str, group: str) -> list[str]:
    return [title for title, _ in found(user, text).get(group, [])]


@pytest.mark.parametrize(
    ("typed", "group", "title"),
    [
        ("{pod}", "Pods", "{pod}"),
        ("SHOP", "Pods", "{pod}"),
        ("shpo", "Pods", "{pod}"),
        ("web", "Apps and resources", "web"),
        ("shop web", "Apps and resources", "web"),
        ("web app", "Apps and resources", "web"),
        ("v2", "Deployments", "v2 Faster checkout"),
        ("shop 2", "Deployments", "v2 Faster checkout"),
        ("#1", "Deployments", "v1 Mend the basket"),
        ("basket", "Deployments", "v1 Mend the basket"),
        ("shop checkout", "Deployments", "v2 Faster checkout"),
        ("bob", "Deployments", "v1 Mend the basket"),
        ("abc1234", "Commits", "abc1234 Cache the rates"),
        ("ABC1", "Commits", "abc1234 Cache the rates"),
        ("rates", "Commits", "abc1234 Cache the rates"),
        ("grace", "Commits", "abc1234 Cache the rates"),
        ("new pod", "Actions", "New pod"),
        ("dark", "Actions", "Theme: dark"),
        ("theme da", "Actions", "Theme: dark"),
        ("sign out", "Actions", "Sign out"),
        ("roll back shop", "Actions", "Roll back {pod}…"),
        ("rollback", "Actions", "Roll back {pod}…"),
        ("settings shop", "Pages", "Settings of {pod}"),
        ("notifications", "Pages", "Notifications of home"),
        ("terminals", "Pages", "Terminals of home"),
    ],
)
def test_found_by_what_people_would_type(typed: str, group: str, title: str, shop: Pod, bob: User) -> None:
    assert title.format(pod=shop.name) in titles(bob, typed.format(pod=shop.name), group)


def test_what_fits_best_is_first(shop: Pod, team: Team, alice: User) -> None:
    make_pod(team, f"my-{shop.name}")
    assert next(iter(found(alice, shop.name))) == "Pods"
    assert titles(alice, shop.name, "Pods")[0] == shop.name
    assert next(iter(found(alice, "abc1234d"))) == "Commits"
    assert next(iter(found(alice, "sign out"))) == "Actions"


def test_a_deployment_is_the_newest_of_its_revision(shop: Pod, alice: User) -> None:
    again = deploy(shop.revisions.get(version=1), "failed", finished_at=timezone.now())
    assert found(alice, "basket")["Deployments"] == [
        ("v1 Mend the basket", reverse("deployment", args=[shop.name, again.pk]))
    ]


def test_strangers_find_nothing_of_it(shop: Pod, charlie: User) -> None:
    for typed in (shop.name, "web", "basket", "abc1234", "v2", "shop settings", "rollback", "bob", "home"):
        for group in find(charlie, typed):
            for hit in group.hits:
                assert shop.name not in hit.title + hit.detail + hit.url, typed
                assert shop.team.slug not in hit.url, typed
    assert not titles(charlie, "basket", "Deployments")


def test_who_may_only_look_is_offered_no_deeds(shop: Pod, vera: User, bob: User, alice: User) -> None:
    assert titles(vera, "rollback", "Actions") == []
    assert titles(vera, "settings shop", "Pages") == [f"Settings of {shop.name}"]
    give_role(membership=vera.memberships.get(), pod=shop, role=Role.DEVELOPER, by=alice)
    assert titles(vera, "rollback", "Actions") == [f"Roll back {shop.name}…"]
    give_role(membership=bob.memberships.get(), pod=shop, role=Role.VIEWER, by=alice)
    assert titles(bob, "rollback", "Actions") == []


def test_a_pod_that_is_being_deleted_is_gone(shop: Pod, alice: User) -> None:
    Pod.objects.filter(pk=shop.pk).update(deleting_at=timezone.now())
    for typed in ("", shop.name, "basket", "abc1234", "web"):
        assert all(shop.name not in hit.url for group in find(alice, typed) for hit in group.hits)


def test_with_nothing_typed_the_recent_comes_first(shop: Pod, team: Team, alice: User) -> None:
    other = make_pod(team)
    deploy(seal(other, 1, {}), finished_at=timezone.now())
    groups = found(alice, "  ")
    assert list(groups) == ["Recent pods", "Recent deployments", "Actions", "Pages"]
    assert [title for title, _ in groups["Recent pods"]] == [other.name, shop.name]
    newcomer = join(make_team("fresh"), make_user("newcomer"), Role.OWNER)
    assert list(found(newcomer, "")) == ["Actions", "Pages"]


def test_every_place_it_leads_to_is_there(shop: Pod, alices: Client, alice: User) -> None:
    alice.is_staff = True
    alice.save()
    seen = set()
    for typed in ("", "shop", "of", "new", "platform", "backups", "settings", "infra", "nginx", "rollback", "web"):
        for group in find(alice, typed):
            seen |= {hit.url for hit in group.hits if hit.sends is None}
    assert len(seen) > 20
    for address in seen:
        assert alices.get(address).status_code == 200, address


def test_actions_are_sent(alice: User, alices: Client) -> None:
    dark = next(hit for group in find(alice, "dark") for hit in group.hits)
    assert alices.post(dark.url, dict(dark.sends or ())).status_code < 400
    alice.refresh_from_db()
    assert alice.theme == "dark"
    out = next(hit for group in find(alice, "sign out") for hit in group.hits)
    alices.post(out.url, dict(out.sends or ()))
    assert alices.get("/search/").status_code == 302


def test_the_options_of_the_palette_and_the_page(shop: Pod, alices: Client) -> None:
    options = alices.get("/search/", {"q": " basket "}, headers=HTMX).content.decode()
    assert 'data-answer="basket"' in options
    assert re.search(r'<a class="palette-hit" role="option"[^>]* href="/pods/[^"]+/deployments/', options)
    identities = re.findall(r'\sid="([^"]+)"', options)
    assert len(identities) == len(set(identities))
    page = alices.get("/search/", {"q": "dark"}).content.decode()
    assert '<input type="hidden" name="theme" value="dark">' in page
    assert "csrfmiddlewaretoken" in page
    assert alices.get("/search?q=dark", follow=True).redirect_chain == [("/search/?q=dark", 301)]


def test_nothing_found_says_so_and_what_to_do(alices: Client) -> None:
    page = alices.get("/search/", {"q": "zzqq"}).content.decode()
    assert "Nothing found for “zzqq”" in page
    assert "Clear filters" in page
    assert "Nothing found for “zzqq”" in alices.get("/search/", {"q": "zzqq"}, headers=HTMX).content.decode()


def test_what_is_typed_and_what_is_found_is_text(shop: Pod, alices: Client) -> None:
    shop.revisions.filter(version=1).update(summary=f"Mend {HOSTILE}")
    for headers in (HTMX, {}):
        page = alices.get("/search/", {"q": "mend"}, headers=headers).content.decode()
        assert "&lt;script&gt;alert(1)" in page
        assert "<script>alert" not in page
        assert "<script>alert" not in alices.get("/search/", {"q": HOSTILE}, headers=headers).content.decode()


@pytest.mark.parametrize("typed", ["%_\\", "'\"", "a" * 5000, "\u202e\ufeff", "v99999999999999", "é" * 200, "^$[("])
def test_odd_questions_are_answered(typed: str, shop: Pod, alices: Client) -> None:
    assert alices.get("/search/", {"q": typed}).status_code == 200


def test_percent_is_no_wildcard(shop: Pod, alice: User) -> None:
    assert titles(alice, "m%t", "Deployments") == []
    assert titles(alice, "m_nd", "Deployments") == []


@pytest.mark.parametrize("typed", ["", "shop", "v2", "change", "abc1234", "zzqq", "shop rollback", "bob"])
def test_the_number_of_queries_does_not_grow(typed: str, shop: Pod, team: Team, alice: User) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as caught:
            find(alice, typed)
        return len(caught)

    deploy(seal(make_pod(team), 1, {}), finished_at=timezone.now())
    before = count()
    for number in range(8):
        pod = make_pod(team, f"shop-{new_id()[-6:]}-{number}")
        for version in (1, 2, 3):
            deploy(seal(pod, version, whole(f"{pod.name}.localhost")), finished_at=timezone.now())
        join(team, make_user("bobby"), Role.DEVELOPER)
    assert count() <= before
    assert before <= 14


@pytest.mark.parametrize(
    ("word", "part", "close"),
    [
        ("shpo", "shop", True),
        ("chekout", "checkout", True),
        ("checcko", "checkout", True),
        ("chevk", "checkout", True),
        ("shop", "shop", True),
        ("shoop", "shop", True),
        ("hsop", "shop", False),
        ("shxy", "shop", False),
        ("checkoutss", "checkout", False),
        ("blog", "shop", False),
    ],
)
def test_one_letter_may_be_wrong(word: str, part: str, close: bool) -> None:
    assert near(word, part) is close


def test_short_words_have_to_be_right() -> None:
    assert fit(["sho"], "shop") is not None
    assert fit(["sph"], "shop") is None
    assert fit(["shop", "nothing"], "shop") is None
    assert fit([], "anything") == 0


def test_the_search_wants_somebody(client_of: Callable[..., Client]) -> None:
    assert Client().get("/search/").status_code == 302
