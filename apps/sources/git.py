"""Clones of exactly one commit, with nothing of the repository run and no address reached that was not checked."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from apps.core import claims
from apps.core.addresses import Network, resolve_public
from apps.core.errors import Detail, Invalid, UserError
from apps.core.masking import Mask
from apps.sources import access, failures, processes, ssh, submodules
from apps.sources.base import Branches, Commit, Credential, Lookup
from apps.sources.hosted import Hosted
from apps.sources.urls import ParsedUrl, check_ref, check_url, whole_ref

_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MB = 1024 * 1024
MOST_CHANGES = 10_000  # files of one commit
MOST_BRANCHES = 500


@dataclass(frozen=True, slots=True)
class _Job:
    """What one clone and its submodules share: the clock, the way out, the log, and whose repositories they are."""

    deadline: float
    cancelled: Callable[[], bool]
    on_line: Callable[[str], None]
    into: Path
    who: Lookup


class GitSource:
    """`allowed`: private networks that may be reached. Limits are of one whole clone, submodules included."""

    def __init__(
        self,
        hosted_root: Path,
        *,
        allowed: Iterable[Network] = (),
        max_mb: int = 2048,
        max_files: int = 200_000,
        seconds: int = 300,
    ) -> None:
        self.hosted = Hosted(hosted_root)
        self.allowed = tuple(allowed)
        self.max_mb, self.max_files, self.seconds = max_mb, max_files, seconds

    def resolve(self, url: str, branch: str, *, credential: Credential | None = None) -> str:
        """The commit `branch` (empty: the default branch) stands at now."""
        parsed = check_url(url, allowed=self.allowed)
        ref = whole_ref(check_ref(branch)) if branch else "HEAD"
        job = _Job(
            time.monotonic() + min(self.seconds, 60), lambda: False, lambda _: None, Path("/nonexistent"), _nobody
        )
        if parsed.scheme == "brainpod":
            return self.hosted.resolve(parsed, branch)
        answer = self._git(["ls-remote", "--", parsed.url, ref], job, parsed, credential)
        found = {name: sha for sha, _, name in (line.partition("\t") for line in answer.splitlines())}
        if ref not in found:
            raise _no_branch(branch)
        return found[ref]

    def branches(self, url: str, *, credential: Credential | None = None) -> Branches:
        """Those of the repository; without one in an empty repository."""
        parsed = check_url(url, allowed=self.allowed)
        until = time.monotonic() + min(self.seconds, 15)
        job = _Job(until, lambda: False, lambda _: None, Path("/nonexistent"), _nobody)
        if parsed.scheme == "brainpod":
            return _branches(*self.hosted.branches(parsed))
        asked = ["ls-remote", "--symref", "--", parsed.url, "HEAD", "refs/heads/*"]
        said = [line.partition("\t") for line in self._git(asked, job, parsed, credential).splitlines()]
        default = next((value for value, _, name in said if name == "HEAD" and value.startswith("ref: ")), "")
        return _branches(default.removeprefix("ref: "), [name for _, _, name in said])

    def changed(self, url: str, commit: str, *, credential: Credential | None = None) -> list[str]:
        """The files that `commit` changed against its first parent, both names of a renamed one; all of a first commit.

        Raises UserError("too_many_changes") for more than 10,000.
        """
        parsed = check_url(url, allowed=self.allowed)
        _check_commit(commit)
        self.hosted.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with claims.claimed(self.hosted.root, ".changed-") as scratch:
            until = time.monotonic() + min(self.seconds, 45)
            job = _Job(until, lambda: False, lambda _: None, scratch / "nothing", _nobody)
            if parsed.scheme == "brainpod":
                repository = self.hosted.existing(parsed)
            else:
                repository = self._fetch(parsed, commit, "", scratch / "repository", credential, job, history=2)
            # Rename detection stays off, so that a renamed file is one that went and one that came.
            tree = ["diff-tree", "-r", "-z", "--name-only", "--no-renames", "--no-commit-id", "--root"]
            merged = ["--diff-merges=first-parent"]
            said = self._git(["--git-dir", str(repository), *tree, *merged, commit], job, parsed)
        paths = said.split("\0")[:-1]
        if len(paths) > MOST_CHANGES:
            words = f"The commit changes {len(paths)} files; at most {MOST_CHANGES} are looked at."
            raise UserError("too_many_changes", words, "Choose another commit.")
        return paths

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
        """The files of exactly `commit` in the empty directory `into`, without a .git."""
        parsed = check_url(url, allowed=self.allowed)
        if branch:
            check_ref(branch)
        _check_commit(commit)
        who = for_submodule or (lambda _: credential)
        job = _Job(time.monotonic() + self.seconds, cancelled, on_line, into, who)
        return self._checkout(parsed, commit, into, branch, credential, job, depth=4 if submodules else 0)

    def sweep(self) -> int:
        return self.hosted.sweep() + ssh.sweep()

    def host_key(self, host: str) -> str:
        """The key of an ssh host (`name` or `name:port`) as it is published, else as it shows itself now."""
        if host in ssh.PUBLISHED:
            return ssh.PUBLISHED[host]
        parsed = check_url(f"ssh://git@{host}/any", field="host", allowed=self.allowed)
        return ssh.scan(resolve_public(parsed.host, parsed.port, field="host", allowed=self.allowed)[0], parsed.port)

    def _checkout(
        self,
        parsed: ParsedUrl,
        commit: str,
        into: Path,
        branch: str,
        credential: Credential | None,
        job: _Job,
        depth: int,
    ) -> Commit:
        """`depth`: how many levels of submodules may follow."""
        scratch = Path(tempfile.mkdtemp(prefix=".git-", dir=into.parent if into == job.into else job.into.parent))
        try:
            if parsed.scheme == "brainpod":
                repository = self.hosted.existing(parsed)
            else:
                repository = self._fetch(parsed, commit, branch, scratch / "repository", credential, job)
            entries = self._entries(repository, commit, job, parsed)
            tree = ["--git-dir", str(repository), "--work-tree", str(into)]
            env = {"GIT_INDEX_FILE": str(scratch / "index")}
            self._git([*tree, "read-tree", "--reset", "-u", commit], job, parsed, env=env, watched=True)
            found = self._commit(repository, commit, job, parsed, credential)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        links = {path: sha for mode, sha, path in entries if mode == "160000"}
        if links and depth:
            self._submodules(parsed, links, into, job, depth)
        return found

    def _fetch(
        self,
        parsed: ParsedUrl,
        commit: str,
        branch: str,
        repository: Path,
        credential: Credential | None,
        job: _Job,
        *,
        history: int = 1,
    ) -> Path:
        kind = ["--object-format=sha256"] if len(commit) == 64 else []
        self._git(["init", "--quiet", "--bare", *kind, "--", str(repository)], job, parsed)
        fetch = ["--git-dir", str(repository), "fetch", "--no-tags", "--no-write-fetch-head", "--progress"]
        try:
            self._git([*fetch, f"--depth={history}", "--", parsed.url, commit], job, parsed, credential, watched=True)
        except UserError as error:
            # Some hosts hand out only what a branch points at; then the branch's recent history has to do.
            if error.code != "branch_not_found" or not branch:
                raise
            ref = whole_ref(branch)
            self._git([*fetch, "--depth=200", "--", parsed.url, ref], job, parsed, credential, watched=True)
        return repository

    def _entries(self, repository: Path, commit: str, job: _Job, parsed: ParsedUrl) -> list[tuple[str, str, str]]:
        """(mode, id, path) of everything in the commit, once it is known to fit; nothing is written before."""
        listing = self._git(
            ["--git-dir", str(repository), "ls-tree", "-r", "-l", "-z", "--full-tree", commit], job, parsed
        )
        entries, size = [], 0
        for record in listing.split("\0")[:-1]:
            head, _, path = record.partition("\t")
            mode, _, sha, length = head.split()
            size += int(length) if length.isdigit() else 0
            entries.append((mode, sha, path))
        if len(entries) > self.max_files:
            raise failures.too_large(f"{len(entries)} files, at most {self.max_files} are allowed")
        if size > self.max_mb * _MB:
            raise failures.too_large(f"{size // _MB} MB, at most {self.max_mb} are allowed")
        return entries

    def _commit(
        self, repository: Path, commit: str, job: _Job, parsed: ParsedUrl, credential: Credential | None
    ) -> Commit:
        shape = ["show", "-s", "--no-notes", "--format=%an%x00%aI%x00%s", commit, "--"]
        author, at, message = self._git(["--git-dir", str(repository), *shape], job, parsed, credential).split("\0", 2)
        return Commit(commit, processes.clean(author, 100), processes.clean(message, 200), at)

    def _submodules(self, parent: ParsedUrl, links: dict[str, str], into: Path, job: _Job, depth: int) -> None:
        for module in submodules.wanted(into, links, parent, self.allowed):
            if job.cancelled():
                raise failures.stopped("cancelled", self.seconds)
            job.on_line(f"Submodule {processes.clean(module.path, 200)}")
            # A host that a repository leads to elsewhere is nobody's: it could lead back to what is private here.
            inner = job if module.url.host == parent.host else replace(job, who=_nobody)
            try:
                credential = inner.who(module.url.url)
                self._checkout(module.url, module.commit, module.directory, "", credential, inner, depth - 1)
            except UserError as error:
                if error.code in ("cancelled", "source_too_large", "source_timeout", "submodule_failed"):
                    raise
                raise submodules.failed(module.path, error) from error
            size, count = processes.tree_size(job.into)
            if size > self.max_mb * _MB or count > self.max_files:
                raise failures.too_large(f"{size // _MB} MB in {count} files, submodules included")

    def _git(
        self,
        arguments: list[str],
        job: _Job,
        parsed: ParsedUrl,
        credential: Credential | None = None,
        *,
        env: dict[str, str] | None = None,
        watched: bool = False,
    ) -> str:
        reaches_out = parsed.scheme != "brainpod" and not {"fetch", "ls-remote"}.isdisjoint(arguments[:3])
        credential = access.fits(credential, parsed)
        mask = Mask(credential.secrets if credential else ())
        with ExitStack() as stack:
            way = stack.enter_context(self._way(parsed, credential)) if reaches_out else access.Way()
            try:
                said = processes.run(
                    arguments,
                    deadline=job.deadline,
                    cancelled=job.cancelled,
                    config=way.config,
                    env={**(env or {}), **dict(way.env)},
                    fds=way.fds,
                    on_line=(lambda line: job.on_line(mask(line))) if watched else lambda _: None,
                    watch=(lambda: self._over(job.into.parent)) if watched else lambda: "",
                )
            except processes.Stopped as stop:
                raise failures.stopped(stop.why, self.seconds) from None
            except processes.Failed as failure:
                raise failures.explain(mask(failure.output), known=credential is not None) from None
        return mask(said)

    def _over(self, directory: Path) -> str:
        size, count = processes.tree_size(directory)
        if size > 2 * self.max_mb * _MB:  # the pack and the files beside each other
            return f"over {self.max_mb} MB"
        return f"over {self.max_files} files" if count > self.max_files + 1000 else ""

    def _way(self, parsed: ParsedUrl, credential: Credential | None) -> AbstractContextManager[access.Way]:
        """To the addresses that are checked here, whatever the name answers a moment later."""
        addresses = resolve_public(parsed.host, parsed.port, field="source.repo", allowed=self.allowed)
        return access.way(parsed, addresses, credential, self.hosted.root / ".known_hosts")


def _branches(head: str, refs: Iterable[str]) -> Branches:
    """Of the names of `refs`, of which `head` is the default one's; what no app could name is left out."""
    names = [ref.removeprefix("refs/heads/") for ref in refs if ref.startswith("refs/heads/")]
    names = [name for name in names if _is_ref(name)]
    default = head.removeprefix("refs/heads/") if head.removeprefix("refs/heads/") in names else ""
    names.sort(key=lambda name: (name != default, name.lower()))
    return Branches(default, tuple(names[:MOST_BRANCHES]), len(names) > MOST_BRANCHES)


def _is_ref(name: str) -> bool:
    try:
        return bool(check_ref(name))
    except Invalid:
        return False


def _nobody(url: str) -> Credential | None:
    return None


def _check_commit(commit: str) -> None:
    if not _SHA.fullmatch(commit):
        raise Invalid([Detail("source.commit", "must be a whole commit id of 40 or 64 hexadecimal digits.")])


def _no_branch(branch: str) -> UserError:
    name = branch or "the default branch"
    return UserError("branch_not_found", f"The repository has no branch {name}.", "Check the branch's name.")
