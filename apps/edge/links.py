"""The symbolic links nginx follows: what they point at changes by rename(2), without nginx noticing.

Each rule has a directory whose name is a digest of everything about it that stands in the configuration; so a rule
whose shape changes gets a new directory, and the old configuration keeps its own until its workers have left.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path

from apps.edge.base import EdgeState, Rule, Site

UNUSED_SECONDS = 1800.0  # longer than `worker_shutdown_timeout`: nobody can be following them any more


def shape(rule: Rule) -> tuple[object, ...]:
    """What of `rule` stands in the configuration; rules of one shape differ only in where their links lead."""
    if rule.directory:
        return (rule.path, "files", rule.strip, rule.spa)
    if not rule.upstreams:
        return (rule.path, "nothing")
    if len(rule.upstreams) == 1 and rule.upstreams[0].startswith("unix:"):
        return (rule.path, "socket", rule.strip)
    return (rule.path, "pool", rule.strip)


def name(site: Site, rule: Rule) -> str:
    """The directory of one rule's links: 16 characters, because a socket's path is at most 107 bytes."""
    addresses = [upstream if not upstream.startswith("unix:") else "unix" for upstream in rule.upstreams]
    parts = (site.host, rule.key, site.timeout, site.body_mb, *shape(rule), *addresses)
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]


def wanted(state: EdgeState) -> dict[str, str]:
    """Every link of `state`, relative to the directory of links, and what it points at."""
    links: dict[str, str] = {}
    for site in state.sites:
        for rule in site.rules if site.answer == "live" else ():
            folder = name(site, rule)
            if rule.directory:
                links[f"{folder}/files"] = rule.directory
                continue
            for index, upstream in enumerate(rule.upstreams):
                if upstream.startswith("unix:"):
                    links[f"{folder}/{index}.sock"] = upstream.removeprefix("unix:")
    return links


def switch(root: Path, links: dict[str, str]) -> dict[str, str]:
    """Make `links` so, each by one atomic rename; what the changed ones pointed at before ("" for nothing)."""
    before: dict[str, str] = {}
    for link, target in links.items():
        path = root / link
        try:
            old = str(path.readlink())
        except FileNotFoundError:
            old = ""
            path.parent.mkdir(exist_ok=True)
            path.parent.chmod(0o711)
        if old != target:
            before[link] = old
            beside = path.with_name(f".{path.name}")
            beside.unlink(missing_ok=True)
            beside.symlink_to(target)
            beside.replace(path)
    return before


def restore(root: Path, before: dict[str, str]) -> None:
    """Undo a `switch`; links that were new stay, as nothing refers to them."""
    switch(root, {link: target for link, target in before.items() if target})


def collect(root: Path, *, serving: EdgeState, before: EdgeState) -> None:
    """Remove directories that no configuration of the last half hour named; start the clock of those dropped now."""
    used, dropped = ({link.partition("/")[0] for link in wanted(state)} for state in (serving, before))
    limit = time.time() - UNUSED_SECONDS
    for folder in root.iterdir():
        if folder.name in used:
            continue
        if folder.name in dropped:
            os.utime(folder)
        elif folder.stat().st_mtime < limit:
            shutil.rmtree(folder, ignore_errors=True)
