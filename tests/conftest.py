"""Fixtures for everything: people (tests/people.py) and the real components of the stack (tests/stack/)."""

from __future__ import annotations

import os
import shutil

import hypothesis
import pytest

# A busy machine is no fault of what is tested.
hypothesis.settings.register_profile("tests", deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
hypothesis.settings.load_profile("tests")

pytest_plugins: list[str] = [
    "tests.people",
    "tests.stack.components",
    "tests.stack.docker",
    "tests.stack.docker_engine",
    "tests.stack.registry",
    "tests.stack.nomad",
    "tests.stack.s3",
]
DATABASE = {"db", "transactional_db", "django_db_serialized_rollback"}
STATEFUL = {"platform", "django_db"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database", action="store_true", help="only what touches the platform's database: the rest knows none"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Heavy tests are run with BRAINPOD_SOAK, or a -m that speaks of them; those of Nomad where there is a `nomad`.

    A second database says nothing new of engines, the edge, git and detection, which never see one.
    """
    heavy = bool(os.environ.get("BRAINPOD_SOAK")) or "heavy" in config.getoption("markexpr")
    nomad = shutil.which("nomad") is not None
    kept, left = [], []
    for item in items:
        asks = DATABASE & set(getattr(item, "fixturenames", ())) or any(map(item.get_closest_marker, STATEFUL))
        wanted = (asks or not config.getoption("--database")) and (heavy or not item.get_closest_marker("heavy"))
        wanted = wanted and (nomad or not item.get_closest_marker("nomad"))
        (kept if wanted else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept
