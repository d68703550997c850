"""Statements without what was in them. Pure."""

from __future__ import annotations

import re

LONGEST = 400  # characters kept
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|--[^\n]*|#[^\n]*", re.DOTALL)
_QUOTED = re.compile(r"'(?:[^'\\]|''|\\.)*(?:'|\Z)|\$(\w*)\$.*?(?:\$\1\$|\Z)", re.DOTALL)
_NUMBER = re.compile(r"(?<![\w$\"`])[-+]?(?:0x[0-9a-f]+|\d+(?:\.\d*)?(?:e[-+]?\d+)?)\b", re.IGNORECASE)


def shape(statement: str) -> str:
    """`statement` with a ? for each value and no comments, in one line.

    Servers leave out values themselves, but not in comments, and not always: this is the second lock.
    """
    plain = _QUOTED.sub("?", statement)
    plain = _COMMENT.sub(" ", plain)
    plain = " ".join(_NUMBER.sub("?", plain).split())
    return plain if len(plain) <= LONGEST else f"{plain[:LONGEST]}…"
