from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.edge.conftest import Stand, prepared


@pytest.fixture
def door() -> Iterator[Stand]:
    """A real nginx of this test alone, running."""
    with prepared() as stand:
        stand.start()
        yield stand
