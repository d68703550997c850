"""Patterns that a value has to match: a part of regular expressions, of which none can be made to take long.

One item after the other: a character, a class (`[a-z]`, `\\d`) or `.`, each with how often. No groups, no choices,
and at most two items of no fixed number, so that what a team's own blueprint says is never more than a moment's work.
"""

from __future__ import annotations

import re

LONGEST = 120
MOST_VARIABLE = 2
_CLASS = r"\[\^?(?:[A-Za-z0-9 _.,:;@/+*?=!#$%&~|(){}<>'^-]|\\[dwsDWS.\\\]\[^-])+\]"
_ONE = rf"(?:{_CLASS}|\\[dwsDWS.+*?()\[\]{{}}|^$\\/-]|[A-Za-z0-9 _,:;@/=!#%&~'\"<>-]|\.)"
_ITEM = re.compile(rf"{_ONE}(?P<often>[*+?]|\{{(?P<least>\d{{1,3}})(?P<more>,\d{{0,3}})?\}})?")


def compiled(pattern: str) -> re.Pattern[str] | str:
    """The pattern, or what is wrong with it."""
    if len(pattern) > LONGEST:
        return f"must be at most {LONGEST} characters."
    at, variable = 0, 0
    while at < len(pattern):
        found = _ITEM.match(pattern, at)
        if found is None:
            return (
                f"is not understood from character {at + 1} on: write characters, classes such as [a-z] and how often;"
                " there are no groups and no choices."
            )
        variable += bool(found["often"]) and (found["least"] is None or found["more"] is not None)
        at = found.end()
    if variable > MOST_VARIABLE:
        return f"must have at most {MOST_VARIABLE} parts of no fixed number (*, +, ?, {{1,9}})."
    try:
        return re.compile(pattern)
    except re.error as error:
        return f"is no pattern: {error.msg}."
