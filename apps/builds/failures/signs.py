"""The words by which a failure is told in a log: text with gaps, matched in time that grows with the log alone."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field

LOOKED_AT = 1000  # lines with a sign's longest words that are compared with the whole sign
_GAP = re.compile(r"\{(\*|[a-z]+)(?::(text|number|capitals))?\}")
_PREFIX = r"^(?:[a-z0-9-]{1,63} \| )?\s{0,20}"  # the lines of an app in a deployment's log begin with its name
_KINDS = {
    "": r"[^\s'\"`,;()<>]{1,200}",
    "text": r".{1,300}",
    "number": r"\d{1,9}",
    "capitals": r"[A-Z][A-Z0-9_]{1,100}",
}


@dataclass(frozen=True, slots=True)
class Sign:
    """Text as a tool prints it, with gaps: `{name}` a word, `{name:text}` anything, `{name:number}`,
    `{name:capitals}` as variables are called, `{*}` anything unnamed.

    It stands for a part of a line; `^` at its beginning and `$` at its end are the line's.
    """

    template: str
    needle: str = field(init=False)  # the longest words that stand in it as they are

    def __post_init__(self) -> None:
        object.__setattr__(self, "needle", max(_GAP.split(_bare(self.template))[::3], key=len))

    @property
    def names(self) -> frozenset[str]:
        return frozenset(_pattern(self.template).groupindex)

    def find(self, text: str) -> tuple[str, dict[str, str]] | None:
        """The first line of `text` that has it, and what stood in its gaps."""
        at, looked = text.find(self.needle), 0
        while at >= 0 and looked < LOOKED_AT:
            start = text.rfind("\n", 0, at) + 1
            end = text.find("\n", at)
            line = text[start : end if end >= 0 else len(text)]
            if match := _pattern(self.template).search(line):
                return line, match.groupdict()
            at = text.find(self.needle, end) if end >= 0 else -1
            looked += 1
        return None


def _bare(template: str) -> str:
    return template.removeprefix("^").removesuffix("$")


@functools.cache
def _pattern(template: str) -> re.Pattern[str]:
    """Made when it is first needed: most signs never are."""
    pieces = _GAP.split(_bare(template))  # literal, name, kind, literal, name, kind, …
    made = [_PREFIX if template.startswith("^") else ""]
    for index in range(0, len(pieces), 3):
        made.append(re.escape(pieces[index]))
        if index + 2 < len(pieces):
            last = index + 3 == len(pieces) - 1 and not pieces[-1] and not template.endswith("$")
            made.append(_gap(pieces[index + 1], pieces[index + 2] or "", last=last))
    made.append(r"\s{0,20}$" if template.endswith("$") else "")
    return re.compile("".join(made))


def _gap(name: str, kind: str, *, last: bool) -> str:
    if name == "*":
        return ".{0,300}" + ("" if last else "?")
    return f"(?P<{name}>{_KINDS[kind]}{'?' if kind == 'text' and not last else ''})"
