"""What was typed, and how well it fits a name."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass

LONGEST = 100  # characters of a question
MOST = 8  # words of it
EXACT, BEGINS, WORD, WITHIN, NEAR = range(5)  # how a word fits a name, the best first
MISTYPED = 4  # letters from which on one of them may be wrong
_PARTS = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Hit:
    """`rank` is one of EXACT … NEAR. With `sends` it is an action, done by posting those fields to `url`."""

    title: str
    url: str
    icon: str
    detail: str = ""
    rank: int = WITHIN
    sends: tuple[tuple[str, str], ...] | None = None


def words_of(text: str) -> tuple[str, ...]:
    """The words of a question in lower case; what cannot stand in a name is left out."""
    clean = "".join(letter if letter.isprintable() else " " for letter in text[:LONGEST])
    return tuple(clean.casefold().split()[:MOST])


def fit(words: Iterable[str], *names: str) -> int | None:
    """The worst of how each of `words` fits the best of `names`; None if one of them fits nowhere."""
    lower = [name.casefold() for name in names if name]
    worst = EXACT
    for word in words:
        best = min((found for name in lower if (found := _fit(word, name)) is not None), default=None)
        if best is None:
            return None
        worst = max(worst, best)
    return worst


def _fit(word: str, name: str) -> int | None:
    if word in name:
        if name.startswith(word):
            return EXACT if name == word else BEGINS
        return WORD if any(part.startswith(word) for part in _parts(name)) else WITHIN
    if len(word) >= MISTYPED and any(part[0] == word[0] and near(word, part) for part in _parts(name)):
        return NEAR
    return None


@functools.lru_cache(maxsize=4096)
def _parts(name: str) -> tuple[str, ...]:
    return tuple(_PARTS.findall(name))


def near(word: str, part: str) -> bool:
    """Whether `word` begins `part` but for one letter after the first: wrong, missing, too many, or two exchanged."""
    for at, (typed, meant) in enumerate(zip(word, part, strict=False)):
        if typed == meant:
            continue
        rest, other = word[at:], part[at:]
        exchanged = rest[1:2] + rest[:1] == other[:2] and other[2:].startswith(rest[2:])
        return at > 0 and (
            exchanged or other[1:].startswith((rest[1:], rest)) or (len(rest) > 1 and other.startswith(rest[1:]))
        )
    return len(word) <= len(part) + 1
