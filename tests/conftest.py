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
CONTAINERS = {"docker_daemon", "docker_engine", "registry"}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """In CI what failed is told at once: the suite takes long, and may be ended before its summary."""
    if report.failed and os.environ.get("CI"):
        print(f"\n{report.nodeid} ({report.when}):\n{report.longreprtext[-3000:]}\n", flush=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database", action="store_true", help="only what touches the platform's database: the rest knows none"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Heavy tests are run with BRAINPOD_SOAK, or a -m that speaks of them; those of Nomad where there is a `nomad`.

    A second database says nothing new of engines, the edge, git and detection, which never see one, nor of Docker.
    """
    heavy = bool(os.environ.get("BRAINPOD_SOAK")) or "heavy" in config.getoption("markexpr")
    nomad = shutil.which("nomad") is not None
    kept, left = [], []
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        asks = DATABASE & fixtures or any(map(item.get_closest_marker, STATEFUL))
        asks = asks and not CONTAINERS & fixtures
        wanted = (asks or not config.getoption("--database")) and (heavy or not item.get_closest_marker("heavy"))
        wanted = wanted and (nomad or not item.get_closest_marker("nomad"))
        (kept if wanted else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept
