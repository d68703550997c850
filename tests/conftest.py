"""Fixtures for everything: people (tests/people.py) and the real components of the stack (tests/stack/)."""

from __future__ import annotations

import gc
import os
import shutil
from collections import Counter
from collections.abc import Iterator

import hypothesis
import pytest
from django.conf import settings

from tests.stack import emptying, template

# A busy machine is no fault of what is tested.
hypothesis.settings.register_profile("tests", deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
hypothesis.settings.load_profile("tests")

emptying.instead_of_flush()

pytest_plugins: list[str] = [
    "tests.people",
    "tests.stack.components",
    "tests.stack.docker",
    "tests.stack.docker_engine",
    "tests.stack.server_images",
    "tests.stack.registry",
    "tests.stack.nomad",
    "tests.stack.s3",
]
DATABASE = {"db", "transactional_db", "django_db_serialized_rollback"}
STATEFUL = {"platform", "django_db"}
CONTAINERS = {"docker_daemon", "docker_engine", "registry"}
# What is about processes, files and other programs, and of the platform's database uses what others try as well.
ONCE = (
    "bench/", "certificates/", "connections/", "dashboard/test_access", "disks/", "flatrun/",
    "infrastructure/", "logs/", "terminals/",
    "backups/test_round_trip", "backups/test_disks", "backups/test_valkey", "backups/test_shared_keys",
    "faults/test_full_disk", "faults/test_database_gone", "faults/test_hanging",
)  # fmt: skip
ONE_RUN = "e2e/test_push_to_live"  # of what runs the whole platform


seconds: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Commands that are tried in this process set it for good."""
    old = os.umask(0o022)
    yield
    os.umask(old)


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_keepdb: bool) -> bool:
    """The database of tests that the suite has made already: nothing is left for pytest-django but to look."""
    if (made := template.made()) is None or settings.BRAINPOD.database_url:
        return django_db_keepdb
    shutil.copy(made / template.DATABASE, settings.DATABASES["default"]["TEST"]["NAME"])
    return True


def pytest_collection_finish(session: pytest.Session) -> None:
    """Thousands of tests and all modules are there to stay: garbage is not looked for among them again and again."""
    gc.collect()
    gc.freeze()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """In CI what failed is told at once: the suite takes long, and may be ended before its summary."""
    seconds[report.nodeid.split("::")[0].split("/")[1]] += report.duration  # type: ignore[assignment]
    if report.failed and os.environ.get("CI"):
        print(f"\n{report.nodeid} ({report.when}):\n{report.longreprtext[-3000:]}\n", flush=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Where the time goes, for dividing the suite (dev/suite.py)."""
    if sum(seconds.values()) > 300:
        parts = (f"{folder} {spent:.0f}" for folder, spent in seconds.most_common(20))
        terminalreporter.write_line(f"seconds: {', '.join(parts)}")


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
        asks = asks and not CONTAINERS & fixtures and not _said_once(item.nodeid.removeprefix("tests/"))
        wanted = (asks or not config.getoption("--database")) and (heavy or not item.get_closest_marker("heavy"))
        wanted = wanted and (nomad or not item.get_closest_marker("nomad"))
        (kept if wanted else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


def _said_once(name: str) -> bool:
    return name.startswith(ONCE) or (name.startswith("e2e/") and not name.startswith(ONE_RUN))
