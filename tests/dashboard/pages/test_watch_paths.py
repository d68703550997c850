"""The tester of watch paths, against a repository hosted here."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Team
from apps.core.ids import new_id
from apps.dashboard import watch_paths
from apps.dashboard.watch_paths import verdict_of
from apps.hooks.models import Receipt
from apps.pods.models import Pod
from apps.sources.hosted import Hosted
from tests.dashboard.pages.conftest import make_pod, seal, spec

pytestmark = pytest.mark.django_db


class Shop:
    """A pod whose live app `web` is built from a repository with three commits."""

    def __init__(self, team: Team, root: Path) -> None:
        name = f"r{new_id()[-10:]}"
        hosted = Hosted(settings.BRAINPOD.state / "repositories")
        root.mkdir()
        self.commits = []
        for path in ("README.md", "apps/web/index.js", "apps/web/docs/guide.md"):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(path)
            self.commits.append(hosted.commit_tree(team.slug, name, root, f"Add {path}"))
        source = {
            "repo": f"brainpod:{team.slug}/{name}",
            "branch": "main",
            "watchPaths": ["apps/web/**", "!**/docs/**"],
        }
        self.pod = make_pod(team)
        seal(self.pod, 1, {"web": ("App", spec("App", source=source))})

    @property
    def address(self) -> str:
        return reverse("watch-paths", args=[self.pod.name, "web"])


@pytest.fixture
def shop(team: Team, tmp_path: Path) -> Shop:
    return Shop(team, tmp_path / "work")


def words(answer: HttpResponse) -> str:
    return " ".join(answer.content.decode().split())


PATTERNS = "apps/web/**\n!**/docs/**\n"


def test_the_page_begins_with_the_patterns_of_the_app(shop: Shop, veras: Client) -> None:
    shown = veras.get(shop.address).content.decode()
    assert "apps/web/**\n!**/docs/**</textarea>" in shown
    assert "The newest of main" in shown
    assert "Developers of the team can test patterns." in shown
    assert veras.post(shop.address, {"patterns": PATTERNS}).status_code == 403
    configuration = veras.get(reverse("resource", args=[shop.pod.name, "web"]) + "?tab=configuration")
    assert f'href="{shop.address}"' in configuration.content.decode()


def test_the_last_pattern_that_matches_decides(shop: Shop, bobs: Client) -> None:
    newest = words(bobs.post(shop.address, {"patterns": PATTERNS}))
    assert "web would not build" in newest
    assert "the one file it changes is not watched" in newest
    assert "<code>apps/web/docs/guide.md</code>" in newest
    assert (
        '<code class="text-break">!**/docs/**</code> <span class="text-secondary small text-nowrap">line 2</span>'
        in newest
    )
    earlier = words(bobs.post(shop.address, {"patterns": PATTERNS, "commit": shop.commits[1]}))
    assert "web would build" in earlier
    assert "apps/web/index.js is watched" in earlier
    assert "line 1</span>" in earlier
    assert Pod.objects.get(pk=shop.pod.pk).draft is None, "nothing is saved"


def test_other_patterns_are_tried_without_saving(shop: Shop, bobs: Client) -> None:
    assert "web would build" in words(bobs.post(shop.address, {"patterns": "**/*.md"}))
    assert "there are no patterns: every push builds" in words(bobs.post(shop.address, {"patterns": " \n"}))
    only = words(bobs.post(shop.address, {"patterns": "!*.js"}))
    assert "web would build" in only
    assert "no exclusion names it" in only


@pytest.mark.parametrize("how", ["branch", "recent", "short"])
def test_a_commit_is_named_in_several_ways(how: str, shop: Shop, bobs: Client) -> None:
    Receipt.objects.create(
        pod=shop.pod, provider="GitHub", about="main", head=shop.commits[0], outcome="nothing", verdict="Nothing to do."
    )
    assert shop.commits[0][:7] in words(bobs.get(shop.address))
    given = {
        "branch": {"commit": "main"},
        "recent": {"recent": shop.commits[0]},
        "short": {"commit": shop.commits[0][:8]},
    }
    shown = words(bobs.post(shop.address, given[how] | {"patterns": "*.md"}))
    assert f'title="{shop.commits[2 if how == "branch" else 0]}"' in shown


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"commit": "--upload-pack=x"}, "watch_commit", "Give a whole commit id"),
        ({"commit": "a..b"}, "watch_commit", "Give a whole commit id"),
        ({"commit": "no-such-branch"}, "watch_commit", "no branch no-such-branch"),
        ({"commit": "d" * 40}, "watch_commit", "no such branch or commit"),
        ({"patterns": "a\n" * 101}, "watch_patterns", "There are 101 patterns; at most 100 are allowed."),
        ({"patterns": "ok\n" + "x" * 201}, "watch_patterns", "Line 2 has 201 characters; at most 200 are allowed."),
        ({"patterns": "ok\n!"}, "watch_patterns", "Line 2 is no pattern"),
        ({"patterns": "# a comment"}, "watch_patterns", "Line 1 is no pattern"),
        ({"patterns": "a\\"}, "watch_patterns", "Line 1 is no pattern"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_field(
    given: dict[str, str], field: str, said: str, shop: Shop, bobs: Client
) -> None:
    answer = bobs.post(shop.address, {"patterns": "**"} | given)
    assert answer.status_code == 422
    shown = words(answer)
    assert f'id="{field}-errors"' in shown
    assert said in shown


def test_the_patterns_go_into_the_draft(shop: Shop, bobs: Client) -> None:
    seen = shop.pod.live.snapshot()["web"].token  # type: ignore[union-attr]
    answer = bobs.post(shop.address, {"patterns": "docs/**\r\n\r\n!docs/old/**\r\n", "use": "1", "seen": seen})
    assert answer["Location"] == reverse("draft", args=[shop.pod.name])
    draft = Pod.objects.get(pk=shop.pod.pk).draft
    assert draft is not None
    assert draft.snapshot()["web"].spec["source"]["watchPaths"] == ["docs/**", "!docs/old/**"]
    again = bobs.post(shop.address, {"patterns": "x", "use": "1", "seen": seen})
    assert again.status_code == 409, "somebody else changed the app meanwhile"
    wrong = bobs.post(shop.address, {"patterns": "ok\n../up", "use": "1"})
    assert wrong.status_code == 422
    assert 'id="watch_patterns-errors"' in words(wrong)


def test_a_commit_is_asked_for_once(shop: Shop, bobs: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    head = {"commit": shop.commits[2]}
    assert "would build" in words(bobs.post(shop.address, head | {"patterns": "**"}))
    monkeypatch.setattr(watch_paths.sources, "source", lambda: None)
    assert "would not build" in words(bobs.post(shop.address, head | {"patterns": "elsewhere/**"}))


def test_too_many_at_once_are_sent_away(shop: Shop, bobs: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_paths, "PATIENCE", 0.01)
    for _ in range(watch_paths.AT_ONCE):
        assert watch_paths._asking.acquire(timeout=30)
    try:
        assert bobs.post(shop.address, {"patterns": "**"}).status_code == 429
    finally:
        watch_paths._asking.release(watch_paths.AT_ONCE)
    assert bobs.post(shop.address, {"patterns": "**"}).status_code == 200


def test_the_verdict_counts_and_shows_the_watched_first() -> None:
    verdict = verdict_of("c" * 40, ["*.py", "!test_*"], ["test_a.py", "a.py", "b.py", "c.txt"])
    assert (verdict.builds, verdict.total, verdict.watched) == (True, 4, 2)
    assert [(m.path, m.index, m.watched) for m in verdict.files] == [
        ("a.py", 0, True), ("b.py", 0, True), ("test_a.py", 1, False), ("c.txt", None, False),
    ]  # fmt: skip
    assert verdict.why == "a.py and 1 more file of the 4 it changes are watched"
    assert not verdict_of("c" * 40, ["x"], []).builds
    assert verdict_of("c" * 40, ["x"], ["a", "b"]).why == "none of the 2 files it changes is watched"
    assert len(verdict_of("c" * 40, ["*"], [f"f{n}" for n in range(5000)]).files) == watch_paths.SHOWN


def test_what_has_no_repository_has_no_tester(live_pod: Pod, bobs: Client) -> None:
    assert bobs.get(reverse("watch-paths", args=[live_pod.name, "settings"])).status_code == 404
