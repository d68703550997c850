"""Submodules: the same rules as for the repository that names them."""

from __future__ import annotations

import configparser
import posixpath
import stat
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from apps.core.addresses import Network
from apps.core.errors import UserError
from apps.core.paths import beneath
from apps.sources.urls import ParsedUrl, check_url

MOST = 50
_LARGEST = 256 * 1024


@dataclass(frozen=True, slots=True)
class Submodule:
    path: str
    url: ParsedUrl
    commit: str
    directory: Path


def wanted(root: Path, links: dict[str, str], parent: ParsedUrl, allowed: Iterable[Network]) -> Iterator[Submodule]:
    """The submodules of the checkout `root`: `links` is path → commit as the tree has them.

    Raises UserError("submodule_failed") for one that cannot be: no entry in .gitmodules, an address that is refused.
    """
    if len(links) > MOST:
        raise UserError("submodule_failed", f"The repository has {len(links)} submodules; at most {MOST} are cloned.")
    urls = _declared(root)
    for path, commit in links.items():
        if path not in urls:
            hint = "Run `git submodule add` for it, or `git rm --cached` it, and commit."
            raise UserError("submodule_failed", f"Submodule {path} has no address in .gitmodules.", hint)
        try:
            team = parent.team or None
            url = check_url(_absolute(urls[path], parent), team=team, field="source.submodules", allowed=allowed)
            if url.scheme == "brainpod" and parent.scheme != "brainpod":
                raise UserError("submodule_failed", f"Submodule {path} names a repository hosted here.")
            directory = beneath(root, path, "source.submodules")
        except UserError as error:
            raise failed(path, error) from error
        directory.mkdir(parents=True, exist_ok=True)
        yield Submodule(path, url, commit, directory)


def failed(path: str, error: UserError) -> UserError:
    return UserError("submodule_failed", f"Submodule {path}: {error.message}", error.hint)


def _declared(root: Path) -> dict[str, str]:
    """path → address, from .gitmodules read as text: git itself would follow includes."""
    file = root / ".gitmodules"
    try:
        status = file.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
            raise UserError("submodule_failed", ".gitmodules is not a plain file of at most 256 kB.")
        text = "\n".join(line.strip() for line in file.read_text().splitlines())
        parser = configparser.RawConfigParser(interpolation=None, strict=False, delimiters=("=",))
        parser.read_string(text)
    except FileNotFoundError:
        return {}
    except (configparser.Error, UnicodeDecodeError):
        raise UserError(
            "submodule_failed", ".gitmodules cannot be read.", "Look for a line git did not write."
        ) from None
    sections = (parser[name] for name in parser.sections() if name.startswith("submodule "))
    return {section["path"]: section["url"] for section in sections if "path" in section and "url" in section}


def _absolute(url: str, parent: ParsedUrl) -> str:
    """`./x` and `../x` are relative to the address of the repository that has the submodule."""
    if not url.startswith(("./", "../")):
        return url
    if parent.scheme == "brainpod":
        return f"brainpod:{posixpath.normpath(posixpath.join(f'{parent.team}/{parent.name}', url))}"
    parts = urllib.parse.urlsplit(parent.url)
    path = posixpath.normpath(posixpath.join(parts.path, url))
    return urllib.parse.urlunsplit(parts._replace(path=path))
