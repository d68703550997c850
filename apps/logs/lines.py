"""A line of a log: what it consists of, and how text from outside is made harmless before it becomes one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from apps.core.errors import NotFound

LONGEST = 16 * 1024  # bytes of a line's text; what is longer goes on in the next line
LEVELS = ("info", "warn", "error", "engine")
EVENT = "event"  # the level of lines that are no text: see apps/logs/stages.py
STREAM = re.compile(r"[a-z]+:[0-9a-z]+")

_SGR = r"\x1b\[[0-9;:]*m"
_COLOUR = re.compile(_SGR)
# Sequences that move the cursor, set titles or switch character sets: dropped, none spans lines.
_SEQUENCE = (
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI
    r"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)"  # OSC, DCS, SOS, PM, APC up to their end
    r"|\x1b[ -/]+[0-~]"  # character sets
    r"|\x1b[0-OQ-WYZ`-~]"  # single shifts, save, restore, reset
)
# Controls, surrogates, and what reorders text or breaks lines where a browser or a terminal sees it.
_LOOSE = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
_UNSAFE = re.compile(_LOOSE)
_TOKENS = re.compile(f"({_SGR})|({_SEQUENCE})|({_LOOSE})")


class Line(NamedTuple):
    """`seq` counts from 1 in each stream; `at` in milliseconds since 1970; `text` is masked and harmless."""

    seq: int
    at: int
    section: str
    level: str
    text: str


def check_stream(name: str) -> str:
    """A stream's name, `deployment:<id>`, `workload:<id>` or `jobrun:<id>`. Raises NotFound for anything else."""
    if len(name) > 80 or not STREAM.fullmatch(name):
        raise NotFound("such log")
    return name


def clean(text: str) -> str:
    """Complete lines, each joined to the next by a line feed, with everything but colours and tabs made harmless.

    The number of lines stays the same. Of a line rewritten by carriage returns the last state is kept.
    """
    if "\r" in text:
        text = "\n".join(map(_last_state, text.split("\n")))
    if not _UNSAFE.search(text):
        return text
    return _TOKENS.sub(_harmless, text)


def _last_state(line: str) -> str:
    if "\r" not in line:
        return line
    return next((state for state in reversed(line.split("\r")) if state), "")


def _harmless(match: re.Match[str]) -> str:
    colour, sequence, loose = match.groups()
    if colour is not None:
        return colour
    if sequence is not None:
        return ""
    code = ord(loose)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"


def pieces(text: str) -> list[str]:
    """`text` in pieces of at most LONGEST bytes, cut neither within a character nor within a colour."""
    if len(text) * 4 <= LONGEST or len(raw := text.encode()) <= LONGEST:
        return [text]
    found = []
    while len(raw) > LONGEST:
        end = LONGEST
        while raw[end] & 0xC0 == 0x80:
            end -= 1
        escape = raw.rfind(b"\x1b", end - 64, end)
        if escape > 0 and b"m" not in raw[escape:end]:
            end = escape
        found.append(raw[:end].decode())
        raw = raw[end:]
    return [*found, raw.decode()]


def plain(text: str) -> str:
    """`text` without colours."""
    return _COLOUR.sub("", text) if "\x1b" in text else text


def encode(lines: Iterable[Line]) -> bytes:
    """A JSON array of [seq, at, section, level, text]: what Valkey, the database and the browser are given."""
    return json.dumps(list(lines), ensure_ascii=False, separators=(",", ":")).encode()


def decode(payload: bytes) -> list[Line]:
    return [Line(*fields) for fields in json.loads(payload)]


def parts(lines: list[Line], size: int) -> Iterator[list[Line]]:
    """`lines` in parts that are at most `size` bytes once encoded (but for a single line that is longer)."""
    part: list[Line] = []
    room = size
    for line in lines:
        most = 100 + len(line.section) + 4 * len(line.text)  # four bytes a character, quotes and numbers
        if part and most > room:
            yield part
            part, room = [], size
        part.append(line)
        room -= most
    if part:
        yield part
