"""The text that Prometheus reads."""

from __future__ import annotations

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from apps.metrics.exposition import Family, number, text
from apps.metrics.latency import BOUNDS, cumulative

SAMPLE = re.compile(r'(\w+)(?:\{((?:\w+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def test_the_form() -> None:
    family = Family("a_total", "counter", "Line one\nand \\ two.")
    family.add(3, {"pod": "shop", "app": "web"})
    family.add(0.25)
    family.add(7, {"le": "+Inf"}, "_bucket")
    assert text([family, Family("b", "gauge", "Empty.")]) == (
        "# HELP a_total Line one\\nand \\\\ two.\n# TYPE a_total counter\n"
        'a_total{pod="shop",app="web"} 3\na_total 0.25\na_total_bucket{le="+Inf"} 7\n'
        "# HELP b Empty.\n# TYPE b gauge\n"
    )


def test_numbers() -> None:
    assert [number(value) for value in (0, 3.0, 0.1, -2, 1e20, math.inf, -math.inf)] == [
        "0", "3", "0.1", "-2", "1e+20", "+Inf", "-Inf",
    ]  # fmt: skip


@given(st.text())
def test_no_name_breaks_out_of_its_label(name: str) -> None:
    family = Family("a", "gauge", name)
    family.add(1, {"app": name})
    lines = text([family]).split("\n")
    assert len(lines) == 4
    found = SAMPLE.fullmatch(lines[2])
    assert found
    said = LABEL.findall(found[2])
    unescaped = re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), said[0][1])
    assert (len(said), unescaped) == (1, name)


def test_histograms_grow_and_leave_the_last_to_infinity() -> None:
    found = cumulative({0: 2, 40: 3, len(BOUNDS) - 1: 5}, 4)
    assert found[0] == (1, 2)
    assert dict(found)[1024] == 5
    assert found[-1][1] == 5
    assert [count for _, count in found] == sorted(count for _, count in found)
