"""Corpora of bad input: data files of groups, and what every runner does with them.

A group says in one place what is refused, of which field and in which words, and lists inputs: each of them is a case.
`bad` are its own, `lists` names files' worth of them in shared.yaml that many fields refuse alike. `!times [x, n]` is a
text or a list of n times x.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from apps.core.errors import Detail, UserError

HERE = Path(__file__).parent / "corpora"
CORPORA = sorted(path.stem for path in HERE.glob("*.yaml") if path.stem != "shared")
LEAST = 400  # cases of a corpus


class _Loader(yaml.SafeLoader):
    """With `!times`."""


def _times(loader: yaml.SafeLoader, node: yaml.SequenceNode) -> Any:
    what, count = loader.construct_sequence(node, deep=True)
    return what * count if isinstance(what, str) else [what] * count


_Loader.add_constructor("!times", _times)


@dataclasses.dataclass(frozen=True)
class Group:
    """`entry`: which of the runner's entries takes the inputs. `at`: where they are put, by default the field.

    `field`: the path of the detail that is expected, `{}` in it for the input; None where the error is about the whole.
    `code`: of the error; `says`: words that it has. `more`: what an entry knows by itself.
    """

    corpus: str
    about: str
    entry: str
    bad: tuple[Any, ...]
    says: str
    field: str | None = None
    at: str = ""
    code: str = "invalid"
    more: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        return self.about.replace(" ", "-")


@functools.cache
def _read(name: str) -> Any:
    return yaml.load((HERE / f"{name}.yaml").read_text(), Loader=_Loader)


@functools.cache
def groups(corpus: str) -> tuple[Group, ...]:
    return tuple(each for row in _read(corpus) for each in _groups(corpus, dict(row)))


def _groups(corpus: str, row: dict[str, Any]) -> Iterator[Group]:
    """One for each of the places that `each` names, where a rule is that of several fields."""
    for place in row.pop("each", None) or [None]:
        given = deepcopy(row)
        if place is not None:
            given |= {"field": place, "about": f"{row['about']}: {place}"}
        left_out = {repr(one) for one in given.pop("but", [])}
        bad = [*given.pop("bad", []), *(one for name in given.pop("lists", []) for one in _read("shared")[name])]
        known = {name: given.pop(name) for name in ("about", "entry", "says", "field", "at", "code") if name in given}
        known.setdefault("at", known.get("field") or "")
        yield Group(corpus, bad=tuple(one for one in bad if repr(one) not in left_out), more=given, **known)


def placed(into: dict[str, Any], at: str, value: Any) -> dict[str, Any]:
    """A copy of `into` with `value` at a dotted path."""
    made = deepcopy(into)
    *parents, last = at.split(".")
    holder: Any = made
    for name in parents:
        holder = holder[int(name)] if isinstance(holder, list) else holder.setdefault(name, {})
    holder[int(last) if isinstance(holder, list) else last] = value
    return made


def shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 90 else f"{text[:80]}… ({len(text)})"


def problem_with(error: Exception | None, group: Group, value: Any) -> str:
    """What `error` is not of what the group expects; empty where it is all of it."""
    if error is None:
        return "was taken"
    if not isinstance(error, UserError):
        return f"broke it: {error!r}"
    if error.code != group.code:
        return f"has the code {error.code}: {error}"
    details: Iterable[Detail] = getattr(error, "details", [])
    if group.field is None:
        return "" if group.says in str(error) else f"says {error}"
    if any(one.path == group.field.replace("{}", str(value)) and group.says in one.message for one in details):
        return ""
    return f"says {error}"


def hold(group: Group, attempt: Callable[[Any], object]) -> None:
    """Every input of the group is refused as expected; all that are not are named at once."""
    wrong = []
    for value in group.bad:
        error: Exception | None = None
        try:
            attempt(deepcopy(value))
        except Exception as caught:
            error = caught
        if problem := problem_with(error, group, value):
            wrong.append(f"{shown(value)} {problem[:300]}")
    assert group.bad, "a group without inputs"
    assert not wrong, f"{group.about}, {len(wrong)} of {len(group.bad)}:\n" + "\n".join(wrong)
