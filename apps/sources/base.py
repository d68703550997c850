"""Where code comes from: git repositories, pinned to a commit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Commit:
    """`sha` is 40 (or 64) hex digits; `message` its first line, at most 200 characters, control characters out."""

    sha: str
    author: str
    message: str
    at: str  # ISO 8601


@dataclass(frozen=True, slots=True)
class Credential:
    """Who clones: `username` and `password` over https, or `private_key` (OpenSSH's PEM, no passphrase) over ssh.

    It is shown to `host` alone: a name, with `:port` where that is not the scheme's own. `host_key`: the only key of
    the ssh host that is trusted, as in known_hosts (`ssh-ed25519 AAAA…`); empty: the one seen first.
    """

    host: str
    username: str = ""
    password: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    host_key: str = ""

    @property
    def scheme(self) -> str:
        return "ssh" if self.private_key else "https"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no log may show."""
        return tuple(filter(None, (self.password, self.private_key)))


@dataclass(frozen=True, slots=True)
class Branches:
    """`default` is empty where the host does not say which it is; `names`: the default one first. `more`: not all."""

    default: str
    names: tuple[str, ...]
    more: bool = False


Lookup = Callable[[str], Credential | None]
"""The credential for an address, if there is one."""


class Source(Protocol):
    """URLs: `https://…`, `ssh://…`, `git@host:path`, and `brainpod:<team>/<name>` for repositories hosted here.

    All raise Invalid naming `source.repo` / `source.branch` for what cannot be (apps.sources.urls.check_url is the
    pure part, for forms), UserError with the failure's name of design/reference.md (h) for what a host refused:
    repository_not_found, authentication_failed, branch_not_found, submodule_failed, source_too_large,
    source_timeout, source_unreachable. What is said, raised or returned never holds a credential's secrets.
    """

    def resolve(self, url: str, branch: str, *, credential: Credential | None = None) -> str:
        """The commit `branch` (empty: the default branch) stands at now."""
        ...

    def branches(self, url: str, *, credential: Credential | None = None) -> Branches:
        """Those of the repository; without one in an empty repository."""
        ...

    def changed(self, url: str, commit: str, *, credential: Credential | None = None) -> list[str]:
        """The files that `commit` changed against its first parent, both names of a renamed one; all of a first commit.

        Raises UserError("too_many_changes") for more than 10,000.
        """
        ...

    def clone(
        self,
        url: str,
        commit: str,
        into: Path,
        *,
        branch: str = "",
        submodules: bool = False,
        credential: Credential | None = None,
        for_submodule: Lookup | None = None,
        on_line: Callable[[str], None],
        cancelled: Callable[[], bool],
    ) -> Commit:
        """A shallow clone of exactly `commit` in the empty directory `into`; no hooks, filters, LFS smudging run.

        Submodules on the same host are cloned with what `for_submodule` says, or with `credential` where it is not
        given; those on other hosts, and what is beneath them, with none.
        """
        ...

    def host_key(self, host: str) -> str:
        """The key of an ssh host (`name` or `name:port`) as it is published, else as it shows itself now."""
        ...

    def sweep(self) -> int:
        """Remove what ended processes left unfinished, and nothing of one that lives; how many directories."""
        ...
