"""Repositories the platform itself hosts: bare ones at <root>/<team>/<name>.git, and those that are pushed to.

The latter belong to an app of a pod, `brainpod:<team>/<pod>/<app>`, and stand at <root>/<team>/<pod>/<app>.git.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import git

from apps.core import claims
from apps.core.errors import Conflict, NotFound, UserError
from apps.core.names import check_name
from apps.sources import processes
from apps.sources.urls import ParsedUrl, check_ref, whole_ref


class Hosted:
    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, team: str, name: str) -> Path:
        """Where the repository is or would be. `name`: of the team's own, or `<pod>/<app>`."""
        *pod, last = name.split("/", 1)
        place = self.root.joinpath(check_name(team, "team"), *map(check_name, pod))
        return place / f"{check_name(last)}.git"

    def exists(self, team: str, name: str) -> bool:
        return (self.path(team, name) / "HEAD").is_file()

    def list(self, team: str) -> list[str]:
        """The names of the team's repositories, sorted."""
        return sorted(p.name.removesuffix(".git") for p in (self.root / check_name(team, "team")).glob("*.git"))

    def everything(self) -> Iterator[Path]:
        """Where each repository is beneath the root, sorted."""
        found = (path for glob in ("[!.]*/[!.]*.git", "[!.]*/[!.]*/[!.]*.git") for path in self.root.glob(glob))
        return (path.relative_to(self.root) for path in sorted(found) if (path / "HEAD").is_file())

    def of_pods(self, *, untouched: float) -> Iterator[tuple[str, str]]:
        """(team, name) of those that are pushed to, and were not for so many seconds."""
        for path in sorted(self.root.glob("[!.]*/[!.]*/[!.]*.git")):
            newest = max(place.stat().st_mtime for place in (path, path / "objects", path / "refs" / "heads"))
            if newest < time.time() - untouched:
                yield path.parent.parent.name, f"{path.parent.name}/{path.name.removesuffix('.git')}"

    def create(self, team: str, name: str) -> Path:
        """A new empty repository with the default branch main. Raises Conflict("repository_exists")."""
        with self.making() as made:
            return self.keep(made, team, name)

    @contextmanager
    def making(self) -> Iterator[Path]:
        """An empty repository that nobody knows yet, gone after the body unless it was kept."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with claims.claimed(self.root, ".new-") as scratch:
            made = scratch / "repository"
            made.mkdir(mode=0o700)
            _plain("init", "--quiet", "--bare", "--", str(made))
            yield made

    def keep(self, made: Path, team: str, name: str) -> Path:
        """Give what was being made its name. Raises Conflict("repository_exists")."""
        path = self.path(team, name)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            made.rename(path)  # complete or not there at all; refuses to replace what is not empty
        except OSError:
            raise Conflict("repository_exists", f"There is a repository {name} already.") from None
        return path

    def sweep(self) -> int:
        """Remove what ended processes left unfinished; how many directories."""
        teams = [place for place in self.root.glob("[!.]*") if place.is_dir()]
        return sum(len(claims.sweep(place, ".")) for place in (self.root, *teams))

    def delete(self, team: str, name: str) -> None:
        """Forget the repository; one that is not there is no error."""
        shutil.rmtree(self.path(team, name), ignore_errors=True)

    def delete_of_pod(self, team: str, pod: str) -> None:
        """Forget the repositories of all apps of a pod."""
        shutil.rmtree(self.root / check_name(team, "team") / check_name(pod), ignore_errors=True)

    def commit_tree(self, team: str, name: str, directory: Path, message: str, *, branch: str = "main") -> str:
        """Commit what is in `directory` on top of `branch` (the repository is made if need be); the commit's id.

        The same files again make no new commit: the branch's own is returned.
        """
        path = self.path(team, name) if self.exists(team, name) else self.create(team, name)
        ref = f"refs/heads/{check_ref(branch)}"
        with claims.claimed(path.parent, ".commit-") as scratch:
            index = {"GIT_INDEX_FILE": str(scratch / "index")}
            at = ("--git-dir", str(path))
            _plain(*at, "--work-tree", str(directory.resolve()), "add", "--all", "--force", "--", ".", env=index)
            tree = _plain(*at, "write-tree", env=index)
            parent = self._tip(path, ref)
            if parent and _plain(*at, "rev-parse", f"{parent}^{{tree}}") == tree:
                return parent
            onto = ["-p", parent] if parent else []
            sha = _plain(*at, "commit-tree", tree, *onto, "-m", message, env=_AUTHOR)
            _plain(*at, "update-ref", ref, sha, parent or "0" * len(sha))
        return sha

    def resolve(self, url: ParsedUrl, branch: str) -> str:
        """The commit that `branch` (empty: main's like) of a hosted repository stands at."""
        path = self.existing(url)
        tip = self._tip(path, whole_ref(check_ref(branch)) if branch else "HEAD")
        if not tip:
            name = branch or "the default branch"
            hint = "Commit something to it first, or choose another branch."
            raise UserError("branch_not_found", f"The repository has no branch {name}.", hint)
        return tip

    def branches(self, url: ParsedUrl) -> tuple[str, tuple[str, ...]]:
        """The ref that HEAD names, and those of all branches."""
        path = self.existing(url)
        said = _plain("--git-dir", str(path), "for-each-ref", "--format=%(refname)", "refs/heads/")
        return f"refs/heads/{self.default_branch(path)}", tuple(said.splitlines())

    def existing(self, url: ParsedUrl) -> Path:
        """The repository's directory. Raises UserError("repository_not_found")."""
        try:
            if self.exists(url.team, url.name):
                return self.path(url.team, url.name)
        except NotFound:
            pass
        if "/" in url.name:
            words = f"Nothing was pushed to {url.url} yet, or it is on another machine of the platform."
            hint = "The app's page shows the remote to push to. Only the platform's main machine can read it."
            raise UserError("nothing_pushed", words, hint)
        hint = "Check the name: repositories hosted here are written brainpod:<team>/<name>."
        raise UserError("repository_not_found", f"There is no repository {url.url}.", hint)

    def default_branch(self, path: Path) -> str:
        """What HEAD of the repository at `path` names."""
        return _plain("--git-dir", str(path), "symbolic-ref", "--short", "HEAD")

    def set_default_branch(self, path: Path, branch: str) -> None:
        _plain("--git-dir", str(path), "symbolic-ref", "HEAD", f"refs/heads/{check_ref(branch)}")

    def message(self, path: Path, commit: str) -> str:
        """What the commit's author wrote."""
        return _plain("--git-dir", str(path), "show", "-s", "--no-notes", "--format=%B", commit, "--")

    def between(self, path: Path, before: str, after: str, most: int) -> frozenset[str] | None:
        """The files that differ between two commits, both names of a renamed one; None for more than `most`."""
        try:
            said = _plain(
                *("--git-dir", str(path), "diff-tree", "-r", "-z", "--name-only", "--no-renames", before, after)
            )
        except git.GitCommandError:
            return None  # the older one may not be there any more, or never was in a shallow push
        paths = [name for name in said.split("\0") if name]
        return None if len(paths) > most else frozenset(paths)

    def tip(self, path: Path, branch: str) -> str:
        """The commit that `branch` of the repository at `path` stands at; empty: there is none."""
        return self._tip(path, f"refs/heads/{check_ref(branch)}")

    def _tip(self, path: Path, ref: str) -> str:
        """The commit `ref` stands at; empty: there is none."""
        try:
            return _plain("--git-dir", str(path), "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        except git.GitCommandError:
            return ""


_AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Brainpod"), ("EMAIL", "brainpod@localhost"))
}


def _plain(*arguments: str, env: dict[str, str] | None = None) -> str:
    """What git printed, stripped; for commands that touch nothing but files of the platform's own."""
    environment = processes.environment(env or {})
    runner = git.Git(os.sep)
    answer = runner.execute(processes.command(arguments), env=environment, with_extended_output=False)
    return str(answer).strip()
