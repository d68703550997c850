"""Domains as people type them: one form for each, and a reason for what is none."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.dns.names import LONGEST, check_free, normalise, shown, zone_of

BAD = json.loads((Path(__file__).parent / "bad_domains.json").read_text())
KEPT = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
GOOD = [
    ("example.com", "example.com"),
    ("  WWW.Example.COM. ", "www.example.com"),
    ("bücher.example.com", "xn--bcher-kva.example.com"),
    ("BÜCHER.example.com", "xn--bcher-kva.example.com"),
    ("bu\u0308cher.example.com", "xn--bcher-kva.example.com"),
    ("xn--bcher-kva.example.com", "xn--bcher-kva.example.com"),
    ("XN--BCHER-KVA.example.com", "xn--bcher-kva.example.com"),
    ("faß.de", "xn--fa-hia.de"),
    ("ＷＷＷ.example.com", "www.example.com"),
    ("www。example。com", "www.example.com"),
    ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
    ("пример.рф", "xn--e1afmkfd.xn--p1ai"),
    ("a-b.example.co.uk", "a-b.example.co.uk"),
    ("shop.github.io", "shop.github.io"),
    ("1.example.com", "1.example.com"),
    ("a.b.c.d.e.f.example.com", "a.b.c.d.e.f.example.com"),
    ("3com.com", "3com.com"),
    ("x.test", "x.test"),
]


@pytest.mark.parametrize(("typed", "kept"), GOOD)
def test_one_form(typed: str, kept: str) -> None:
    assert normalise(typed) == kept


def test_enough_bad_ones() -> None:
    assert len(BAD) >= 100
    assert len({entry["domain"] for entry in BAD}) == len(BAD)


@pytest.mark.parametrize("entry", BAD, ids=lambda entry: ascii(entry["domain"])[:50])
def test_refused_with_a_reason(entry: dict[str, str]) -> None:
    with pytest.raises(Invalid) as caught:
        normalise(entry["domain"])
    assert entry["says"] in str(caught.value)


@pytest.mark.parametrize(
    "name", ["apps.example.net", "shop.apps.example.net", "a.b.apps.example.net", "panel.example.net"]
)
def test_the_platforms_own(name: str) -> None:
    with pytest.raises(Invalid, match="the platform's own"):
        check_free(name, ("apps.example.net", "Panel.example.net"))
    check_free("otherapps.example.net", ("apps.example.net",))


def test_what_was_registered() -> None:
    assert zone_of("a.b.example.co.uk") == "example.co.uk"
    assert zone_of("example.com") == "example.com"
    assert zone_of("a.shop.github.io") == "shop.github.io"


def test_shown_in_its_own_letters() -> None:
    assert shown("xn--bcher-kva.example.com") == "bücher.example.com"
    assert shown("xn--a.example.com") == "xn--a.example.com"


@settings(deadline=None)
@given(st.text(max_size=80))
def test_anything_typed_is_refused_or_a_name(typed: str) -> None:
    try:
        kept = normalise(typed)
    except Invalid:
        return
    assert KEPT.fullmatch(kept)
    assert len(kept) <= LONGEST
    assert normalise(kept) == kept


LABELS = st.text(st.characters(categories=("Ll", "Lu", "Lo", "Nd", "Mn", "Pd")), min_size=1, max_size=12)


@settings(deadline=None)
@given(st.lists(LABELS, min_size=1, max_size=3))
def test_every_way_to_write_a_name_is_the_same_name(labels: list[str]) -> None:
    typed = ".".join([*labels, "example", "com"])
    try:
        kept = normalise(typed)
    except Invalid:
        assume(False)
    assert normalise(shown(kept)) == kept
    assert normalise(f" {kept.upper()}. ") == kept
    assert normalise(kept.replace(".", "。")) == kept
