"""What is in a directory of a disk: sorted, a page at a time, quick however many there are."""

from __future__ import annotations

import datetime
import os
import stat
from dataclasses import dataclass
from typing import Literal

from apps.disks.names import shown

PAGE = 200  # entries
MOST = 250_000  # entries that are looked at; of more the first so many, as they lie
MOST_SORTED = 20_000  # by size or time: each has to be asked for

Order = Literal["name", "size", "changed"]
KINDS = {stat.S_IFDIR: "directory", stat.S_IFREG: "file", stat.S_IFLNK: "link"}


@dataclass(frozen=True, slots=True)
class Entry:
    """`name` in printable letters; `kind`: directory | file | link | other; `to`: where a link would lead."""

    name: str
    kind: str
    size: int
    changed: datetime.datetime | None
    mode: str
    to: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """Page `page` of `pages`, from 1 on, of `count` entries; not `whole`: there are more than were looked at.

    `order`: what it is sorted by; directories come first, by name.
    """

    entries: list[Entry]
    page: int
    pages: int
    count: int
    whole: bool
    order: Order


def listing(directory: int, *, page: int = 1, order: Order = "name") -> Listing:
    """Of the directory that is open. An entry that goes meanwhile is left out."""
    names: list[tuple[bool, bytes]] = []
    whole = True
    with os.scandir(directory) as found:
        for entry in found:
            if len(names) >= MOST:
                whole = False
                break
            names.append((not entry.is_dir(follow_symlinks=False), os.fsencode(entry.name)))
    names.sort()
    if order != "name" and len(names) <= MOST_SORTED:
        names = _by(directory, names, order)
    else:
        order = "name"
    pages = max(1, -(-len(names) // PAGE))
    page = min(max(1, page), pages)
    some = names[(page - 1) * PAGE : page * PAGE]
    return Listing([one for _, name in some if (one := _entry(directory, name))], page, pages, len(names), whole, order)


def _by(directory: int, names: list[tuple[bool, bytes]], order: Order) -> list[tuple[bool, bytes]]:
    """Largest or newest first."""

    def weight(pair: tuple[bool, bytes]) -> tuple[bool, float]:
        try:
            info = os.stat(pair[1], dir_fd=directory, follow_symlinks=False)
        except OSError:
            return pair[0], 0.0
        return pair[0], -(info.st_size if order == "size" and pair[0] else info.st_mtime if order == "changed" else 0)

    return sorted(names, key=weight)


def _entry(directory: int, name: bytes) -> Entry | None:
    try:
        info = os.stat(name, dir_fd=directory, follow_symlinks=False)
        kind = KINDS.get(stat.S_IFMT(info.st_mode), "other")
        to = shown(os.readlink(name, dir_fd=directory)) if kind == "link" else ""
    except OSError:
        return None
    try:
        changed = datetime.datetime.fromtimestamp(info.st_mtime, datetime.UTC)
    except (OverflowError, ValueError, OSError):
        changed = None
    return Entry(shown(name), kind, info.st_size, changed, stat.filemode(info.st_mode), to)
