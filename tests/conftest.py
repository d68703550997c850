"""Fixtures for everything: people (tests/people.py) and the real components of the stack (tests/stack/)."""

from __future__ import annotations

import pytest

pytest_plugins: list[str] = [
    "tests.people",
    "tests.stack.components",
    "tests.stack.docker",
    "tests.stack.docker_engine",
    "tests.stack.s3",
]
DATABASE = {"db", "transactional_db", "django_db_serialized_rollback"}
STATEFUL = {"platform", "django_db"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database", action="store_true", help="only what touches the platform's database: the rest knows none"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A second database says nothing new of engines, the edge, git and detection, which never see one."""
    if not config.getoption("--database"):
        return
    kept, left = [], []
    for item in items:
        asks = DATABASE & set(getattr(item, "fixturenames", ())) or any(map(item.get_closest_marker, STATEFUL))
        (kept if asks else left).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = kept
