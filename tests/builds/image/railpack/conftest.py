"""Railpack itself, where it is on PATH; CI has none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from apps.builds.detect.plan import Overrides
from apps.builds.detect.project import Project
from apps.builds.image.railpack import preparing
from apps.builds.image.railpack.preparing import Prepared
from apps.core.errors import UserError

EXAMPLES = Path(__file__).parents[3] / "examples"
Prepare = Callable[..., Prepared]


@pytest.fixture(scope="session")
def mise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Railpack keeps mise: with one copied from RAILPACK_TEST_MISE, a directory, else fetched by Railpack."""
    place = tmp_path_factory.mktemp("mise")
    if given := os.environ.get("RAILPACK_TEST_MISE"):
        shutil.copytree(given, place, dirs_exist_ok=True)
    return place


@pytest.fixture
def prepare(mise: Path, tmp_path: Path) -> Prepare:
    """`railpack prepare` for a directory; skipped where there is no Railpack, or no mise for it."""
    if not (os.environ.get("BRAINPOD_RAILPACK_BINARY") or shutil.which("railpack")):
        pytest.skip("railpack is not installed")

    def run(root: Path, **given: object) -> Prepared:
        overrides = Overrides(builder="railpack", **given)  # type: ignore[arg-type]
        work = tmp_path / "work"
        shutil.rmtree(work, ignore_errors=True)
        try:
            return preparing.prepare(Project(root), overrides, work=work, mise=mise)
        except UserError as error:
            if error.code == "railpack_unreachable" and "mise is installed" in error.message:
                pytest.skip("Railpack cannot fetch mise here")
            raise

    return run
