"""How bad a line of an app or a server is: by the word it says of itself, else by the stream it came on.

Programs of every kind write all they have to say to stderr; by the stream alone nearly every line would be a warning.
"""

from __future__ import annotations

import re

LOOKED_AT = 120  # characters of a line: its own word stands at the front, what is quoted comes after
OF_STREAM = {"out": "info", "err": "warn", "engine": "engine"}

_WORDS = {
    "error": "error|err|fatal|panic|critical|crit|alert|emerg|emergency|severe",
    "warn": "warn|warning",
    "info": "info|debug|trace|log|notice|note|hint|detail|statement|verbose|system",
}
_LEVELS = {word: level for level, words in _WORDS.items() for word in words.split("|")}
_ANY = "|".join(_LEVELS)
_SAID = (  # each begins with what few lines have, so that looking costs little
    re.compile(rf"(?i:({_ANY})):").match,  # error: …
    re.compile(rf"\[ *(?i:({_ANY})) *\]").search,  # [warn] …
    re.compile(rf"(?:level|severity|lvl)[\"']? *[=:] *[\"']?(?i:({_ANY}))\b").search,  # level=info, "level": "info"
    # In prose these words are in lower case; nobody shouts one who does not mean it.
    re.compile(rf"(?<![^\s\]|])({_ANY.upper()})(?=[:\s\]|]|$)").search,  # 12:01 WARN …
)
_PYTHON = re.compile(r"^(Traceback \(most recent call last\):|\w+(\.\w+)*(Error|Exception)(:|$))")


def level(text: str, stream: str) -> str:
    """One of apps.logs.lines.LEVELS, for a line that came on `stream`: "out", "err" or "engine"."""
    if stream == "engine":
        return "engine"
    front = text[:LOOKED_AT]
    for look in _SAID:
        if said := look(front):
            return _LEVELS[said[1].lower()]
    if stream == "err" and _PYTHON.match(front):
        return "error"
    return OF_STREAM[stream]
