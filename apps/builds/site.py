"""What a static site says of itself in `_redirects` and `_headers`, in Netlify's form, and which files are packed.

Read once, when the site is stored: what is not understood is said in the build's log and left out. The rest goes with
the artifact, so that a rollback brings the old redirects back with the old files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from apps.edge.base import Header, Redirect
from apps.edge.inputs import check_header, check_redirect, check_source
from apps.edge.validation import MOST_HEADERS, MOST_REDIRECTS

LARGEST = 256 * 1024  # bytes of one of the two files
MOST_WARNINGS = 20  # said of one file
PACKINGS = ("br", "gz")
_PLAIN = "/:*?#&=+,;@!~'()%$.-_[]"
_STATUS = re.compile(r"([1-5][0-9]{2})(!?)")


@dataclass(frozen=True, slots=True)
class Settings:
    """See the fields of the same names of apps.edge.base.Rule."""

    redirects: tuple[Redirect, ...] = ()
    headers: tuple[Header, ...] = ()
    packed: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {name: list(value) for name, value in asdict(self).items() if value}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Settings:
        return cls(
            tuple(Redirect(**entry) for entry in stored.get("redirects", ())),
            tuple(Header(**entry) for entry in stored.get("headers", ())),
            tuple(stored.get("packed", ())),
        )

    def of_rule(self) -> dict[str, Any]:
        return {"redirects": self.redirects, "headers": self.headers, "packed": self.packed}


class _Unknown(Exception):
    """Why a line is left out, in words."""


def read(output: Path, say: Callable[[str], None]) -> Settings:
    """The settings of the site in `output`; `say` is told of each line that is left out."""
    redirects, wrong = parse_redirects(_text(output / "_redirects", say))
    headers, also = parse_headers(_text(output / "_headers", say))
    for name, warnings in (("_redirects", wrong), ("_headers", also)):
        for warning in warnings[:MOST_WARNINGS]:
            say(f"{name}, {warning} The line is left out.")
        if len(warnings) > MOST_WARNINGS:
            say(f"{name}: {len(warnings) - MOST_WARNINGS} more lines are left out.")
    if redirects or headers:
        say(f"Read {len(redirects)} redirects and {len(headers)} headers of the site.")
    return Settings(tuple(redirects), tuple(headers), tuple(_packings(output)))


def _text(path: Path, say: Callable[[str], None]) -> str:
    if path.is_symlink() or not path.is_file():
        return ""
    if path.stat().st_size > LARGEST:
        say(f"{path.name} is larger than {LARGEST // 1024} KB: it is left out.")
        return ""
    return path.read_text(encoding="utf-8-sig", errors="replace")


def _packings(output: Path) -> Iterator[str]:
    for packing in PACKINGS:
        if any(
            name.endswith(f".{packing}") and name.removesuffix(f".{packing}") in names
            for _, _, files in os.walk(output)
            for names in [set(files)]
            for name in files
        ):
            yield packing


def parse_redirects(text: str) -> tuple[list[Redirect], list[str]]:
    """What is understood, in order; and of each other line `line <n>: <why>.`"""
    found: list[Redirect] = []
    wrong: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if words := _uncommented(line):
            try:
                if len(found) >= MOST_REDIRECTS:
                    raise _Unknown(f"there are more than {MOST_REDIRECTS}.")
                found.append(_redirect(words))
            except _Unknown as why:
                wrong.append(f"line {number}: {why}")
    return found, wrong


def _uncommented(line: str) -> list[str]:
    words: list[str] = []
    for word in line.split():
        if word.startswith("#"):
            break
        words.append(word)
    return words


def _redirect(words: list[str]) -> Redirect:
    if len(words) < 2:
        raise _Unknown("it needs two paths, as in /old /new.")
    source, *rest = words
    target = next((word for word in rest if word.startswith(("/", "http://", "https://"))), "")
    if not target:
        raise _Unknown("it has no target, a path such as /new or an address.")
    if source.startswith(("http://", "https://")):
        raise _Unknown("it is for a whole address: the route's own redirects can be for a host.")
    before, after = rest[: rest.index(target)], rest[rest.index(target) + 1 :]
    if before:
        raise _Unknown(f"conditions on the query, such as {_short(before[0])}, are not known.")
    status = _STATUS.fullmatch(after[0]) if after else None
    if after[1 if status else 0 :]:
        raise _Unknown(f"conditions such as {_short(after[1 if status else 0])} are not known.")
    number = int(status[1]) if status else 301
    if number == 200 and not target.startswith("/"):
        raise _Unknown("requests are not sent on to other servers: use 301 or 302, or a rule of the route.")
    path = "/*" if source == "*" else quote(source, safe=_PLAIN)
    made = Redirect(path, quote(target, safe=_PLAIN), number, force=bool(status and status[2]))
    if made.status == 404 and made.target != "/404.html":
        raise _Unknown("the page of 404 is always /404.html.")
    for field, problem in check_redirect(made, own=True):
        raise _Unknown(f"{_NAMES[field]} {problem}")
    if made.path == made.target and made.status != 200:
        raise _Unknown("it leads to itself.")
    return made


_NAMES = {"path": "the path", "target": "the target", "status": "the status", "name": "the name", "value": "the value"}


def parse_headers(text: str) -> tuple[list[Header], list[str]]:
    """What is understood, in order; and of each other line `line <n>: <why>.`"""
    found: list[Header] = []
    wrong: list[str] = []
    path = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            if line[0].isspace():
                found.append(_header(path, line.strip(), len(found)))
            else:
                path = ""
                path = _path(line.strip())
        except _Unknown as why:
            wrong.append(f"line {number}: {why}")
    return found, wrong


def _path(text: str) -> str:
    path = quote(text, safe=_PLAIN)
    if problem := check_source(path):
        raise _Unknown(f"the path {problem}")
    return path


def _header(path: str, text: str, before: int) -> Header:
    name, colon, value = text.partition(":")
    if not path:
        raise _Unknown("it stands beneath no path that is understood.")
    if not colon:
        raise _Unknown("it is no header such as X-Frame-Options: DENY.")
    if before >= MOST_HEADERS:
        raise _Unknown(f"there are more than {MOST_HEADERS}.")
    made = Header(path, name.strip(), value.strip())
    for field, problem in check_header(made.name, made.value):
        raise _Unknown(f"{_NAMES[field]} {problem}")
    return made


def _short(word: str) -> str:
    return word if len(word) <= 40 else f"{word[:40]}…"
