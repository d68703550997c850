"""What `make test` runs: every test, in lanes side by side, and one verdict.

Two lanes at a time, since half of the suite waits for processes rather than computes. What needs a Docker daemon is in
one lane: two daemons on one machine undo each other's rules. The browser's tests are not beside them, because Chromium
drops its connections when networks come and go. Arguments are passed to pytest, in one lane of everything.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCKER = ("builds", "engines", "deployments", "servers", "artifacts")
BESIDE = ("backups", "databases", "flatrun", "sql")  # in the same lane, so that both take about as long
BROWSER = ("browser",)
PYTEST = [sys.executable, "-m", "pytest"]
POSTGRES = [sys.executable, "-m", "tests.stack.postgres", *PYTEST, "--reuse-db", "--database", "-m", "not browser"]
Rounds = list[dict[str, list[str]]]


def rounds() -> Rounds:
    """The commands of each round by the name of their lane. Every folder and file of tests is in exactly one."""
    named = {*DOCKER, *BESIDE, *BROWSER}
    others = [
        path.name
        for path in sorted((ROOT / "tests").iterdir())
        if path.name not in named and (path.name.startswith("test_") or (path / "__init__.py").is_file())
    ]
    return [
        {"with Docker": [*PYTEST, *_paths((*DOCKER, *BESIDE))], "without": [*PYTEST, *_paths(others)]},
        {"browser": [*PYTEST, *_paths(BROWSER)], "on PostgreSQL": POSTGRES},
    ]


def _paths(names: tuple[str, ...] | list[str]) -> list[str]:
    return [f"tests/{name}" for name in names]


def main(arguments: list[str]) -> int:
    if arguments:
        return subprocess.run([*PYTEST, *arguments], cwd=ROOT, check=False).returncode
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="bp-s-") as folder:
        for lanes in rounds():
            threads = [
                threading.Thread(target=_run, args=(name, command, Path(folder, name), failed))
                for name, command in lanes.items()
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        for name in failed:
            print(f"\nLane {name!r} failed:\n{Path(folder, name).read_text(errors='replace')}", flush=True)
    print(f"Failed: {', '.join(failed)}." if failed else "All lanes passed.", flush=True)
    return 1 if failed else 0


def _run(name: str, command: list[str], output: Path, failed: list[str]) -> None:
    began = time.monotonic()
    print(f"{name}: begun", flush=True)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with output.open("wb") as file:
        code = subprocess.run(
            [*command, "--durations=15"], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=file,
            stderr=subprocess.STDOUT, check=False,
        ).returncode  # fmt: skip
    if code:
        failed.append(name)
    last = output.read_text(errors="replace").rstrip().rpartition("\n")[2]
    print(f"{name}: {'FAILED' if code else 'ok'} in {time.monotonic() - began:.0f} s: {last}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
