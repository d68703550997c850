"""What the tests of database servers share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def disk() -> Iterator[Path]:
    """Where the user of a pod may go."""
    made = Path(tempfile.mkdtemp(prefix="bp-db-", dir="/tmp"))
    made.chmod(0o711)
    (made / "disk").mkdir()
    yield made / "disk"
    shutil.rmtree(made)
