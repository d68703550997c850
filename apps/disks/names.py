"""Names of files, which are bytes, as text and back.

What is printable stands for itself; a backslash, every byte that is no UTF-8, control characters and those that would
change how the rest is read are written as a backslash and two hex digits a byte. Nothing is lost, and nothing in it can
do harm in a page, an address or a log.
"""

from __future__ import annotations

import re

from apps.core.errors import Detail, Invalid

LONGEST = 255  # bytes of one name
DEEPEST = 4096  # bytes of a path
UNUSUAL = '\\/:*?"<>|\ufffd'
_ESCAPED = re.compile(r"\\([0-9a-f]{2})")


def shown(name: bytes) -> str:
    """`name` (or a path) in printable letters."""
    text = name.decode(errors="surrogateescape")
    return "".join(letter if letter.isprintable() and letter != "\\" else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    return "".join(f"\\{byte:02x}" for byte in letter.encode(errors="surrogateescape"))


def read(text: str) -> bytes:
    """What `shown` was given."""
    out, at = bytearray(), 0
    for found in _ESCAPED.finditer(text):
        out += text[at : found.start()].encode(errors="replace")
        out.append(int(found[1], 16))
        at = found.end()
    return bytes(out + text[at:].encode(errors="replace"))


def path_of(text: str) -> tuple[bytes, ...]:
    """The names of a path as `shown` wrote it; empty for the disk itself. Raises Invalid naming `path`."""
    path = read(text)
    parts = tuple(part for part in path.split(b"/") if part)
    if len(path) > DEEPEST or b"\0" in path or b".." in parts or b"." in parts or any(len(p) > LONGEST for p in parts):
        raise Invalid([Detail("path", "is no path on this disk.")])
    return parts


def new_name(text: str, field: str = "name") -> bytes:
    """A name that somebody typed for something new. Raises Invalid naming `field`."""
    name = text.encode(errors="replace")
    if not text or text in (".", "..") or "/" in text or len(name) > LONGEST or not text.isprintable():
        raise Invalid([Detail(field, "must be a name of at most 255 letters, without / and what cannot be seen.")])
    return name


def plain(name: bytes) -> str:
    """A file name that any machine takes, for what is downloaded."""
    text = name.decode(errors="replace")[:200]
    return "".join(letter if letter.isprintable() and letter not in UNUSUAL else "_" for letter in text)
