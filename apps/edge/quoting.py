"""Text that people wrote, as one argument of a directive."""

from __future__ import annotations

import re

DOLLAR = 'geo $bp_dollar { default "$"; }'  # nginx has no other way to write a dollar sign where variables may stand
LONGEST = 3900  # characters of an argument: nginx reads 4096 at once


def quoted(text: str) -> str:
    """`text`, of printable characters alone, as an argument in which nothing is a variable."""
    return f'"{escaped(text)}"'


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "${bp_dollar}")


def literal(text: str) -> str:
    """`text` within a quoted regular expression."""
    return re.sub(r"([.+*?()\[\]^|])", r"\\\1", text)
