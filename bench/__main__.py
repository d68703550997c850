"""`python -m bench [names] [--soak] [--rounds N]`: one row of JSON for each, a table, and bench/results.md."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django

from apps.core.ports import free_port
from bench.names import NAMES, SHORT
from tests.stack.docker import running_daemon
from tests.stack.pebble import Pebble
from tests.stack.platform import Platform


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(NAMES)}; without: the short ones")
    parser.add_argument("--soak", action="store_true", help="without names: all of them, into results-soak.md")
    parser.add_argument("--rounds", type=int, default=5, help="how often product and limit take turns")
    parser.add_argument("--pods", type=int, default=50, help="how many apps run for idle and page_list")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long a load or a measurement of rest lasts")
    parser.add_argument("--redeploys", type=int, default=20, help="how many switches redeploy_drop counts failures in")
    parser.add_argument("--on", choices=("process", "docker", "pebble"), default="process", help=argparse.SUPPRESS)
    parser.add_argument("--results", type=Path, help="bench/results.md otherwise")
    given = parser.parse_args()
    given.results = given.results or Path(__file__).with_name("results-soak.md" if given.soak else "results.md")
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    given.names = given.names or list(NAMES if given.soak else SHORT)
    return given


def main() -> int:
    """The platform's settings are this process's own: benchmarks use the actions and rows that its pages use."""
    given = arguments()
    if given.on == "process":
        return run(given, Platform())
    if given.on == "pebble":
        with certifying() as platform:
            return run(given, platform)
    with running_daemon() as daemon:
        return run(given, Platform(BRAINPOD_ENGINE="docker", BRAINPOD_DOCKER_HOST=daemon.host))


@contextmanager
def certifying() -> Iterator[Platform]:
    """A platform that answers on TLS, beside an ACME server that asks it and that it requests certificates from."""
    platform = Platform(BRAINPOD_ACME="on", BRAINPOD_TLS_PORT=str(free_port()))
    with tempfile.TemporaryDirectory(prefix="bp-a-") as root, Pebble(Path(root), platform.port).serving() as pebble:
        platform.env |= {"BRAINPOD_ACME_URL": pebble.directory, "BRAINPOD_ACME_CA": str(pebble.ca)}
        yield platform


def run(given: argparse.Namespace, platform: Platform) -> int:
    for name in os.environ.keys() - platform.env.keys():
        del os.environ[name]  # a PYTHONDONTWRITEBYTECODE would slow the limits down, a DATABASE_URL be another's
    os.environ.update(platform.env)
    try:
        django.setup()
        return int(importlib.import_module("bench.run").run(platform, given))
    finally:
        platform.remove()


if __name__ == "__main__":
    sys.exit(main())
