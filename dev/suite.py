"""What `make test` runs: every test, in lanes side by side, and one verdict.

Three lanes at a time, since most of the suite waits for processes rather than computes: two of them leave half of two
cores idle. What needs a Docker daemon is in one lane: two daemons on one machine undo each other's rules. The browser's
tests are not beside that one, because Chromium drops its connections when networks come and go. Arguments are passed to
pytest, in one lane of everything.

The tests of few files that fail in a lane are run again when the machine is free: what passes then failed of the load
of the other lane, or of the tests before it. Each is named as unsteady, to be mended; what fails again fails the suite.

Where the suite may mount (root), temporary files are in memory: three lanes, one of them Docker's, keep a disk so busy
that a single fsync takes more than half a minute, and no promise of a platform's holds on such a disk.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCKER = ("builds", "engines", "deployments", "servers", "artifacts")
PLATFORM = ("faults", "e2e", "infrastructure")  # most of them start the whole platform
PAGES = ("dashboard", "api", "hooks", "accounts", "audit", "flatrun", "connections", "security")
BROWSER = ("browser",)
PYTEST = [sys.executable, "-m", "pytest"]
POSTGRES = [sys.executable, "-m", "tests.stack.postgres", *PYTEST, "--reuse-db", "--database", "-m", "not browser"]
AT_ONCE = 3
APART = {"with Docker", "browser"}  # never beside each other
CLONE_NEWNS = 0x20000  # unshare(2): mounts of one's own
AGAIN = 5  # files whose failing tests are run again, since those of one share what they need; more is no accident


def lanes() -> dict[str, list[str]]:
    """The command of each lane, those first that take longest. Every folder and file of tests is in exactly one; the
    one on PostgreSQL is what the platform's database decides, once more."""
    named = {*DOCKER, *PLATFORM, *PAGES, *BROWSER}
    others = [
        path.name
        for path in sorted((ROOT / "tests").iterdir())
        if path.name not in named and (path.name.startswith("test_") or (path / "__init__.py").is_file())
    ]
    return {
        "with Docker": [*PYTEST, *_paths(DOCKER)],
        "on PostgreSQL": POSTGRES,
        "whole platforms": [*PYTEST, *_paths(PLATFORM)],
        "others": [*PYTEST, *_paths(others)],
        "pages": [*PYTEST, *_paths(PAGES)],
        "browser": [*PYTEST, *_paths(BROWSER)],
    }


def _paths(names: tuple[str, ...] | list[str]) -> list[str]:
    return [f"tests/{name}" for name in names]


def main(arguments: list[str]) -> int:
    if arguments:
        return subprocess.run([*PYTEST, *arguments], cwd=ROOT, check=False).returncode
    if not stay_in_memory():
        print("Temporary files are on disk: only root may mount.", flush=True)
    with tempfile.TemporaryDirectory(prefix="bp-s-") as folder:
        make_template(Path(folder, "template"))
        every = [Lane(name, command, Path(folder)) for name, command in lanes().items()]
        run_all(every)
        failed = [lane for lane in every if lane.code]
        for lane in failed:
            print(f"\nLane {lane.name!r} failed:\n{lane.output.read_text(errors='replace')}", flush=True)
        failed = [lane for lane in failed if not lane.passes_again()]
    print(f"Failed: {', '.join(lane.name for lane in failed)}." if failed else "All lanes passed.", flush=True)
    return 1 if failed else 0


def stay_in_memory() -> bool:
    """Put the temporary files of this process, and of what it starts, onto a tmpfs that ends with them; whether that
    was to be had. Its path is short since sockets are made in it, whose paths end at 107 characters."""
    if os.geteuid() or ctypes.CDLL(None).unshare(CLONE_NEWNS):
        return False
    at = Path(tempfile.gettempdir(), "m")
    at.mkdir(exist_ok=True)
    private = ["mount", "--make-rprivate", "/"]
    mounted = ["mount", "-t", "tmpfs", "-o", "size=50%,mode=1777", "tmpfs", str(at)]
    if any(subprocess.run(command, check=False).returncode for command in (private, mounted)):
        return False
    os.environ["TMPDIR"] = tempfile.tempdir = str(at)
    return True


def make_template(state: Path) -> None:
    """What is the same for all lanes and for each platform they start (tests/stack/template.py)."""
    state.mkdir()
    subprocess.run([sys.executable, "-m", "tests.stack.template", str(state)], cwd=ROOT, check=True)
    os.environ["BRAINPOD_TEMPLATE_OF_TESTS"] = str(state)


def run_all(every: list[Lane]) -> None:
    """Each of the lanes as soon as there is room for it and nothing runs that it must not be beside."""
    waiting, running = list(every), list[Lane]()
    changed = threading.Condition()

    def run(lane: Lane) -> None:
        try:
            lane.run()
        finally:
            with changed:
                running.remove(lane)
                changed.notify()

    with changed:
        while waiting:
            apart = any(lane.name in APART for lane in running)
            ready = [lane for lane in waiting if not (apart and lane.name in APART)]
            if ready and len(running) < AT_ONCE:
                waiting.remove(ready[0])
                running.append(ready[0])
                threading.Thread(target=run, args=ready[:1]).start()
            else:
                changed.wait()
        while running:
            changed.wait()


class Lane:
    """One command of pytest's, its output, and which tests it failed by."""

    def __init__(self, name: str, command: list[str], folder: Path) -> None:
        self.name = name
        self.output = folder / name
        self.code = -1  # until it has run
        self._cache = folder / f"{name} cache"  # of its own: the lanes would overwrite each other's
        self._command = [*command, "-o", f"cache_dir={self._cache}"]

    def run(self, *options: str) -> None:
        began = time.monotonic()
        print(f"{self.name}: begun", flush=True)
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        with self.output.open("wb") as file:
            self.code = subprocess.run(
                [*self._command, "--durations=15", *options], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                stdout=file, stderr=subprocess.STDOUT, check=False,
            ).returncode  # fmt: skip
        last = self.output.read_text(errors="replace").rstrip().rpartition("\n")[2]
        verdict = "FAILED" if self.code else "ok"
        print(f"{self.name}: {verdict} in {time.monotonic() - began:.0f} s: {last}", flush=True)

    def passes_again(self) -> bool:
        """Run what failed once more, alone. Only if it was few tests, and nothing worse than tests."""
        names = self._failing()
        if self.code != 1 or not 0 < len({name.partition("::")[0] for name in names}) <= AGAIN:
            return False
        self.run("--last-failed", "--last-failed-no-failures=none")
        if self.code:
            print(self.output.read_text(errors="replace"), flush=True)
            return False
        for name in names:
            print(f"UNSTEADY: {name} failed once and passed alone.", flush=True)
        return True

    def _failing(self) -> list[str]:
        try:
            return list(json.loads((self._cache / "v" / "cache" / "lastfailed").read_text()))
        except FileNotFoundError:
            return []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
