"""Runs the benchmarks that were asked for on one platform, and writes what came out."""

from __future__ import annotations

import argparse
import datetime
import importlib
import os
import platform as machine
import shlex
import subprocess
import sys
import time
from pathlib import Path

from bench.ground import Ground
from bench.row import Row, figure, stage_table, table
from tests.stack.platform import ROOT, Platform


def run(platform: Platform, given: argparse.Namespace) -> int:
    """0 when everything could be measured, whether it met its target or not."""
    ground = Ground(platform, rounds=given.rounds, pods=given.pods, seconds=given.seconds, redeploys=given.redeploys)
    rows, failed = [], False
    for name in given.names:
        began = time.monotonic()
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            row: Row = importlib.import_module(f"bench.{name}").measure(ground)
        except Exception as error:  # noqa: BLE001 - the others are measured all the same
            print(f"{name} could not be measured: {error!r}\n{platform.tails(5)}", file=sys.stderr)
            failed = True
            continue
        rows.append(row)
        print(row.as_json(), flush=True)
        print(f"{name} took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        write(given.results, rows)
    print(f"\n{table(rows)}\n\n{stage_table(rows)}")
    return int(failed)


def write(path: Path, rows: list[Row]) -> None:
    """The last run's figures, with what it takes to read and repeat them."""
    parts = [
        "# Results of `make bench`\n",
        "Ratios of medians, product and limit by turns in one run; the seconds are this machine's. See README.md.\n",
        f"- commit: {_git('rev-parse', '--short=12', 'HEAD')}{_changes()}",
        f"- machine: {os.cpu_count()} cores, {machine.system()} {machine.release()}, Python {machine.python_version()}",
        f"- command: `{shlex.join(('python', '-m', 'bench', *sys.argv[1:]))}`",
        f"- load average at the end: {', '.join(f'{load:.1f}' for load in os.getloadavg())} (1, 5, 15 minutes)",
        f"- date: {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC\n",
        table(rows),
    ]
    if stages := stage_table(rows):
        parts.append(f"\n## Where the time of a deployment goes\n\nMedians, one line after the other.\n\n{stages}")
    for row in rows:
        if row.details:
            parts.append(f"\n## {row.name}\n")
            parts += [f"- {name}: {_shown(value)}" for name, value in row.details.items()]
    path.write_text("\n".join(parts) + "\n")


def _shown(value: object) -> str:
    match value:
        case float():
            return figure(value)
        case dict():
            return ", ".join(f"{name} {_shown(one)}" for name, one in value.items())
    return str(value)


def _changes() -> str:
    """The results are written again after every benchmark, and are no change of what is measured."""
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench/results*.md")
    return " and what is not committed yet" if changed else ""


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip()
