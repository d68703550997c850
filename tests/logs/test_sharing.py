"""What many viewers ask for at the same time is looked up once (apps/logs/sharing.py); the hub's rounds."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from apps.logs.hub import Message, hub
from apps.logs.sharing import looked_up
from tests.logs.conftest import in_thread, write

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]


async def test_who_asks_before_it_began_has_the_same_answer_and_who_asks_later_a_new_one() -> None:
    began, go_on = threading.Event(), threading.Event()
    asked: list[str] = []

    def look(about: str) -> int:
        asked.append(about)
        if about == "first":
            began.set()
            go_on.wait(30)
        return len(asked)

    first = asyncio.create_task(looked_up(look, "first"))
    assert await asyncio.to_thread(began.wait, 30)
    # The thread is busy: all of these come before theirs begins, but after that of the first did.
    waiting = [asyncio.create_task(looked_up(look, "second")) for _ in range(50)]
    late = asyncio.create_task(looked_up(look, "first"))
    waiting[0].cancel()
    await asyncio.sleep(0.1)
    go_on.set()
    assert await first == 1
    assert await asyncio.gather(*waiting[1:]) == [2] * 49
    assert await late == 3
    assert asked == ["first", "second", "first"]


async def test_an_error_is_everybodys_and_the_next_asks_anew() -> None:
    asked: list[int] = []

    def look() -> int:
        asked.append(1)
        if len(asked) == 1:
            raise ValueError("once")
        return 7

    found = await asyncio.gather(*(looked_up(look) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in found] == [ValueError] * 3
    assert await looked_up(look) == 7


@pytest.mark.usefixtures("valkey")
async def test_lines_that_come_while_viewers_are_busy_are_one_message(stream: str) -> None:
    """One that takes 200 ms for a message, as hundreds of viewers together do; a line comes every 60 ms."""
    async with hub().watch(stream) as viewer, asyncio.timeout(60):
        writing = asyncio.create_task(in_thread(lambda: write(stream, 1, 30, pause=0.06)))
        taken: list[Message] = []
        while not taken or taken[-1].last < 30:
            message = await viewer.get()
            assert message is not None
            taken.append(message)
            await asyncio.sleep(0.2)
        await writing
    assert [line[0] for message in taken for line in json.loads(message.text)["lines"]] == list(range(1, 31))
    assert len(taken) < 20
