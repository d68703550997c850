"""The part of the benchmarks that measures nothing: medians, quantiles, tables, what the command line accepts."""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from bench.names import NAMES
from bench.row import Row, figure, quantile, stage_table, table, take_turns
from tests.stack.platform import ROOT

ROWS = [
    Row("fast", "s", 0.5, "≤ 2×", True, 0.25, "by hand", {"product": [0.5]}, {"clone": 0.1, "all": 0.5}),
    Row("small", "MB", 300.0, "≤ 400 MB", True),
    Row("late", "s", 9.0, "≤ 2×", False, 3.0, "by hand", stages={"all": 9.0}),
]


def test_product_and_limit_take_turns() -> None:
    order: list[str] = []

    def sample(name: str, value: float) -> float:
        order.append(name)
        return value

    pair = take_turns(3, lambda: sample("product", 4.0), lambda: sample("limit", 2.0))
    assert order == ["product", "limit", "limit", "product", "product", "limit"]
    assert pair.medians == (4.0, 2.0)


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_quantiles(share: float, value: float) -> None:
    assert quantile(list(range(100, 0, -1)), share) == value


def test_a_quantile_of_nothing_is_no_number() -> None:
    assert math.isnan(quantile([], 0.99))


def test_rows_are_told_as_json_and_as_a_table() -> None:
    assert json.loads(ROWS[0].as_json())["ratio"] == 2.0
    assert json.loads(ROWS[1].as_json())["ratio"] is None
    assert table(ROWS).splitlines()[2:] == [
        "| `fast` | 0.5 s | 0.25 s (by hand) | 2× | ≤ 2× | yes |",
        "| `small` | 300 MB | – | – | ≤ 400 MB | yes |",
        "| `late` | 9 s | 3 s (by hand) | 3× | ≤ 2× | **no** |",
    ]


def test_stages_have_a_column_for_each_row_that_has_some() -> None:
    assert stage_table(ROWS).splitlines() == [
        "| ms | `fast` | `late` |",
        "|---|---:|---:|",
        "| clone | 100 | – |",
        "| all | 500 | 9000 |",
    ]
    assert stage_table(ROWS[1:2]) == ""


@pytest.mark.parametrize(("value", "shown"), [(0.0, "0"), (0.01234, "0.0123"), (12.34, "12.3"), (1234.5, "1234")])
def test_three_digits_count(value: float, shown: str) -> None:
    assert figure(value) == shown


def test_every_name_is_a_module() -> None:
    assert all(importlib.util.find_spec(f"bench.{name}") for name in NAMES)


def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "nothing"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 2
    assert "no benchmark nothing" in done.stderr
    assert "page_list" in done.stderr
