"""docs/failures.md says what the catalogue says, with a place for every code."""

from __future__ import annotations

from apps.builds.failures.catalogue import CATALOGUE, GENERIC
from tests.builds.failures_page import PAGE, page


def test_the_page_is_made_from_the_catalogue() -> None:
    assert PAGE.read_text() == page(), "run python -m tests.builds.failures_page"


def test_every_code_has_its_place_once() -> None:
    text = PAGE.read_text()
    for entry in (*CATALOGUE, *GENERIC.values()):
        assert text.count(f"\n### `{entry.code}`\n") == 1, entry.code
