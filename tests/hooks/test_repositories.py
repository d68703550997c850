"""When two addresses are one repository, and which apps follow a push."""

from __future__ import annotations

import dataclasses

import pytest

from apps.hooks.following import Follower, News, is_skipped, news, touches
from apps.hooks.models import Tip
from apps.hooks.providers.base import Push
from apps.hooks.repositories import repositories, repository

SAME = [
    "https://github.com/octo/shop.git",
    "https://github.com/octo/shop",
    "https://github.com/octo/shop/",
    "https://github.com/octo/shop.git/",
    "HTTPS://GitHub.com/octo/shop.git",
    "https://www.github.com/octo/shop",
    "https://github.com:443/octo/shop",
    "https://github.com/Octo/SHOP.git",
    "https://github.com./octo/shop",
    "ssh://git@github.com/octo/shop.git",
    "ssh://git@github.com:22/octo/shop.git",
    "ssh://git@ssh.github.com:443/octo/shop.git",
    "git@github.com:octo/shop.git",
    "git@github.com:/octo/shop",
    "https://github.com/octo/%73hop",
]
OTHERS = [
    "https://github.com/octo/shop2",
    "https://github.com/octo/shop.git.git",
    "https://github.com/octo",
    "https://github.com/octo/shop/tree",
    "https://github.com.evil.example/octo/shop",
    "https://evil.example/github.com/octo/shop",
    "https://github.com:8443/octo/shop",
    "https://gitlab.com/octo/shop",
    "brainpod:octo/shop",
    "https://user:pass@github.com/octo/shop",
    "https://github.com/octo/../octo/shop",
    "https://127.0.0.1/octo/shop",
    "file:///octo/shop",
    "ext::sh -c x",
    "--upload-pack=x",
    "github.com/octo/shop",
    "",
    "\0",
    "https://github.com/octo/sh\u043ep",
    "https://github.com/" + "x" * 5000,
]


@pytest.mark.parametrize("url", SAME)
def test_the_same_repository_in_other_words(url: str) -> None:
    assert repository(url) == "github.com/octo/shop"


@pytest.mark.parametrize("url", OTHERS)
def test_another_repository_or_none(url: str) -> None:
    assert repository(url) != "github.com/octo/shop"


def test_elsewhere_the_case_of_the_path_matters() -> None:
    assert repository("https://git.example.com/Octo/shop") != repository("https://git.example.com/octo/shop")
    assert repository("https://GIT.example.com/octo/shop.git") == repository("git@git.example.com:octo/shop")
    assert repository("https://git.example.com:8443/octo/shop") != repository("https://git.example.com/octo/shop")


def test_what_is_no_address_names_no_repository() -> None:
    assert repositories(["", "x", *SAME, "brainpod:home/shop"]) == ["github.com/octo/shop", "brainpod:home/shop"]


A, B, C = "a" * 40, "b" * 40, "c" * 40
APP = Follower("web", "github.com/octo/shop", "main", ("web/**",), stands=A)
PUSH = Push(("u",), branch="main", head=B, before=A, pushed_at=100, paths=frozenset({"web/x"}))


def tip(**fields: object) -> Tip:
    given = {"repository": APP.repo, "branch": "main", "head": A, "before": "", "pushed_at": 50}
    return Tip(app="web", **(given | fields))


NEWS = {
    "the first push": (PUSH, None, News.DUE),
    "the next push": (PUSH, tip(), News.DUE),
    "elsewhere in the repository": ({"paths": frozenset({"docs/x"})}, tip(), News.UNTOUCHED),
    "elsewhere, the first push": ({"paths": frozenset({"docs/x"})}, None, News.UNTOUCHED),
    "elsewhere, a push is missing": ({"paths": frozenset({"docs/x"}), "before": C}, tip(), News.DUE),
    "paths unknown": ({"paths": None}, tip(), News.DUE),
    "again": (PUSH, tip(head=B, before=A, pushed_at=100), News.REPEATED),
    "older": ({"pushed_at": 49}, tip(), News.OLD),
    "older, of the same commit": ({"pushed_at": 49, "head": A, "before": C}, tip(), News.REPEATED),
    "later, of the same commit": ({"pushed_at": 99, "head": A, "before": C}, tip(), News.REPEATED),
    "back to the first commit": ({"head": A, "before": B, "paths": None}, tip(head=B, before=A), News.THERE),
    "the same second, the one before": ({"pushed_at": 50, "head": B, "before": C}, tip(before=B), News.OLD),
    "the same second, the one after": ({"pushed_at": 50, "head": B, "before": A}, tip(before=C), News.DUE),
    "the same second, forced back": ({"pushed_at": 50, "head": C, "before": A}, tip(before=C), News.DUE),
    "no moments, the one before": ({"pushed_at": None, "head": B, "before": C}, tip(before=B), News.OLD),
    "no moments, the next": ({"pushed_at": None}, tip(pushed_at=None), News.DUE),
    "followed another branch": ({"pushed_at": 49}, tip(branch="dev"), News.DUE),
    "followed another repository": ({"pushed_at": 49}, tip(repository="github.com/octo/old"), News.DUE),
    "stands there already": ({"head": A, "before": C}, None, News.THERE),
}


@pytest.mark.parametrize(("push", "seen", "expected"), NEWS.values(), ids=NEWS)
def test_whether_a_push_is_news(push: Push | dict[str, object], seen: Tip | None, expected: News) -> None:
    whole = push if isinstance(push, Push) else dataclasses.replace(PUSH, **push)  # type: ignore[arg-type]
    assert news(APP, whole, seen) is expected


@pytest.mark.parametrize(
    ("watch", "path", "expected"),
    [
        (["web"], "web/a.py", True),
        (["web"], "deep/web/a.py", True),
        (["/web"], "deep/web/a.py", False),
        (["web/**"], "web/a/b", True),
        (["*.py"], "a/b.py", True),
        (["*.py"], "a/b.js", False),
        (["web/**", "!web/docs/**"], "web/docs/x", False),
        (["!docs/**"], "docs/x", False),
        (["!docs/**"], "web/x", True),
        (["web"], "website/x", False),
        (["ü/*"], "ü/x", True),
    ],
)
def test_watched_paths_have_gitignores_syntax(watch: list[str], path: str, expected: bool) -> None:
    assert touches(watch, [path]) is expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Fix [skip ci]", True),
        ("Fix\n\n[Skip Deploy]", True),
        ("[ci skip] x", True),
        ("[no ci]", True),
        ("skip ci", False),
        ("[skip]", False),
        ("", False),
    ],
)
def test_messages_that_ask_to_be_skipped(message: str, expected: bool) -> None:
    assert is_skipped(Push((), message=message)) is expected
