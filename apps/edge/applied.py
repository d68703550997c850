"""The state last applied, kept for a start without the database."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from apps.edge.base import EdgeState, Header, Redirect, Rule, Site, remembered


def read(path: Path) -> EdgeState:
    """The state in `path`; the empty one when there is none or it cannot be understood."""
    try:
        stored = json.loads(path.read_text())
        sites = tuple(_site(entry) for entry in stored["sites"])
        return EdgeState(sites, stored.get("certificate", ""), stored.get("panel", ""))
    except (OSError, ValueError, KeyError, TypeError):
        return EdgeState()


def _site(entry: dict[str, Any]) -> Site:
    made = {
        "rules": tuple(map(_rule, entry["rules"])),
        "allow": tuple(entry.get("allow", ())),
        "redirects": _redirects(entry),
        "headers": tuple((name, value) for name, value in entry.get("headers", ())),
    }
    return Site(**{**entry, **made})


def _rule(entry: dict[str, Any]) -> Rule:
    made = {
        "upstreams": tuple(entry["upstreams"]),
        "keys": tuple((name, digest) for name, digest in entry.get("keys", ())),
        "redirects": _redirects(entry),
        "headers": tuple(Header(**header) for header in entry.get("headers", ())),
        "packed": tuple(entry.get("packed", ())),
    }
    return Rule(**{**entry, **made})


def _redirects(entry: dict[str, Any]) -> tuple[Redirect, ...]:
    return tuple(Redirect(**redirect) for redirect in entry.get("redirects", ()))


def write(path: Path, state: EdgeState) -> None:
    """Nothing where that is what it has already."""
    others = json.dumps(_plain(dataclasses.replace(state, sites=())))
    text = others.replace('"sites": []', f'"sites": [{", ".join(map(_text, state.sites))}]', 1)
    try:
        if path.read_text() == text:
            return
    except FileNotFoundError:
        pass
    replace(path, text)


_FIELDS = {
    kind: tuple((field.name, field.default) for field in dataclasses.fields(kind))
    for kind in (EdgeState, Site, Rule, Redirect, Header)
}
_NEEDED = ("sites", "rules", "upstreams")  # said even where they are empty


@remembered
def _text(site: Site) -> str:
    return json.dumps(site, default=_plain, check_circular=False)


def _plain(value: Any) -> dict[str, Any]:
    """The fields of a state, site or rule that are not as usual: with thousands of sites, most are."""
    pairs = ((name, usual, getattr(value, name)) for name, usual in _FIELDS[type(value)])
    return {name: given for name, usual, given in pairs if given != usual or name in _NEEDED}


def replace(path: Path, text: str) -> None:
    """Write `text` beside `path`, on the disk before the rename, readable by the owner only.

    Raises OSError that names `path`, which is then as it was.
    """
    beside = path.with_name(f".{path.name}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None
