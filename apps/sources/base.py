"""Where code comes from: git repositories, pinned to a commit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Commit:
    """`sha` is 40 (or 64) hex digits; `message` its first line, at most 200 characters, control characters out."""

    sha: str
    author: str
    message: str
    at: str  # ISO 8601


class Source(Protocol):
    """URLs: `https://…`, `ssh://…`, `git@host:path`, and `brainpod:<team>/<name>` for repositories hosted here.

    All raise Invalid naming `source.repo` / `source.branch` for what cannot be (apps.sources.urls.check_url is the
    pure part, for forms), UserError with the failure's name of design/reference.md (h) for what a host refused:
    repository_not_found, authentication_failed, branch_not_found, submodule_failed, source_too_large,
    source_timeout, source_unreachable.
    """

    def resolve(self, url: str, branch: str) -> str:
        """The commit `branch` (empty: the default branch) stands at now."""
        ...

    def clone(
        self,
        url: str,
        commit: str,
        into: Path,
        *,
        branch: str = "",
        submodules: bool = False,
        on_line: Callable[[str], None],
        cancelled: Callable[[], bool],
    ) -> Commit:
        """A shallow clone of exactly `commit` in the empty directory `into`; no hooks, filters, LFS smudging run."""
        ...
