"""What happens by the clock: every part is a task that workers know, and one that fails holds up no other."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from celery import shared_task

from brainpod import beat
from brainpod.celery import app

DONE: list[str] = []


@pytest.fixture
def parts() -> Iterator[list[str]]:
    @shared_task(name="tests.fails")
    def fails() -> None:
        DONE.append("fails")
        raise ValueError("a part that fails")

    @shared_task(name="tests.works")
    def works() -> None:
        DONE.append("works")

    yield ["tests.fails", "tests.works"]
    DONE.clear()
    for name in ("tests.fails", "tests.works"):
        app.tasks.pop(name, None)


def test_workers_know_every_part() -> None:
    app.loader.import_default_modules()
    parts = [part for round_ in beat.ROUNDS.values() for part in round_]
    assert {beat.ROUND, *parts, *beat.SELDOM} <= app.tasks.keys()
    assert len(set(parts)) == len(parts)


def test_what_is_due_together_is_one_message() -> None:
    rounds = [entry for entry in beat.SCHEDULE.values() if entry["task"] == beat.ROUND]
    assert [entry["schedule"] for entry in rounds] == list(beat.ROUNDS)
    assert json.loads(json.dumps([entry["args"] for entry in rounds])) == [[list(p)] for p in beat.ROUNDS.values()]


def test_a_part_that_fails_holds_up_no_other(parts: list[str]) -> None:
    app.tasks[beat.ROUND](parts)
    assert DONE == ["fails", "works"]
