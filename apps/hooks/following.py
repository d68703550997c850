"""Which apps follow a push, and whether it is news to them.

An old delivery must not bring back an older commit, and a forced push may rightly do so. Neither the delivery's number
(not signed) nor the commit (a branch may return to one) tells the two apart. What does: the moment at which the host
took the push, which stands in the signed payload and stays the same in a redelivery. A push taken before the one that
an app followed last is old; within the same second, `before` and `head` tell which came first. The commit an app has
followed to is nothing new, whenever it comes again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

import pathspec

from apps.builds.inputs import has_source
from apps.hooks.models import Tip
from apps.hooks.providers.base import Push
from apps.hooks.repositories import repositories, repository
from apps.pods.models import Resource, Snapshot

SKIP = re.compile(r"\[(skip (ci|deploy|actions)|(ci|deploy|actions) skip|no ci)\]", re.IGNORECASE)


class News(Enum):
    DUE = "to be deployed"
    UNTOUCHED = "nothing it watches has changed"
    REPEATED = "this commit was received before"
    OLD = "a newer push was received before"
    THERE = "it is at this commit already"


@dataclass(frozen=True, slots=True)
class Follower:
    """An app that follows the pushed branch. `repo`: the repository; `stands`: where the app stands, or will soon."""

    app: str
    repo: str
    branch: str
    watch: tuple[str, ...]
    stands: str = ""


def built_from(snapshot: Snapshot, urls: Iterable[str]) -> list[Resource]:
    """The apps of `snapshot` built from the repository that `urls` name."""
    named = set(repositories(urls))
    apps = [r for _, r in sorted(snapshot.items()) if has_source(r)]
    return [r for r in apps if repository(r.spec["source"]["repo"]) in named]


def follows(app: Resource, push: Push) -> bool:
    """Whether the branch of `app` was pushed."""
    return bool(push.branch) and push.branch == (app.spec["source"].get("branch") or push.default_branch)


def follower(app: Resource, push: Push, commits: Mapping[str, str]) -> Follower:
    """`app`, whose branch was pushed. `commits`: where apps without a pinned commit stand."""
    source = app.spec["source"]
    stands = source.get("commit") or commits.get(app.name, "")
    return Follower(app.name, repository(source["repo"]), push.branch, tuple(source.get("watchPaths", ())), stands)


def is_skipped(push: Push) -> bool:
    """Whether the head commit's message asks not to be deployed."""
    return bool(SKIP.search(push.message))


def news(app: Follower, push: Push, tip: Tip | None, *, again: bool = False) -> News:
    """What `push` is to `app`, which has followed its branch as far as `tip`.

    `again`: somebody asks for it once more; that it was received before is then no reason to leave it.
    """
    if tip and (tip.repository, tip.branch) != (app.repo, app.branch):
        tip = None  # it followed something else
    if tip:
        if tip.head == push.head:
            if not again:
                return News.REPEATED
        elif is_older(push, tip):
            return News.OLD
    if app.stands == push.head:
        return News.THERE
    # Only if no push is missing between where the app stands and this one do its paths say all.
    known = push.before in ({tip.head} if tip else {app.stands})
    if app.watch and known and push.paths is not None and not touches(app.watch, push.paths):
        return News.UNTOUCHED
    return News.DUE


def is_older(push: Push, tip: Tip) -> bool:
    """Whether the host took `push` before the one that `tip` stands for."""
    if push.pushed_at is not None and tip.pushed_at is not None and push.pushed_at != tip.pushed_at:
        return push.pushed_at < tip.pushed_at
    return push.head == tip.before and push.before != tip.head


@dataclass(frozen=True, slots=True)
class Match:
    """What the patterns say of one path: `index` is that of the last one that matches, None if none does.

    Where there are only exclusions, what none of them names is watched by no pattern.
    """

    path: str
    watched: bool
    index: int | None


def matches(watch: Iterable[str], paths: Iterable[str]) -> Iterator[Match]:
    """Which of the patterns decides on each path: as in .gitignore, the last that matches.

    Exclusions alone take from everything, no patterns watch everything. Raises ValueError for one that means nothing.
    """
    patterns = list(watch)
    everything = all(pattern.startswith("!") for pattern in patterns)
    spec = pathspec.GitIgnoreSpec.from_lines(["**", *patterns] if everything else patterns)
    for path in paths:
        found = spec.check_file(path)
        index = found.index
        if index is not None and everything:
            index = index - 1 if index else None
        yield Match(path, bool(found.include), index)


def touches(watch: Iterable[str], paths: Iterable[str]) -> bool:
    """Whether one of `paths` is watched."""
    try:
        return any(match.watched for match in matches(watch, paths))
    except ValueError:
        return True  # a pattern that means nothing keeps nobody from deploying
