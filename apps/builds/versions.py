"""Whether a version that is there fits what a project asks for."""

from __future__ import annotations

import re

from packaging.specifiers import InvalidSpecifier, SpecifierSet

_PART = re.compile(r"(\^|~>?|>=|<=|>|<|=)?\s*v?(\d+|[xX*])(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?[\w.+-]*")


def fits_python(there: str, wanted: str) -> bool:
    """`wanted`: nothing, a version (its patch level does not count) or a PEP 440 specifier."""
    if not wanted:
        return True
    if wanted[0].isdigit():
        asked = wanted.split(".")[:2]
        return there.split(".")[: len(asked)] == asked
    try:
        return SpecifierSet(wanted).contains(there, prereleases=True)
    except InvalidSpecifier:
        return False


def fits_node(there: str, wanted: str) -> bool:
    """`wanted`: nothing, or a range of npm's kind; of an exact version only the major part counts.

    A word such as `lts/*` or `latest`, and what cannot be read, fits anything: the tool itself will complain.
    """
    version = tuple(int(part) for part in re.findall(r"\d+", there)[:3])
    return not wanted.strip() or any(_all(version, part) for part in wanted.split("||"))


def _all(version: tuple[int, ...], text: str) -> bool:
    if hyphen := re.fullmatch(r"\s*(\S+)\s+-\s+(\S+)\s*", text):
        text = f">={hyphen[1]} <={hyphen[2]}"
    parts = [match for match in _PART.finditer(text) if match[0].strip()]
    return all(_one(version, match) for match in parts)


def _one(version: tuple[int, ...], match: re.Match[str]) -> bool:
    numbers = [int(part) for part in match.groups()[1:] if part and part.isdigit()]
    operator, size = match[1] or "", len(numbers)
    if not numbers:
        return True
    low = (*numbers, 0, 0)[:3]
    if operator == ">=":
        return version >= low
    if operator == "<":
        return version < low
    if operator == "<=":
        return version[:size] <= tuple(numbers)
    if operator == ">":
        return version[:size] > tuple(numbers)
    if operator in ("~", "~>") and size > 1:
        return version[:2] == low[:2] and version >= low
    if operator == "^":
        return version[0] == low[0] and version >= low
    return version[0] == low[0]


def fits_range(there: str, wanted: str) -> bool:
    """`wanted`: a range as composer.json and mix.exs have it: ^8.1, ~8.1, >=8.1 <9, 8.1 || 8.2, ~> 1.14."""
    version = _numbers(there)
    return not wanted.strip() or any(_all_of(version, part) for part in re.split(r"\|\|?|\bor\b", wanted))


def at_least(there: str, wanted: str) -> bool:
    """`wanted`: nothing, or the oldest version that will do; later ones build the same."""
    return not wanted[:1].isdigit() or _numbers(there) >= _numbers(wanted)


def same_minor(there: str, wanted: str) -> bool:
    """`wanted`: nothing, a version whose patch level does not count, or a range of RubyGems' kind."""
    if not wanted[:1].isdigit():
        return fits_range(there, wanted)
    asked = _numbers(wanted)[:2]
    return _numbers(there)[: len(asked)] == asked


def _numbers(text: str) -> tuple[int, ...]:
    match = re.search(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def _all_of(version: tuple[int, ...], text: str) -> bool:
    found = re.findall(r"(\^|~>|~|>=|<=|!=|>|<|=)?\s*v?(\d+(?:\.\d+)*)(\.\*)?", text)
    return all(_holds(version, operator, _numbers(number), wild=bool(star)) for operator, number, star in found)


def _holds(version: tuple[int, ...], operator: str, asked: tuple[int, ...], *, wild: bool) -> bool:
    same = version[: len(asked)] == asked
    if operator in (">", "<", ">=", "<=", "!="):
        return {
            ">": version > asked and not same, "<": version < asked, ">=": version >= asked,
            "<=": version <= asked or same, "!=": not same,
        }[operator]  # fmt: skip
    if operator == "^":
        return version >= asked and version[0] == asked[0]
    if operator in ("~", "~>"):  # all but the last number that is written stays
        kept = max(1, len(asked) - 1)
        return version >= asked and version[:kept] == asked[:kept]
    return same if wild or len(asked) < 3 else version[:2] == asked[:2]
