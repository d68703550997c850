"""A supervisor that takes its own place: what apps need goes on, everything else begins anew."""

from __future__ import annotations

import dataclasses
import os
import signal
from pathlib import Path

from apps.core.errors import PlatformError
from apps.infrastructure.embedded import process
from apps.infrastructure.embedded.plan import Step, Tier
from apps.infrastructure.embedded.supervisor import UP
from tests.infrastructure.supervised import FAKE, Start, Started, fake, forked
from tests.stack.components import wait_for


def told(pid: int) -> bool:
    os.kill(pid, signal.SIGHUP)
    return True


def tiers(state: Path) -> list[Tier]:
    engine = fake(state, "engine", leave=signal.SIGUSR2)
    return [
        Tier((engine, fake(state, "store"))),
        Tier((forked(state, "pages"),)),
        Tier((fake(state, "edge", reload=told, leftovers=()),)),
    ]


def again(supervisor: Started) -> None:
    marker = supervisor.state / UP
    wait_for(marker.exists, 60, "all to be ready")
    os.kill(supervisor.pid, signal.SIGUSR2)
    wait_for(lambda: not marker.exists(), 60, "the end of the first")
    wait_for(marker.exists, 60, "all to be ready again")


def story(state: Path) -> list[str]:
    return (state / "story").read_text().splitlines()


def test_what_apps_need_goes_on(short_state: Path, start: Start) -> None:
    supervisor = start(tiers(short_state)).up()
    before = {name: supervisor.pid_of(name) for name in ("engine", "store", "pages", "edge")}
    again(supervisor)
    after = {name: supervisor.pid_of(name) for name in before}
    assert after["edge"] == before["edge"]
    assert not {after[name] for name in ("engine", "store", "pages")} & set(before.values())
    wait_for(lambda: "reload edge" in story(short_state), 20, "the edge to be told")
    said = story(short_state)
    assert "leave engine" in said
    assert "stop engine" not in said
    assert {"stop store", "stop pages"} <= set(said)
    assert "stop edge" not in said
    again(supervisor)
    assert supervisor.pid_of("edge") == before["edge"]
    os.kill(supervisor.pid, signal.SIGTERM)
    assert supervisor.wait() == 0
    assert {"stop edge", "stop engine"} <= set(story(short_state))
    assert not process.identity(before["edge"])
    assert not list((short_state / "run").glob("*.pid"))


def test_what_was_left_is_looked_after(short_state: Path, start: Start) -> None:
    """It is started again when it dies, as what was started here."""
    supervisor = start(tiers(short_state)).up()
    again(supervisor)
    edge = supervisor.pid_of("edge")
    os.kill(edge, signal.SIGKILL)
    wait_for(lambda: supervisor.pid_of("edge") != edge, 20, "another edge")
    assert process.parent(supervisor.pid_of("edge")) == supervisor.pid


def test_another_program_is_started_in_its_place(short_state: Path, start: Start) -> None:
    """What goes on has to be what would be started now: an upgrade may have brought another nginx."""
    plan = tiers(short_state)
    (edge,) = plan[-1].services
    plan[-1] = Tier((dataclasses.replace(edge, reload=lambda pid: False),))
    supervisor = start(plan).up()
    before = supervisor.pid_of("edge")
    again(supervisor)
    wait_for(lambda: supervisor.pid_of("edge") != before, 20, "the other one")
    assert not process.identity(before)


def test_a_start_that_fails_afterwards_ends_no_app(short_state: Path, start: Start) -> None:
    plan = tiers(short_state)

    def refuse() -> bool:
        if (short_state / "broken").exists():
            raise PlatformError("database_unavailable", "The database does not answer.")
        return False

    plan[1] = Tier(plan[1].services, (Step("database", refuse),))
    supervisor = start(plan).up()
    wait_for((short_state / UP).exists, 60, "all to be ready")
    (short_state / "broken").touch()
    os.kill(supervisor.pid, signal.SIGUSR2)
    assert supervisor.wait() == 1
    assert "stop engine" not in story(short_state)
    assert story(short_state).count("leave engine") == 2
    assert not (short_state / UP).exists()


def test_a_signal_during_the_stop_ends_everything(short_state: Path, start: Start) -> None:
    slow = FAKE.replace("def stop(*_):", "def stop(*_):\n    time.sleep(20)")
    plan = [Tier((fake(short_state, "store", slow),)), Tier((fake(short_state, "edge", reload=told),))]
    supervisor = start(plan).up()
    edge = supervisor.pid_of("edge")
    wait_for((short_state / UP).exists, 60, "all to be ready")
    os.kill(supervisor.pid, signal.SIGUSR2)
    wait_for(lambda: "starting anew" in supervisor.lines.read_text(), 20, "it to begin")
    os.kill(supervisor.pid, signal.SIGINT)
    assert supervisor.wait() == 0
    wait_for(lambda: not process.identity(edge), 20, "its end: nobody waits for it any more but the system")
