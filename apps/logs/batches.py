"""From what was written, in any chunks, to masked lines: the pure half of a writer.

Controls are made harmless before masking, so that taking a sequence out cannot put a secret together. Lines are
masked joined, so that values of several lines are found; an unfinished line waits for its end, because a secret
may be cut in two there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from apps.core.masking import Mask
from apps.logs.lines import EVENT, LONGEST, Line, clean, pieces

LONG_LINE = 64 * 1024  # characters of an unfinished line that are not waited for
PARTIAL_SECONDS = 0.1  # how long an unfinished line waits for its end when there is nothing to mask
MASKED_PARTIAL_SECONDS = 2.0  # and when there is: a value printed in two parts is still found


@dataclass(slots=True)
class Piece:
    """Text as it was written: `at` in ms, `source` the engine's number of the line it ends."""

    at: int
    section: str
    level: str
    text: str
    source: int = 0


@dataclass(slots=True)
class Batcher:
    """Numbers the lines of one stream from `seq` on."""

    mask: Mask
    seq: int
    source: int = 0
    _rest: Piece | None = field(default=None)

    @property
    def patience(self) -> float:
        """Seconds an unfinished line waits for its end."""
        return MASKED_PARTIAL_SECONDS if self.mask.overlap else PARTIAL_SECONDS

    @property
    def rest_since(self) -> int | None:
        """When the unfinished line was last written to, in ms."""
        return self._rest.at if self._rest else None

    def lines(self, written: list[Piece], *, finish: bool = False) -> list[Line]:
        """The complete lines of `written` and of what was left before; with `finish`, the unfinished one as well."""
        found: list[Line] = []
        run: list[Piece] = [self._rest] if self._rest else []
        for piece in written:
            if run and (piece.section, piece.level) != (run[0].section, run[0].level):
                found += self._cut(run, finish=True)
                run = []
            run.append(piece)
            self.source = max(self.source, piece.source)
        self._rest = None
        if run:
            found += self._cut(run, finish=finish)
        return found

    def _cut(self, run: list[Piece], *, finish: bool) -> list[Line]:
        """The lines of pieces that share section and level; what is unfinished is kept in `_rest`."""
        text = "".join(piece.text for piece in run)
        moments = [piece.at for piece in run]
        if text.count("\n") != len(run) or not all(piece.text.endswith("\n") for piece in run):  # not a line each
            moments = [piece.at for piece in run for _ in range(piece.text.count("\n"))]
        complete, _, rest = text.rpartition("\n")
        has_lines = bool(moments)
        if rest and (finish or len(rest) > LONG_LINE):
            keep = 0 if finish else self._straddled(rest)
            complete = f"{complete}\n{rest[: len(rest) - keep]}" if has_lines else rest[: len(rest) - keep]
            rest = rest[len(rest) - keep :]
            moments.append(run[-1].at)
            has_lines = True
        self._rest = Piece(run[-1].at, run[0].section, run[0].level, rest) if rest else None
        return self._number(complete, moments, run[0]) if has_lines else []

    def _straddled(self, text: str) -> int:
        """How many characters at the end to keep back so that no secret is cut, nor the beginning of one sent."""
        window = self.mask.overlap
        keep = window
        while window and keep < min(len(text), 16 * window):
            head, tail = text[-keep - window : -keep], text[-keep : len(text) - keep + window]
            if self.mask(head + tail) == self.mask(head) + self.mask(tail):
                break
            keep += window
        return min(keep, len(text) - 1)

    def _number(self, text: str, moments: list[int], like: Piece) -> list[Line]:
        # What an event quotes was masked when it was written; masked as a whole it could stop being one.
        texts = (clean(text) if like.level == EVENT else self.mask(clean(text))).split("\n")
        if len(texts) != len(moments):  # a value of several lines became one mask
            moments = [moments[0]] * len(texts)
        found = []
        section, level, seq = like.section, like.level, self.seq
        for at, whole in zip(moments, texts, strict=True):
            for part in (whole,) if len(whole) * 4 <= LONGEST else pieces(whole):
                seq += 1
                found.append(Line(seq, at, section, level, part))
        self.seq = seq
        return found
