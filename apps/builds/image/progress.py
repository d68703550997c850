"""BuildKit's plain progress, made into the lines of a build's log."""

from __future__ import annotations

import re
from collections.abc import Iterator

_LINE = re.compile(r"#(\d+) (.*)", re.DOTALL)
_OUTPUT = re.compile(r"\d+\.\d+ (.*)|\d+\.\d+", re.DOTALL)
_STEP = re.compile(r"\[(?!internal\])([^\]]*\d+/\d+)\] (.*)", re.DOTALL)
_OURS = re.compile(r"RUN .*/run/secrets/brainpod")
_NOISE = re.compile(
    r"sha256:.*|DONE .*|CANCELED|\[internal\].*|transferring .*|resolve .*|extracting .*|exporting .*|writing image.*"
    r"|docker-image://.*|load build definition .*|loading \.|copy / /app|mkdir /\S*|\[railpack\] .*"  # Railpack's own
    r"|pulling .*|naming to .*"
    r"|copying files.*|sending tarball.*|unpacking to.*|preparing .*|importing .*|\[auth\].*|\.\.\.|"
)
_REPEATED = "-" * 6  # between two of them it says the end of the failed step's output once more
_RULE = re.compile(r"-{20}")
_ENDED = re.compile(
    r"(?:ERROR: )?(?:failed to solve.*: )?(?:executor failed running .*|process \".*did not complete successfully):"
    r" exit code: (\d+)(?:: context canceled.*)?",
    re.DOTALL,
)
_SOLVE = re.compile(r"(?:ERROR: )?failed to solve(?: with frontend [\w.]+)?: (?:failed to create LLB definition: )?")
_COMMAND = re.compile(r"RUN (?:--[a-z]+=\S+ )*")


class Cleaner:
    """Lines in, lines for people out. `exit_code`: what the step that failed ended with, if BuildKit said so."""

    def __init__(self) -> None:
        self.exit_code: int | None = None
        self._told: str = ""
        self._repeating = False
        self._named: dict[str, str] = {}  # steps that are no Dockerfile's, by their number

    def feed(self, line: str) -> Iterator[str]:
        if line == _REPEATED:
            self._repeating = not self._repeating
        elif self._repeating or _RULE.fullmatch(line):
            pass
        elif match := _LINE.fullmatch(line):
            yield from self._event(match[1], match[2])
        elif ended := _ENDED.fullmatch(line):
            yield from self._ended(ended[1])
        elif line.strip():
            yield _SOLVE.sub("", line)

    def _event(self, number: str, text: str) -> Iterator[str]:
        if output := _OUTPUT.fullmatch(text):
            yield output[1] or ""
        elif step := _STEP.fullmatch(text):
            # A step's header comes again whenever another one's output stood in between.
            if self._told != step[0] and not _OURS.match(step[2]):
                yield f"[{step[1]}] {_COMMAND.sub('RUN ', step[2])}"
            self._told = step[0]
        elif text == "CACHED":
            yield from self._cached(number)
        elif ended := _ENDED.fullmatch(text):
            yield from self._ended(ended[1])
        elif not _NOISE.fullmatch(text) and self._named.get(number) != text:
            self._named[number] = text
            yield text

    def _cached(self, number: str) -> Iterator[str]:
        if number in self._named:
            yield f"{self._named[number]}: unchanged"
        elif self._told and " FROM " not in self._told:
            yield f"{self._told.partition(']')[0]}] unchanged"

    def _ended(self, code: str) -> Iterator[str]:
        """Said twice: by the step, and at the end."""
        if self.exit_code is None:
            self.exit_code = int(code)
            yield f"The step exited with code {code}."
