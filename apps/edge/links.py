"""The symbolic links nginx follows: what they point at changes by rename(2), without nginx noticing.

Each rule has a directory whose name is a digest of everything about it that stands in the configuration; so a rule
whose shape changes gets a new directory, and the old configuration keeps its own until its workers have left.

A rule with one instance has `to`. It leads to the directory it is in, beside `0.sock`, or to an empty one there that
is called as the instance's address: nginx reads an address off the path that `$realpath_root` is, with every link in
it followed (`$bp_to` in apps/edge/tables.py). One with several has `0.sock`, `1.sock` and so on; that of an instance
with an address leads to a socket of nginx's own, which goes on by `0.to`, `1.to` (apps/edge/hop.py).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from apps.edge import tls
from apps.edge.base import EdgeState, Rule, Site, remembered
from apps.edge.layout import hop_name

TO = "to"
CACHE = "cache"  # of several: leads to a directory named by the rule's `cache`
LEADING = (TO, CACHE)  # links whose target's name says something
AWAKE = "awake"  # leads somewhere while an app that sleeps when idle does not
UNUSED_SECONDS = 1800.0  # longer than `worker_shutdown_timeout`: nobody can be following them any more


def shape(rule: Rule) -> tuple[object, ...]:
    """What of `rule` stands in the configuration; rules of one shape differ only in where their links lead."""
    if rule.stopped:
        return (rule.path, "stopped")
    if rule.directory:
        moved = tuple(sorted({(redirect.force, redirect.status) for redirect in rule.redirects}))
        headers = tuple(header.name.lower() for header in rule.headers)
        return (rule.path, "files", rule.strip, rule.spa, moved, headers, rule.packed)
    if not rule.upstreams and not rule.sleeps:
        return (rule.path, "nothing")
    more: tuple[object, ...] = ("sleeps",) if rule.sleeps else ()
    if rule.cache:
        more = (*more, "cache")
    if rule.mcp:
        more = ("mcp", rule.keyed, len(rule.upstreams))  # sessions know their instance by its number
    if len(rule.upstreams) > 1:
        return (rule.path, "pool", rule.strip, "hop" if hops(rule) else "", *more)
    return (rule.path, "one", rule.strip, *more)


def hops(rule: Rule) -> bool:
    """Whether it has several instances that no pool can name by sockets of their own."""
    return len(rule.upstreams) > 1 and not all(upstream.startswith("unix:") for upstream in rule.upstreams)


@remembered
def name(site: Site, rule: Rule) -> str:
    """The directory of one rule's links: 16 characters, because a socket's path is at most 107 bytes."""
    number = max(1, len(rule.upstreams))  # asleep: the directory stays that of its one instance
    own = (*rule.redirects, *rule.headers)
    parts = (site.host, rule.key, site.timeout, site.body_mb, *shape(rule), *own, number)
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]


def wanted(state: EdgeState) -> dict[str, str]:
    """Every link of `state`, relative to the directory of links, and what it points at."""
    links: dict[str, str] = {}
    for site in state.sites:
        links.update(_rules(site))
    return links | tls.links(state)


@remembered
def _rules(site: Site) -> tuple[tuple[str, str], ...]:
    """The links of its rules."""
    links: dict[str, str] = {}
    for rule in site.rules if site.answer == "live" else ():
        folder = name(site, rule)
        if rule.directory:
            links[f"{folder}/files"] = rule.directory
            continue
        links |= {f"{folder}/{link}": target for link, target in _instances(rule)}
        if rule.cache and len(rule.upstreams) > 1:  # after the sockets: what is stored under the new name is theirs
            links[f"{folder}/{CACHE}"] = rule.cache
        if rule.sleeps:  # after the sockets: whoever sees it finds them
            links[f"{folder}/{AWAKE}"] = "." if rule.upstreams else "asleep"
    return tuple(links.items())


def _instances(rule: Rule) -> Iterator[tuple[str, str]]:
    """The links to the instances of `rule`, and where they lead."""
    one = len(rule.upstreams) == 1
    kept = rule.cache if one else ""  # part of the path, so that both change with one rename
    for index, upstream in enumerate(rule.upstreams):
        socket = upstream.removeprefix("unix:") if upstream.startswith("unix:") else ""
        if socket or not one:
            yield f"{kept}/{index}.sock".lstrip("/"), socket or f"../../{hop_name(index)}"
        if one or not socket:
            yield TO if one else f"{index}.{TO}", (kept or ".") if socket else f"{kept}/{upstream}".lstrip("/")


def switch(root: Path, links: dict[str, str]) -> dict[str, str]:
    """Make `links` so, each by one atomic rename; what the changed ones pointed at before ("" for nothing)."""
    before: dict[str, str] = {}
    for link, target in links.items():
        try:
            old = os.readlink(f"{root}/{link}")  # noqa: PTH115 - thousands of them: making a Path each takes longer
        except FileNotFoundError:
            old = ""
        if old != target:
            before[link] = old
            path = root / link
            path.parent.mkdir(parents=True, exist_ok=True)
            path.parent.chmod(0o711)
            if path.name.endswith(LEADING) and target != ".":
                _have(path.parent, target)
            beside = path.with_name(f".{path.name}")
            beside.unlink(missing_ok=True)
            beside.symlink_to(target)
            beside.replace(path)
            if path.name.endswith(LEADING):
                _drop(path.parent, old)
    return before


def _have(folder: Path, target: str) -> None:
    """The directory that a link is going to lead to."""
    for place in (folder / target.partition("/")[0], folder / target):
        place.mkdir(exist_ok=True)
        place.chmod(0o711)


def _drop(folder: Path, old: str) -> None:
    """Start the clock of the directory `old`, and remove those that nobody was led to for long."""
    if old not in ("", "."):
        with contextlib.suppress(FileNotFoundError):
            os.utime(folder / old.partition("/")[0])
    used = {str(link.readlink()).partition("/")[0] for link in folder.iterdir() if link.is_symlink()}
    limit = time.time() - UNUSED_SECONDS
    for place in folder.iterdir():
        if not place.is_symlink() and place.name not in used and place.stat().st_mtime < limit:
            shutil.rmtree(place, ignore_errors=True)


def restore(root: Path, before: dict[str, str]) -> None:
    """Undo a `switch`; links that were new stay, as nothing refers to them."""
    switch(root, {link: target for link, target in before.items() if target})


def collect(root: Path, *, serving: Iterable[str], before: str) -> None:
    """Remove directories that no configuration of the last half hour named; start the clock of those dropped now.

    `serving`: the links that are wanted; `before`: the configuration of before, as text.
    """
    serving = set(serving)
    for name in os.listdir(root / "tls"):  # noqa: PTH208 - names, of thousands
        if f"tls/{name}" not in serving and name != tls.KEPT:
            (root / "tls" / name).unlink()
    used = {link.partition("/")[0] for link in serving} | {"tls"}
    limit = time.time() - UNUSED_SECONDS
    for name in set(os.listdir(root)) - used:  # noqa: PTH208
        folder = root / name
        if name in before:
            os.utime(folder)
        elif folder.stat().st_mtime < limit:
            shutil.rmtree(folder, ignore_errors=True)
