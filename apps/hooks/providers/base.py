"""What a git host tells, whichever it is. A host is one module: it knows its headers, its signature, its payload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from apps.previews.pull_requests import PullRequest


@dataclass(frozen=True, slots=True)
class Push:
    """A branch or a tag has moved, come or gone.

    `branch` or `tag` is set, never both. `head`: the whole id of the commit it stands at now, empty if `deleted`;
    `before`: where it stood, empty if it is new. `message`: the head commit's. `pushed_at`: when the host took the
    push, in seconds since 1970 by the host's clock. `paths`: what changed between `before` and `head`. None for
    either: the host did not say, or not reliably.
    """

    repository_urls: tuple[str, ...]
    branch: str = ""
    tag: str = ""
    head: str = ""
    before: str = ""
    deleted: bool = False
    default_branch: str = ""
    message: str = ""
    pushed_at: int | None = None
    paths: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Ping:
    """The host tries the address out. `repository_urls` is empty if it does not say for which repository."""

    repository_urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Other:
    """An event that deploys nothing; `what` is for people."""

    what: str


Event = Push | PullRequest | Ping | Other


class Provider(Protocol):
    """Headers are looked up without regard to case."""

    @property
    def name(self) -> str: ...

    def recognises(self, headers: Mapping[str, str]) -> bool:
        """Whether a request with these headers is one of this host's."""
        ...

    def signed(self, headers: Mapping[str, str], body: bytes, keys: Sequence[str]) -> bool:
        """Whether one of `keys` made the signature. Takes as long whichever it was; an empty key never did."""
        ...

    def delivery(self, headers: Mapping[str, str]) -> str:
        """The host's number for this delivery. Not covered by the signature: for people to look it up, no more."""
        ...

    def read(self, headers: Mapping[str, str], body: bytes) -> Sequence[Event]:
        """What happened: one thing, but for hosts that tell of all the branches of a push at once.

        Raises UserError `webhook_content_type` (415) or `webhook_malformed` (400).
        """
        ...
