"""Files of passwords, one for each host that asks for one. nginx reads them at each request: a new one is a rename.

A file holds a name and a bcrypt hash. Its cost is low, because nginx computes one for every request and answers nobody
else meanwhile: 3 ms, where an attacker who has the file makes some thousand guesses a second.
"""

from __future__ import annotations

import grp
import os
import time
from pathlib import Path

import bcrypt

from apps.edge.base import EdgeState
from apps.edge.gates import gated
from apps.edge.layout import Layout
from apps.edge.links import UNUSED_SECONDS

COST = 5


def hashed(password: str) -> str:
    """As it stands in a file. `password`: at most 72 bytes."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(COST, prefix=b"2b")).decode()


def wanted(state: EdgeState) -> dict[str, str]:
    """The content of each file, by host."""
    return {site.host: f"{site.password}\n" for site in state.sites if site.password and gated(site)}


def switch(layout: Layout, files: dict[str, str]) -> dict[str, str]:
    """Make `files` so, each by one rename; what those changed had before ("" for nothing)."""
    before: dict[str, str] = {}
    for host, text in files.items():
        path = layout.passwords / host
        try:
            old = path.read_text()
        except FileNotFoundError:
            old = ""
        if old != text:
            before[host] = old
            _write(layout, path, text)
    return before


def restore(layout: Layout, before: dict[str, str]) -> None:
    """Undo a `switch`; files that were new stay, as nothing refers to them."""
    switch(layout, {host: text for host, text in before.items() if text})


def collect(layout: Layout, *, serving: EdgeState) -> None:
    """Remove the files nobody has needed for half an hour."""
    used, limit = wanted(serving), time.time() - UNUSED_SECONDS
    for path in layout.passwords.iterdir():
        if path.name in used:
            os.utime(path)
        elif path.stat().st_mtime < limit:
            path.unlink(missing_ok=True)


def _write(layout: Layout, path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        if layout.user and os.geteuid() == 0:
            os.fchown(file.fileno(), -1, grp.getgrnam(layout.user.split()[1]).gr_gid)
            os.fchmod(file.fileno(), 0o640)
    beside.replace(path)
