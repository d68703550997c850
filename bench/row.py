"""What a benchmark says, and how it is shown."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """`product` and `limit` are medians of `samples`, in `unit`; `ratio` is product / limit, None without a limit."""

    name: str
    unit: str
    product: float
    target: str
    met: bool
    limit: float | None = None
    against: str = ""  # what the limit is
    samples: Mapping[str, Sequence[float]] = field(default_factory=dict)
    stages: Mapping[str, float] = field(default_factory=dict)  # seconds of each part of the product's median run
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        return self.product / self.limit if self.limit else None

    def as_json(self) -> str:
        """One line."""
        return json.dumps(_rounded({**asdict(self), "ratio": self.ratio}))


@dataclass(frozen=True, slots=True)
class Pair:
    """The samples of one comparison, in the order they were taken."""

    product: list[float]
    limit: list[float]

    @property
    def medians(self) -> tuple[float, float]:
        return median(self.product), median(self.limit)

    def samples(self) -> dict[str, list[float]]:
        return {"product": self.product, "limit": self.limit}


def take_turns(rounds: int, product: Callable[[], float], limit: Callable[[], float]) -> Pair:
    """Both in each round, the first of them by turns: what else the machine does hits both alike."""
    pair = Pair([], [])
    for number in range(rounds):
        both = [(product, pair.product), (limit, pair.limit)]
        for measure, into in both if number % 2 == 0 else reversed(both):
            into.append(measure())
    return pair


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of `values` does not exceed; nan of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    lines = ["| name | product | limit | ratio | target | met |", "|---|---|---|---|---|---|"]
    for row in rows:
        limit = f"{figure(row.limit)} {row.unit} ({row.against})" if row.limit is not None else row.against or "–"
        ratio = f"{figure(row.ratio)}×" if row.ratio is not None else "–"
        met = "yes" if row.met else "**no**"
        lines.append(f"| `{row.name}` | {figure(row.product)} {row.unit} | {limit} | {ratio} | {row.target} | {met} |")
    return "\n".join(lines)


def stage_table(rows: Sequence[Row]) -> str:
    """Where the time of a deployment goes, in milliseconds: a column for each row that says so. Markdown."""
    told = [row for row in rows if row.stages]
    if not told:
        return ""
    names = list(dict.fromkeys(stage for row in told for stage in row.stages))
    lines = [f"| ms | {' | '.join(f'`{row.name}`' for row in told)} |", "|---|" + "---:|" * len(told)]
    for name in names:
        cells = [f"{row.stages[name] * 1000:.0f}" if name in row.stages else "–" for row in told]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def figure(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if abs(value) >= 100 or value == 0 else f"{value:.3g}"


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return round(value, 4)
        case dict():
            return {key: _rounded(one) for key, one in value.items()}
        case list() | tuple():
            return [_rounded(one) for one in value]
    return value
