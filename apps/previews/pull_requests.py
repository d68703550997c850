"""What a git host tells of a pull request (GitLab: merge request), whichever host it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PullRequest:
    """How a pull request stands, as one delivery tells it: each tells all of it.

    `repository_urls`: of the repository it is to be merged into. `head`: the id of its newest commit; of Bitbucket the
    first characters, empty only if it is closed. `ref`: what its commits can be fetched by, a numbered ref or a branch.
    `source_url`: where that ref is; empty: in the repository itself. `before`: the commit that `head` replaced, where
    the host says so. `said_at`: when it changed last, in seconds since 1970 by the host's clock, the same whenever the
    delivery is sent again; None where it does not say.
    """

    repository_urls: tuple[str, ...]
    number: int
    is_open: bool
    head: str
    ref: str
    title: str = ""
    author: str = ""
    url: str = ""
    branch: str = ""
    base: str = ""
    is_fork: bool = False
    source_url: str = ""
    before: str = ""
    merged: bool = False
    said_at: int | None = None
