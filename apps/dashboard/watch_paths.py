"""Trying out watch paths: which pattern decides on each file that a commit changed, and whether a push would deploy."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from apps import sources
from apps.builds.models import Build
from apps.connections.access import access
from apps.core.errors import Detail, Invalid, UserError
from apps.hooks.following import Match, matches
from apps.hooks.models import Receipt
from apps.pods.kinds.app import COMMIT
from apps.pods.models import Pod, Resource
from apps.sources.urls import check_ref

MOST_PATTERNS = 100
LONGEST = 200  # characters of one pattern
SHOWN = 1000  # files in the table
RECENT = 10  # commits offered
PATIENCE = 20.0  # seconds that the others wait
AT_ONCE = 2  # repositories that one process of the pages asks at the same time
_SHORT = re.compile(r"[0-9a-f]{7,64}")
_asking = threading.BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True, slots=True)
class Recent:
    """A commit that came in or was built lately."""

    commit: str
    words: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a push of `commit` alone would do; `files` are the first of `total`."""

    commit: str
    builds: bool
    why: str
    total: int
    watched: int
    files: tuple[Match, ...]


@dataclass(slots=True)
class Trial:
    """What was typed: a commit or branch (empty: the newest of the app's), and patterns, one a line."""

    commit: str = ""
    patterns: str = ""
    errors: dict[str, list[str]] = field(default_factory=dict)
    verdict: Verdict | None = None

    @property
    def lines(self) -> list[str]:
        return [line.strip() for line in self.patterns.splitlines() if line.strip()]


def recent(pod: Pod, resource: Resource) -> list[Recent]:
    """The commits that deliveries and builds were about, the newest first."""
    branch = resource.spec["source"].get("branch", "")
    builds = Build.objects.filter(revision__pod=pod, app=resource.name).exclude(commit="").order_by("-id")
    found = {
        b.commit: Recent(b.commit, f"built for {b.revision}: {b.message}")
        for b in builds.select_related("revision")[:RECENT]
    }
    receipts = Receipt.objects.filter(pod=pod).exclude(head="")
    for receipt in receipts.filter(about=branch)[:RECENT] if branch else receipts[:RECENT]:
        if COMMIT.fullmatch(receipt.head):
            found.setdefault(receipt.head, Recent(receipt.head, f"pushed to {receipt.about}: {receipt.verdict}"))
    return list(found.values())[:RECENT]


def check(trial: Trial) -> None:
    """Raises Invalid naming `commit` or `patterns.N`."""
    lines = trial.lines
    wrong = [
        Detail(f"patterns.{n}", f"Line {n + 1} has {len(line)} characters; at most {LONGEST} are allowed.")
        for n, line in enumerate(lines)
        if len(line) > LONGEST
    ]
    if len(lines) > MOST_PATTERNS:
        wrong.append(Detail("patterns", f"There are {len(lines)} patterns; at most {MOST_PATTERNS} are allowed."))
    wrong += [] if wrong else _meaningless(lines)
    if trial.commit and not COMMIT.fullmatch(trial.commit):
        try:
            check_ref(trial.commit, "commit")
        except Invalid:
            wrong.append(
                Detail("commit", "Give a whole commit id (40 hex digits) or the name of a branch, such as main.")
            )
    if wrong:
        raise Invalid(wrong)


def _meaningless(lines: Sequence[str]) -> list[Detail]:
    wrong = []
    for n, line in enumerate(lines):
        try:
            list(matches([line], ()))
            odd = line.startswith("#") or any(ord(c) < 32 for c in line)
        except ValueError:
            odd = True
        if odd:
            wrong.append(
                Detail(f"patterns.{n}", f"Line {n + 1} is no pattern: write a path such as apps/web/** or !docs/**.")
            )
    return wrong


def judge(pod: Pod, resource: Resource, trial: Trial, known: Iterable[Recent]) -> Verdict:
    """What the patterns say of the commit. Raises Invalid, and what apps.sources.base.Source raises."""
    check(trial)
    source = resource.spec["source"]
    repo = source["repo"]
    if not _asking.acquire(timeout=PATIENCE):
        raise UserError("too_many_inspections", "Others are being looked at.", "Try again in a moment.", status=429)
    try:
        commit = _commit(pod, trial.commit, repo, source.get("branch", ""), known)
        paths = _changed(pod, repo, commit)
    finally:
        _asking.release()
    return verdict_of(commit, trial.lines, paths)


def _commit(pod: Pod, wanted: str, repo: str, branch: str, known: Iterable[Recent]) -> str:
    if COMMIT.fullmatch(wanted):
        return wanted
    begun = {one.commit for one in known if _SHORT.fullmatch(wanted) and one.commit.startswith(wanted)}
    if len(begun) == 1:
        return begun.pop()
    with access(pod.team, repo) as way:
        return sources.source().resolve(repo, wanted or branch, credential=way.credential)


@functools.lru_cache(maxsize=64)
def _changed(pod: Pod, repo: str, commit: str) -> tuple[str, ...]:
    """A commit never changes. Kept for each pod alone: another one may not be let into the repository."""
    with access(pod.team, repo) as way:
        return tuple(sources.source().changed(repo, commit, credential=way.credential))


def verdict_of(commit: str, patterns: Sequence[str], paths: Sequence[str]) -> Verdict:
    found = list(matches(patterns, paths))
    watched = sum(match.watched for match in found)
    # What is watched first: it is what decides.
    files = tuple(sorted(found, key=lambda match: not match.watched)[:SHOWN])
    if not patterns:
        return Verdict(commit, True, "there are no patterns: every push builds", len(paths), watched, files)
    if watched:
        more = f" and {watched - 1} more {'file' if watched == 2 else 'files'}" if watched > 1 else ""
        of = f" of the {len(paths)} it changes" if len(paths) > 1 else ""
        why = f"{files[0].path}{more}{of} {'are' if more else 'is'} watched"
        return Verdict(commit, True, why, len(paths), watched, files)
    none = f"none of the {len(paths)} files it changes is watched"
    why = {0: "it changes no file", 1: "the one file it changes is not watched"}.get(len(paths), none)
    return Verdict(commit, False, why, len(paths), 0, files)
