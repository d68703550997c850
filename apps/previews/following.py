"""What becomes of a pull request that a git host tells of. Rows only: a worker makes and removes the pods.

As with pushes (docs/adr/0010-webhooks-in-one-transaction.md), the caller holds the lock of the parent's row, a delivery
that comes again does nothing, and an old one never brings back what is past: that is told by the time at which the
pull request changed last, which stands in the payload, and within one second by the commit that was replaced.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from apps.pods.models import Pod
from apps.previews import places
from apps.previews.models import Preview, PreviewSettings, PreviewState, Why
from apps.previews.pull_requests import PullRequest

SHORT = 7  # characters of a commit that people read


@dataclass(frozen=True, slots=True)
class Followed:
    """`words`: the verdict. `acts`: something is made, changed or removed; `refused`: it should be and cannot."""

    words: str
    acts: bool = False
    refused: bool = False


def follow(*, pod: Pod, pull: PullRequest, repository: str, apps: Sequence[str], again: bool = False) -> Followed:
    """Open, update or close the preview of `pull`. `apps`: those of what is live in `pod` that are built from
    `repository`. `again`: somebody asks for it once more; that it was received before is then no reason to leave it.
    """
    row = Preview.objects.select_for_update().filter(parent=pod, repository=repository, number=pull.number).first()
    if row and is_older(pull, row):
        return Followed(f"Nothing to do: newer news of pull request {pull.number} was received before.")
    if not pull.is_open:
        return _closed(row, pull)
    if words := _unwanted(pod, pull, repository, apps):
        if row and row.state != PreviewState.CLOSED:
            places.close(row, words, by=None)
            return Followed(f"Closing preview {row.name}: {words}", acts=True)
        return Followed(words)
    is_asked = again and row is not None and (row.state == PreviewState.CLOSED or bool(row.error))
    if row and row.is_pull_open and row.head_sha == pull.head and not is_asked:
        _describe(row, pull)
        row.save()
        if row.state == PreviewState.CLOSED:
            return Followed(f"Preview {row.name} was closed: the next commit opens it again. {row.ended}")
        return Followed(f"Nothing new: {row.name} has heard of {pull.head[:SHORT]} already.")
    return _admit(row or Preview(parent=pod, repository=repository, number=pull.number), pull, apps)


def is_older(pull: PullRequest, row: Preview) -> bool:
    """Whether the host said `pull` before what `row` stands for."""
    if pull.said_at is not None and row.said_at is not None and pull.said_at != row.said_at:
        return pull.said_at < row.said_at
    if not row.is_pull_open:  # within a second it was opened first and closed then
        return pull.is_open and pull.head in (row.head_sha, row.before_sha)
    return pull.is_open and pull.head == row.before_sha and pull.before != row.head_sha


def _closed(row: Preview | None, pull: PullRequest) -> Followed:
    what = "merged" if pull.merged else "closed"
    if row is None:
        return Followed(f"Nothing to do: pull request {pull.number} was {what}, and there is no preview of it.")
    was = row.state
    _describe(row, pull)
    row.save()
    if was == PreviewState.CLOSED:
        return Followed(f"Nothing to do: preview {row.name} was closed already.")
    places.close(row, f"The pull request was {what}.", by=None)
    return Followed(f"Closing preview {row.name}: the pull request was {what}.", acts=True)


def _unwanted(pod: Pod, pull: PullRequest, repository: str, apps: Sequence[str]) -> str:
    """Why there is to be no preview of `pull`, in words; empty: there is."""
    settings = PreviewSettings.objects.filter(pod=pod).first()
    if settings is None or not settings.enabled:
        return f"Previews are off for {pod.name}."
    if pod.live is None:
        return f"Nothing of {pod.name} is live yet: a preview is made from what is."
    if not apps:
        return f"No app of {pod.name} is built from {repository}."
    if settings.bases and not any(fnmatch.fnmatchcase(pull.base, pattern) for pattern in settings.bases):
        return f"Previews are made of pull requests for {', '.join(settings.bases)}; this one is for {pull.base}."
    return ""


def _admit(row: Preview, pull: PullRequest, apps: Sequence[str]) -> Followed:
    """Take note of the newest commit, and have it built if it may be."""
    is_new = row.pk is None or row.state == PreviewState.CLOSED
    if row.head_sha and row.head_sha != pull.head:
        row.before_sha = row.head_sha
    _describe(row, pull)
    row.author = row.author or plain(pull.author, 100)
    row.is_fork = row.is_fork or pull.is_fork  # what was foreign once is not trusted later
    row.head_sha, row.apps, row.error, row.active_at = pull.head, list(apps), "", timezone.now()
    if is_new:
        places.begin(row)
    places.judge(row)
    row.save()
    places.tell(row)
    commit = pull.head[:SHORT]
    if row.why == Why.APPROVAL:
        stays = f" {row.name} stays at {row.deployed_sha[:SHORT]}." if row.deployed_sha else ""
        return Followed(f"Pull request {row.number} comes from a fork: {commit} waits for approval.{stays}")
    if row.why == Why.LIMIT:
        return Followed(f"{row.name} waits: {places.limit_words(row.parent)}", refused=True)
    return Followed(f"{'Opening' if is_new else 'Updating'} preview {row.name} at {commit}.", acts=True)


def _describe(row: Preview, pull: PullRequest) -> None:
    """What may change of a pull request without a new commit."""
    row.title, row.branch = plain(pull.title, 250), plain(pull.branch, 250)
    row.base, row.ref, row.source_url = plain(pull.base, 250), plain(pull.ref, 250), plain(pull.source_url, 2000)
    row.url = plain(pull.url, 500) if pull.url.startswith(("https://", "http://")) else ""
    row.is_pull_open = pull.is_open
    row.said_at = row.said_at if pull.said_at is None else pull.said_at


def plain(text: str, longest: int) -> str:
    """`text` on one line, without what no page or database should be given."""
    return "".join(c if c.isprintable() else " " for c in text)[:longest]
