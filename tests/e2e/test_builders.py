"""Several machines, as docs/high-availability.md has them: a platform that keeps nothing that cannot be made again,
real `manage.py builder` processes, each with a state directory of its own, and a machine in waiting.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import boto3
import httpx
import pytest

from apps.core.ids import new_id
from apps.engines.process import processes
from apps.infrastructure.embedded import openbao, process, running
from tests.faults.rig import Rig, kill_all
from tests.stack.components import processes_with, running_openbao, running_valkey, wait_for
from tests.stack.platform import ROOT, Platform, own_platform
from tests.stack.postgres import postgres

pytestmark = pytest.mark.platform
SLOW = "sleep 6; cp version built"


class Machine:
    """A builder that shares with `platform` the stores outside, and nothing else."""

    def __init__(self, platform: Platform, name: str, region: str = "local", capacity: int = 1) -> None:
        self.name = name
        self.state = Path(tempfile.mkdtemp(prefix="bp-b-"))
        self.state.chmod(0o711)
        # Repositories that the platform itself hosts are not sent over yet: these machines see the same disk.
        (self.state / "repositories").symlink_to(platform.state / "repositories")
        command = [sys.executable, "manage.py", "builder", "--name", name, "--region", region]
        env = {**platform.env, "BRAINPOD_STATE": str(self.state)}
        with (self.state / "builder.log").open("wb") as out:
            self.process = subprocess.Popen(
                [*command, "--capacity", str(capacity), "--label", "tests"],
                cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True, preexec_fn=process.dies_with_parent(),
            )  # fmt: skip

    def log(self) -> str:
        logs = [self.state / "builder.log", *self.state.glob("log/*.log")]
        return "\n".join(f"==> {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in logs if log.exists())

    def lose(self) -> None:
        """As if somebody had pulled its plug."""
        kill_all([self.process.pid, *processes.descendants(self.process.pid)])
        self.process.wait(30)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Nothing of it does anything while this lasts, and all of it is there."""
        held = [self.process.pid, *processes.descendants(self.process.pid)]
        _send(held, signal.SIGSTOP)
        try:
            yield
        finally:
            _send(held, signal.SIGCONT)

    def remove(self) -> None:
        if self.process.poll() is None:
            self.lose()  # its engine's keeper too, which outlives the rest
        running.end_leftovers(self.state, lambda line: None)
        shutil.rmtree(self.state, ignore_errors=True)


def _send(pids: list[int], what: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, what)


@pytest.fixture(scope="module")
def outside(s3_server: str) -> Iterator[dict[str, str]]:
    """The settings of PostgreSQL, Valkey, OpenBao and an object store that are on none of the machines."""
    bucket, home = f"b-{new_id().lower()}", Path(tempfile.mkdtemp(prefix="bp-o-"))
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    boto3.client(
        "s3", endpoint_url=s3_server, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    ).create_bucket(Bucket=bucket)
    try:
        with ExitStack() as stack:
            broker = stack.enter_context(running_valkey(home))
            stack.enter_context(running_openbao(home))
            way = openbao.access(home)
            given = {
                **keys,
                "BRAINPOD_SECRET_KEY": new_id() * 3,
                "BRAINPOD_VALKEY_URL": broker,
                "BRAINPOD_VAULT_ADDR": way.address,
                "BRAINPOD_VAULT_ROLE_ID": way.role_id,
                "BRAINPOD_VAULT_SECRET_ID": way.secret_id,
                "BRAINPOD_ARTIFACTS_URL": f"s3://{bucket}/artifacts?endpoint={s3_server}&region=us-east-1",
            }
            if "DATABASE_URL" not in os.environ:  # else the platform gets one there
                given["DATABASE_URL"] = stack.enter_context(postgres())
            yield given
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def rig(outside: dict[str, str]) -> Iterator[Rig]:
    """A platform that builds nothing itself."""
    with own_platform(BRAINPOD_FAILPOINTS="yes", BRAINPOD_BUILDS="no", **outside) as platform:
        made = Rig(platform)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def machines(rig: Rig) -> Iterator[list[Machine]]:
    made = [Machine(rig.platform, name) for name in ("alpha", "beta")]
    try:
        rig.until(lambda: _alive(rig, {"alpha", "beta"}), "both builders are there")
        yield made
    except AssertionError as error:
        raise AssertionError("\n".join([str(error), *(machine.log() for machine in made)])) from error
    finally:
        for machine in made:
            machine.remove()
        rig.do("forget_builders")


def _alive(rig: Rig, names: set[str]) -> bool:
    return {name for name, alive in rig.do("builders").items() if alive} == names


def _check_ready(rig: Rig, names: list[str]) -> None:
    told = rig.do("last", names=names)
    assert {one["state"] for one in told.values()} == {"ready"}, f"{told}\n{rig.platform.tails(40)}"


def _building(rig: Rig, name: str) -> str:
    """Who builds the pod now."""
    return next((builder for builder, outcome in rig.do("runs", name=name) if outcome == "running"), "")


def test_a_lost_builder_is_replaced_and_nothing_is_built_twice(rig: Rig, machines: list[Machine]) -> None:
    names, version = ["one-app", "another"], rig.next_version()
    rig.do("make", names=names, secret=rig.secret, version=version, build=SLOW)
    rig.until(lambda: all(_building(rig, name) for name in names), "both are being built, each by one")
    builders = {name: _building(rig, name) for name in names}
    assert set(builders.values()) == {"alpha", "beta"}
    lost = next(name for name in names if builders[name] == "alpha")
    machines[0].lose()
    ended = rig.until_ended(names)
    assert max(ended.values()) < 90, "resumed within a minute"
    _check_ready(rig, names)
    assert rig.do("runs", name=lost) == [["alpha", "stopped"], ["beta", "built"]]
    assert [outcome for _, outcome in rig.do("runs", name=(set(names) - {lost}).pop())] == ["built"]
    rig.check_live(names, version)


def test_a_builder_that_hangs_is_replaced_within_a_minute_and_spoils_nothing(rig: Rig, machines: list[Machine]) -> None:
    """Nobody sees that it is dead, so its silence and its lease decide; it comes back in the middle of what it did."""
    name, version = "hanging", rig.next_version()
    rig.do("make", names=[name], secret=rig.secret, version=version, build=SLOW)
    rig.until(lambda: _building(rig, name), "it is being built")
    hangs = next(machine for machine in machines if machine.name == _building(rig, name))
    (other,) = {machine.name for machine in machines} - {hangs.name}
    began = time.monotonic()
    with hangs.frozen():
        rig.until(lambda: _building(rig, name) == other, "another builds it")
        assert time.monotonic() - began < 60
        rig.until_ended([name])
    rig.until(lambda: rig.do("builders")[hangs.name], "it is back")
    time.sleep(8)  # what it was doing ends by itself meanwhile
    _check_ready(rig, [name])
    assert rig.do("runs", name=name) == [[hangs.name, "stopped"], [other, "built"]]
    assert rig.do("doubled", names=[name]) == []
    rig.check_live([name], version)


def test_a_builder_that_is_stopped_ends_what_it_has(rig: Rig, machines: list[Machine]) -> None:
    rig.do("make", names=["in-order"], secret=rig.secret, version=rig.next_version(), build=SLOW)
    rig.until(lambda: _building(rig, "in-order"), "it is being built")
    name = _building(rig, "in-order")
    machine = next(machine for machine in machines if machine.name == name)
    machine.process.send_signal(signal.SIGTERM)
    rig.until(lambda: not rig.do("builders")[name], "it takes nothing new")
    assert _building(rig, "in-order") == name
    assert machine.process.wait(90) == 0, machine.log()
    assert rig.do("runs", name="in-order") == [[name, "built"]]
    rig.until_ended(["in-order"])
    _check_ready(rig, ["in-order"])


def test_cancelling_what_another_machine_builds(rig: Rig, machines: list[Machine]) -> None:
    mark = f"7{os.getpid()}99"
    rig.do("make", names=["stopped"], secret=rig.secret, version=rig.next_version(), build=f"sleep {mark}")
    rig.until(lambda: _building(rig, "stopped"), "it is being built")
    rig.do("cancel", names=["stopped"])
    rig.until_ended(["stopped"])
    assert rig.do("last", names=["stopped"])["stopped"]["state"] == "cancelled"
    rig.until(lambda: not processes_with(mark), "nothing of it is left")
    assert [outcome for _, outcome in rig.do("runs", name="stopped")] == ["stopped"]


def test_a_worker_and_a_process_of_the_pages_are_lost_on_the_way(rig: Rig, machines: list[Machine]) -> None:
    rig.do("make", names=["on-the-way"], secret=rig.secret, version=rig.next_version(), build=SLOW)
    rig.until(lambda: _building(rig, "on-the-way"), "it is being built")
    pages = rig.platform.pid("pages")
    gone = _children(pages)[0]
    kill_all([gone])
    rig.kill("worker")
    rig.until(lambda: rig.platform.healthy(), "pages are made")
    rig.until_ended(["on-the-way"])
    _check_ready(rig, ["on-the-way"])
    assert [outcome for _, outcome in rig.do("runs", name="on-the-way")] == ["built"], "by one who did not notice"
    assert rig.platform.pid("pages") == pages
    assert gone not in _children(pages)
    assert len(_children(pages)) == 2


def test_a_machine_in_waiting_takes_over(rig: Rig, machines: list[Machine], outside: dict[str, str]) -> None:
    """What one machine built, another one stored and a third never saw: it is started from the object store."""
    version = rig.next_version()
    rig.do("make", names=["taken-over"], secret=rig.secret, version=version)
    rig.until_ended(["taken-over"])
    _check_ready(rig, ["taken-over"])
    first = rig.platform
    lost = [first.pid(name) for name in ("supervisor", "engine")]
    kill_all([pid for one in lost for pid in (one, *processes.descendants(one))])
    second = Platform(**outside, BRAINPOD_BUILDS="no", BRAINPOD_LEASE_SECONDS="10")
    second.env["DATABASE_URL"] = first.env["DATABASE_URL"]
    try:
        second.start()
        host = {"Host": "taken-over.localhost"}

        def answers() -> bool:
            with httpx.Client(timeout=20, trust_env=False) as client:
                return client.get(second.address, headers=host).text == f"{version} {rig.secret}"

        wait_for(answers, 90, "the app to answer on the second machine")
        assert [outcome for _, outcome in rig.do("runs", name="taken-over")] == ["built"], "and never again"
    finally:
        second.remove()
        first.start()
    rig.until(lambda: rig.answer("taken-over").text == f"{version} {rig.secret}", "the first has it back")


def _children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
