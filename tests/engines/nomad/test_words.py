"""What Nomad's events mean, in words and numbers."""

from __future__ import annotations

import datetime

import pytest

from apps.engines.base import State
from apps.engines.nomad import inside, words
from apps.engines.nomad.words import Event

SECOND = 1_000_000_000
NOW = 1_700_000_000


def restart(at: float, reason: str = "Restart within policy", wait: int = 20) -> Event:
    return Event("Restarting", int(at * SECOND), "", {"restart_reason": reason, "start_delay": str(wait * SECOND)})


def ended(at: float, code: int = 3, **details: str) -> Event:
    return Event("Terminated", int(at * SECOND), "", {"exit_code": str(code), **details})


def crashes(count: int, apart: float) -> list[Event]:
    """The last ten events of a task that ended `count` times, the last one now."""
    found = []
    for back in reversed(range(count)):
        at = NOW - back * apart
        found += [ended(at), restart(at), *([Event("Started", int((at + 20) * SECOND), "", {})] if back else [])]
    return found[-10:]


@pytest.mark.parametrize(
    ("count", "apart", "used"), [(1, 30, 0), (2, 30, 1), (3, 30, 2), (8, 30, 7), (4, 400, 0), (40, 30, 9)]
)
def test_restarts_are_counted_within_the_window(count: int, apart: float, used: int) -> None:
    text = words.delay(crashes(count, apart), count - 1, NOW)
    assert text == f"exited with code 3; restarted {used} of 10 in this window, next try in 20 s"


def test_a_full_window_is_waited_out() -> None:
    happened = [ended(NOW), restart(NOW, 'Exceeded allowed attempts 10 in interval 5m0s and mode is "delay"', 74)]
    text = words.delay(happened, 10, NOW + 4)
    assert text == "exited with code 3; restarted 10 of 10 in this window, waiting for the next window in 70 s"


def test_out_of_memory_is_said() -> None:
    assert words.delay([ended(NOW, 137, oom_killed="true"), restart(NOW)], 0, NOW).startswith("out of memory; ")


def test_each_end_is_one_line() -> None:
    lines = words.lines(crashes(3, 30), 3)
    assert [text for _, text in lines] == [
        f"Exited with code 3; restarted {used} of 10 in this window, next try in 20 s." for used in (0, 1, 2)
    ]
    assert [at for at, _ in lines] == [(NOW - back) * SECOND for back in (60, 30, 0)]


def test_what_started_again_waits_for_nothing() -> None:
    assert words.restarting([ended(NOW), restart(NOW), Event("Started", NOW * SECOND, "", {})]) is None


def allocation(**fields: object) -> dict[str, object]:
    return {"ID": "a", "CreateIndex": 10, "DesiredStatus": "run", "ClientStatus": "running", "NodeName": "n"} | fields


def test_older_jobs_of_the_name_do_not_count() -> None:
    old = allocation(DesiredStatus="stop", ClientStatus="complete")
    assert words.current([old], 11) is None
    new = allocation(ID="b", CreateIndex=12, ClientStatus="pending")
    assert words.current([old, new], 11) == new


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"ClientStatus": "lost"}, State.RESTARTING),
        ({"ClientStatus": "failed"}, State.RESTARTING),
        ({"ClientStatus": "unknown"}, State.UNKNOWN),
        ({"ClientStatus": "pending"}, State.STARTING),
        ({"ClientStatus": "complete", "DesiredStatus": "stop"}, State.EXITED),
    ],
)
def test_states(fields: dict[str, object], state: State) -> None:
    assert words.status(allocation(**fields)).state == state


def test_without_an_evaluation_that_fails_it_waits() -> None:
    assert words.status(None).reason == "waits to be placed on a node"
    queued = {"ModifyIndex": 2, "Status": "complete", "FailedTGAllocs": None}
    failed = {"ModifyIndex": 1, "Status": "blocked", "FailedTGAllocs": {"app": {"NodesAvailable": {"dc1": 2}}}}
    assert words.unplaced([failed, queued]) == ""
    assert words.unplaced([failed]) == "cannot be placed: of 2 nodes none fits"


def test_an_address_of_version_six_is_in_brackets() -> None:
    port = {"Label": "http", "Value": 21000, "HostIP": "fd00::1"}
    assert words.address(allocation(AllocatedResources={"Shared": {"Ports": [port]}})) == "[fd00::1]:21000"


def test_times_with_nanoseconds_are_read() -> None:
    at = words._moment("2026-11-21T22:59:41.981234567Z")
    assert at == datetime.datetime(2026, 11, 21, 22, 59, 41, 981234, tzinfo=datetime.UTC)
    assert words._moment("2026-11-21T22:59:41Z") == datetime.datetime(2026, 11, 21, 22, 59, 41, tzinfo=datetime.UTC)
    assert words._moment("0001-01-01T00:00:00Z") is None


def test_processes_are_added_up() -> None:
    row = "7 (a) b) S 1 " + " ".join(["0"] * 9) + " 100 50 25 25 20 0 1 0 999 4096 512 0\n"
    usage = inside.added((row + "VmRSS:\t    2048 kB\n") * 2 + row + "\n")  # the last is a zombie, without memory
    assert usage is not None
    assert (usage.cpu_seconds, usage.memory_mb, usage.processes) == (6.0, 4, 3)
    assert inside.added("") is None


def _allocation(index: int, wanted: str, client: str, *, healthy: bool = False, last: str = "Started") -> words.Body:
    """One at port `index`, whose task runs if `client` says so."""
    task = {"State": client if client == "running" else "pending", "Events": [{"Type": last, "Time": index}]}
    ports = [{"Label": "http", "HostIP": "10.0.0.1", "Value": index}]
    return {
        "ID": str(index), "CreateIndex": index, "DesiredStatus": wanted, "ClientStatus": client,
        "TaskStates": {"app": task}, "AllocatedResources": {"Shared": {"Ports": ports}},
        "DeploymentStatus": {"Healthy": healthy},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "answers", "counts"),
    [
        (("run", "running"), ("run", "pending"), True, 1),
        (("run", "running"), ("run", "running"), True, 1),
        (("stop", "running"), ("run", "pending"), True, 1),
        (("stop", "complete"), ("run", "pending"), True, 2),
        (("run", "unknown"), ("run", "pending"), True, 2),
        (("run", "lost"), ("run", "running"), False, 2),
    ],
)
def test_what_is_replaced_counts_while_it_serves(
    old: tuple[str, str], new: tuple[str, str], answers: bool, counts: int
) -> None:
    both = [_allocation(2, *new), _allocation(1, *old)]
    found = words.current(both, 1, lambda _: answers)
    assert found is not None
    assert found["ID"] == str(counts)


@pytest.mark.parametrize("answers", [True, False])
def test_a_replacement_counts_once_it_is_healthy_and_answers(answers: bool) -> None:
    asked: list[str] = []

    def told(address: str) -> bool:
        asked.append(address)
        return answers

    both = [_allocation(1, "stop", "running"), _allocation(2, "run", "running", healthy=True)]
    found = words.current(both, 1, told)
    assert (found or {})["ID"] == ("2" if answers else "1")
    assert asked == ["10.0.0.1:2"]


def test_what_has_been_told_to_end_serves_no_more() -> None:
    both = [_allocation(1, "stop", "running", last="Killing"), _allocation(2, "run", "pending")]
    assert (words.current(both, 1) or {})["ID"] == "2"


def test_what_is_sent_away_and_serves_says_so() -> None:
    assert words.status(_allocation(1, "stop", "running")).leaving
    assert not words.status(_allocation(1, "stop", "running", last="Killing")).leaving
    assert not words.status(_allocation(1, "run", "running")).leaving
