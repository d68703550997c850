"""From how a command ended and what it printed to the entry of the catalogue that explains it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.builds.failures.catalogue import BY_EXIT, CATALOGUE, GENERIC
from apps.builds.failures.entry import Entry, Fix
from apps.core.errors import UserError
from apps.engines.base import Finished
from apps.logs.lines import clean

LONGEST = 2000  # characters of a line that are read
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_SAYS_LITTLE = re.compile(
    r"npm (?:error|ERR!|notice|warn)(?: (?:A complete log|path |command |code |Lifecycle script|location ).*)?"
    r"|.*/_logs/.*\.log|Node\.js v[\d.]+|error Command failed\b.*|info Visit .*|\s*ELIFECYCLE\b.*|\s+at .*|[\s\W]*"
    r"|make: \*\*\* .*|.*exited with code \d+\.?|.*For more information about this error, try .*|exit status \d+"
)
_WORDS = {"release": "release command", "prestart": "pre-start command", "launch": "app", "health": "app"}
_SAME = {"prestart": "release"}  # fails as the other does
_BY_CODE = {entry.code: entry for entry in (*GENERIC.values(), *CATALOGUE)}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`line` shows it, without colours; empty if only the way it ended does."""

    entry: Entry
    line: str
    cause: str
    remedy: str

    def fixes(self, spec: Mapping[str, Any], stage: str) -> list[Fix]:
        """The changes of `spec` that may help where `stage` failed."""
        return [fix for fix in self.entry.fixes if fix.suits(self.line, spec, stage)]


def explain(stage: str, tail: Sequence[str], finished: Finished, *, seconds: float = 0) -> UserError:
    """The error for a command of `stage` (install, build, release, prestart) that did not end well.

    `tail`: what it printed last. `seconds`: how long it was allowed to take.
    """
    found = diagnose(stage, tail, finished, seconds=seconds)
    return UserError(found.entry.code, found.cause, found.remedy)


def diagnose(stage: str, lines: Iterable[str], finished: Finished, *, seconds: float = 0) -> Diagnosis:
    """The first entry that fits; that its time or memory was up comes before anything it said."""
    text = _plain(lines)
    given = {
        "stage": _WORDS.get(stage, stage),
        "exit": str(finished.exit_code),
        "seconds": f"{seconds:.0f}",
        "last": _last(text),
    }
    entries = [entry for entry in CATALOGUE if _SAME.get(stage, stage) in entry.stages]
    for entry in entries:
        if finished.killed in entry.endings or finished.exit_code in entry.endings:
            return _told(entry, "", given)
    for entry in entries:
        if found := _find(entry, text):
            return _told(entry, found[0], given | found[1])
    generic = GENERIC.get(stage, GENERIC["build"])
    if (coded := BY_EXIT.get(finished.exit_code)) and _SAME.get(stage, stage) in coded.stages:
        generic = coded
    return _told(generic, given["last"], given)


def found_in(code: str, lines: Iterable[str]) -> Diagnosis | None:
    """The entry with `code` and the line of `lines` that shows it; None if the catalogue has no such entry.

    Where no line shows it, what the entry says of a name in the line is left out: cause and remedy are empty.
    """
    entry = _BY_CODE.get(code)
    if entry is None:
        return None
    text = _plain(lines)
    if found := _find(entry, text):
        return _told(entry, found[0], {"stage": "command", "exit": "?", "seconds": "?", "last": found[0]} | found[1])
    named = "{" in entry.cause + entry.remedy
    line = _last(text) if entry in GENERIC.values() else ""
    return Diagnosis(entry, line, "" if named else entry.cause, "" if named else entry.remedy)


def _find(entry: Entry, text: str) -> tuple[str, dict[str, str]] | None:
    for sign in entry.signs:
        if found := sign.find(text):
            return found
    return None


def _told(entry: Entry, line: str, names: Mapping[str, str]) -> Diagnosis:
    harmless = {name: clean(value).replace("\n", " ") for name, value in names.items()}
    cause, remedy = entry.cause.format_map(harmless), entry.remedy.format_map(harmless)
    return Diagnosis(entry, clean(line).strip(), cause, remedy)


def _plain(lines: Iterable[str]) -> str:
    text = "\n".join(line[:LONGEST] for line in lines)
    return _ESCAPES.sub("", text) if "\x1b" in text else text


def _last(text: str) -> str:
    """The last line that says anything of what went wrong; empty if there is none."""
    for line in reversed(text[-100_000:].split("\n")):
        if not _SAYS_LITTLE.fullmatch(line):
            return line.strip()[:300]
    return ""
