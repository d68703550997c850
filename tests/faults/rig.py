"""A platform to break: its points armed and let go, its processes killed, its apps asked all the while."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from apps.core.ids import new_id
from apps.infrastructure.embedded import process
from tests.stack.at_large import at_large
from tests.stack.platform import ROOT, Platform

PATIENCE = 90.0  # seconds for anything at all


class Inside:
    """The other end of tests/faults/inside.py: a process of the platform that does what a page or a hook would do."""

    def __init__(self, platform: Platform) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.inside"],
            cwd=ROOT, env=platform.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True, preexec_fn=process.dies_with_parent(),
        )  # fmt: skip

    def ask(self, what: str, /, **arguments: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([what, arguments]) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        assert self.process.stdout is not None
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def do(self, what: str, /, **arguments: Any) -> Any:
        """Call a function over there. An exception there fails the test."""
        self.ask(what, **arguments)
        return self.answer()

    def close(self) -> None:
        self.process.kill()
        self.process.wait(30)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()


class Rig:
    """`pods` of the matrix are named after the points at which they are held."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._ids: dict[str, str] = {}
        self._points = platform.state / "failpoints"
        self._points.mkdir(exist_ok=True)
        self._rounds = 0
        self.secret = f"a-secret-{new_id()}"  # also what tells this platform's apps from others
        self.wrong: list[str] = []
        self._inside = Inside(platform)
        self.do, self.close = self._inside.do, self._inside.close

    def next_version(self) -> str:
        self._rounds += 1
        return f"version-{self._rounds}"

    def make(self, names: list[str], **how: Any) -> None:
        """New pods, live."""
        self.do("make", names=names, secret=self.secret, version=self.next_version(), **how)
        self.until_ended(names)
        told = self.do("last", names=names)
        assert {one["state"] for one in told.values()} == {"ready"}, told

    # Points

    def arm(self, point: str, name: str, action: str = "hold") -> None:
        if name not in self._ids:
            self._ids |= self.do("ids", names=[name])
        beside = self._points / ".new"
        beside.write_text(action)
        beside.rename(self._points / f"{point}@{self._ids[name]}")

    def deploy(self, names: list[str], version: str = "") -> str:
        """Deploy a new version of each; the version."""
        version = version or self.next_version()
        self.do("deploy", names=names, sha=self.do("commit", version=version))
        return version

    def arm_any(self, point: str) -> Callable[[], None]:
        """Hold whoever gets to the point first, of whatever; what lets it go."""
        beside = self._points / ".new"
        beside.write_text("hold")
        beside.rename(self._points / point)
        return lambda: [left.unlink(missing_ok=True) for left in self._points.glob(f"{point}*")] and None

    def held_any(self, point: str) -> list[int]:
        return [int(taken.name.rpartition(".")[2]) for taken in self._points.glob(f"{point}.*")]

    def held(self, point: str, name: str) -> int:
        """The process that is held there; 0 when nobody is."""
        for taken in self._points.glob(f"{point}@{self._ids[name]}.*"):
            return int(taken.name.rpartition(".")[2])
        return 0

    def let_go(self, point: str, name: str, only: int = 0) -> None:
        """Disarm the point and let go who is held there; `only` that process."""
        for taken in self._points.glob(f"{point}@{self._ids[name]}.{only}" if only else f"{point}@{self._ids[name]}*"):
            taken.unlink(missing_ok=True)

    def hold_all(self, points: dict[str, str], but: Callable[[str], bool] = lambda name: False) -> list[int]:
        """Wait until somebody is held for each pod (name → point), or `but(name)`; the processes."""
        self.until(lambda: all(self.held(point, name) or but(name) for name, point in points.items()), "held")
        return [pid for name, point in points.items() if (pid := self.held(point, name))]

    def kill_held(self, points: dict[str, str], again: bool = False) -> int:
        """Kill whoever is held for each pod (name → point), at the point; `again`: have the next one held there too.
        How many there were.
        """
        held = {name: self.held(point, name) for name, point in points.items()}
        if again:
            for name, point in points.items():
                self.arm(point, name)
        kill_all(pid for pid in held.values() if pid)
        self.forget(points, held)
        return sum(map(bool, held.values()))

    def forget(self, points: dict[str, str], held: dict[str, int]) -> None:
        """Clear up after processes that were killed while they were held."""
        for name, pid in held.items():
            if pid:
                self.let_go(points[name], name, only=pid)

    # Waiting

    def until(self, condition: Callable[[], object], what: str, seconds: float = PATIENCE, pause: float = 0.2) -> float:
        """The seconds it took."""
        began = time.monotonic()
        while not condition():
            time.sleep(pause)
            passed = time.monotonic() - began
            assert passed < seconds, f"{what}: not after {seconds:g} s; {self.told()}\n{self.platform.tails(25)}"
        return time.monotonic() - began

    def until_ended(self, names: Iterable[str]) -> dict[str, float]:
        """Wait until the newest deployments of `names` have ended; when each did, in seconds from now."""
        began, ended, wanted = time.monotonic(), {}, list(names)

        def look() -> bool:
            for name, one in self.do("last", names=wanted).items():
                if one["state"] not in ("waiting", "pending", "degraded"):
                    ended.setdefault(name, time.monotonic() - began)
            return len(ended) == len(wanted)

        self.until(look, "every deployment ended", pause=0.5)
        return ended

    def told(self) -> object:
        left = sorted(path.name for path in self._points.iterdir())
        return [
            self.wrong,
            left,
            {n: one for n, one in self.do("last", names=list(self._ids)).items() if one["state"] != "ready"},
        ]

    # Killing

    def kill(self, service: str) -> float:
        """Kill a service, or the supervisor; the seconds until it is there again."""
        began = time.monotonic()
        if service == "supervisor":
            self.platform.kill("supervisor")
            assert self.platform._up is not None
            self.platform._up.wait(30)
            self.platform.start()
        else:
            self.platform.wait_restarted(service, self.platform.kill(service), PATIENCE)
        return time.monotonic() - began

    def kill_everything(self) -> int:
        """Every process of the platform, of its apps and its builds, in one moment: stopped first, so that none sees
        another go. How many there were.
        """
        stopped: list[int] = []
        while found := self._processes() - set(stopped):
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            stopped += found
        kill_all(stopped)
        assert self.platform._up is not None
        self.platform._up.wait(30)
        return len(stopped)

    def _processes(self) -> set[int]:
        """Whose arguments or environment name the state directory or the apps' secret, and all that they started."""
        marks = (str(self.platform.state).encode(), self.secret.encode())
        found, parents = set(), {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError, IndexError):
                    told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                    parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                    if any(mark in told for mark in marks):
                        found.add(int(entry.name))
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found - {self._inside.process.pid}

    # Looking

    def check_tidy(self) -> None:
        """Nothing wrong in the database and the engine, nothing left on disk, no process that should not be, and the
        secret of the apps nowhere but in the store and in the apps."""
        self.until(lambda: not self._untidy(), "everything is tidy", 90)
        assert at_large(self.platform, self.secret) == [], "the apps' secret is where it does not belong"

    def _untidy(self) -> list[str]:
        wrong = list(self.do("untidy"))
        wrong += [str(path) for path in (self.platform.state / "artifacts" / ".scratch").iterdir()]
        live = self.do("workloads")
        sockets = sorted(path.name for path in (self.platform.state / "run" / "w").glob("*.sock"))
        if len(sockets) != len(live):
            wrong.append(f"sockets {sockets}")
        wrong += _strays(self.secret, set(live.values()))
        self.wrong = wrong
        return wrong

    def check_live(self, names: Iterable[str], version: str) -> None:
        """Everything is tidy, and each pod answers with `version` and its secret."""
        self.check_tidy()
        texts = {name: self.answer(name).text for name in names}
        assert {name: text for name, text in texts.items() if text != f"{version} {self.secret}"} == {}

    def answer(self, name: str) -> httpx.Response:
        host = {"Host": f"{name}.localhost"}
        return httpx.get(self.platform.address, headers=host, timeout=20, trust_env=False)


def _strays(secret: str, pods: set[str]) -> list[str]:
    """Processes of builds, and apps beyond one of each pod: told by their environment, where it may be read."""
    found: list[str] = []
    seen: set[str] = set()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if not entry.name.isdigit() or b"main.py" not in (entry / "cmdline").read_bytes().split(b"\0"):
                continue
            words = (entry / "environ").read_bytes().decode().split("\0")
            env = dict(word.partition("=")[::2] for word in words)
            if f"TOKEN={secret}" in words and (pod := env.get("BRAINPOD_POD", "")):
                if pod in seen or pod not in pods:
                    found.append(f"process {entry.name} of {pod}")
                seen.add(pod)
    return found


@contextmanager
def load(rig: Rig, names: list[str]) -> Iterator[list[str]]:
    """Every pod asked, one after the other, ten times a second; what was answered but its content."""
    failures: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=20, trust_env=False) as client:
            while not stop.is_set():
                for name in names:
                    try:
                        told = client.get(
                            rig.platform.address, headers={"Host": f"{name}.localhost", "Connection": "close"}
                        )
                        if told.status_code != 200 or not told.text.endswith(rig.secret):
                            failures.append(f"{name}: {told.status_code} {told.text[:80]!r}")
                    except httpx.HTTPError as error:
                        failures.append(f"{name}: {error!r}")
                    if stop.wait(0.1):
                        return

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield failures
    finally:
        stop.set()
        thread.join(30)


def kill_all(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
