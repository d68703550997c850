"""The socket of a terminal: who is let in, what goes over it, how it ends, and what is recorded."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import json
import os
import time
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.test import Client, override_settings
from django.utils import timezone

from apps import engines
from apps.accounts.models import Membership, User
from apps.deployments.models import Workload
from apps.terminals import actions, carrying
from apps.terminals.models import TerminalSession
from tests.engines.workloads import processes
from tests.terminals.conftest import Page, terminal

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]
PATIENCE = 60.0


@pytest.fixture
def browser(bob: User, client_of: Callable[..., Client]) -> Client:
    """Of a developer in the team."""
    return client_of(bob)


async def recorded(**wanted: Any) -> TerminalSession:
    """The one session there is, once it is as `wanted`."""
    deadline = time.monotonic() + PATIENCE
    while True:
        row = await TerminalSession.objects.afirst()
        if row is not None and all(getattr(row, name) == value for name, value in wanted.items()):
            return row
        assert time.monotonic() < deadline, vars(row) if row else "no session"
        await asyncio.sleep(0.05)


async def gone(mark: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while processes("sleep", mark):
        assert time.monotonic() < deadline, "what the session started goes on"
        await asyncio.sleep(0.05)


async def start_sleeping(page: Page) -> str:
    mark = f"33{os.getpid() % 10000:04d}{time.monotonic_ns() % 1000:03d}"
    await page.type(f"sleep {mark} & sleep {mark}\r".encode())
    deadline = time.monotonic() + PATIENCE
    while len(processes("sleep", mark)) < 2:
        assert time.monotonic() < deadline
        await page.quiet(0.1)
    return mark


async def test_a_developer_types_and_is_recorded(instance: Workload, browser: Client, bob: User) -> None:
    async with terminal(instance, browser) as page:
        await page.type(b"echo $((6*7)); stty size\r")
        await page.until(lambda: b"42\r\n" in page.seen and b"30 90" in page.seen)
        await page.say('{"resize": [61, 17]}')
        await page.type(b"stty size\r")
        await page.until(lambda: b"17 61" in page.seen)
        await page.say('{"ping": 5}')
        await page.until(lambda: {"pong": 5} in page.said)
        row = await recorded(ended_at=None)
        assert (row.user_id, row.person, row.instance, row.address) == (bob.pk, bob.email, "web.1", "203.0.113.9")
        await page.type(b"exit 7\r")
        assert await page.until_closed() == 4000
        assert page.over == {"over": "The shell ended with code 7.", "ending": "exited", "code": 7}
        assert page.taken == len(b"echo $((6*7)); stty size\r" + b"stty size\r" + b"exit 7\r")
    await recorded(ending="exited", exit_code=7, note="")


@pytest.mark.parametrize("who", ["anonymous", "viewer", "stranger", "removed"])
async def test_others_are_shown_out(
    who: str, instance: Workload, bob: User, vera: User, charlie: User, client_of: Callable[..., Client]
) -> None:
    person = {"viewer": vera, "stranger": charlie, "removed": bob}.get(who)
    client = await sync_to_async(client_of)(person) if person else None
    if who == "removed":
        await Membership.objects.filter(user=bob).adelete()
    async with terminal(instance, client) as page:
        assert await page.until_closed() == (4403 if person else 4401)
    assert not await TerminalSession.objects.aexists()


@pytest.mark.parametrize(
    "origin", [b"http://localhost:3000", b"http://evil.example", b"https://localhost", b"null", b"", None]
)
async def test_pages_of_other_origins_are_shown_out(origin: bytes | None, instance: Workload, browser: Client) -> None:
    async with terminal(instance, browser, origin=origin) as page:
        assert await page.until_closed() == 4403
    assert not await TerminalSession.objects.aexists()


@pytest.mark.parametrize("query", ["", "columns=0&rows=5", "columns=x&rows=5", "columns=80&rows=99999999", "rows=-1"])
async def test_a_size_that_cannot_be_is_refused(query: str, instance: Workload, browser: Client) -> None:
    async with terminal(instance, browser, query=query) as page:
        assert await page.until_closed() == 4400


@pytest.mark.parametrize(
    "message", ["x", "[]", "{}", '{"resize": [0, 1]}', '{"resize": 3}', '{"shown": "x"}', '{"ping": null}', "[" * 5000]
)
async def test_a_malformed_message_ends_it(message: str, instance: Workload, browser: Client) -> None:
    async with terminal(instance, browser) as page:
        await page.say(message)
        assert await page.until_closed() == 4400
    await recorded(ending="left")


@pytest.mark.parametrize("how", ["leaving", "membership", "role", "session", "admin", "idle", "longest", "instance"])
async def test_it_ends_and_everything_with_it(
    how: str, instance: Workload, browser: Client, bob: User, alice: User
) -> None:
    config = settings.BRAINPOD
    if how in ("idle", "longest"):
        name = {"idle": "terminal_idle_seconds", "longest": "terminal_seconds"}[how]
        config = dataclasses.replace(config, **{name: 15})
    with override_settings(BRAINPOD=config):
        async with terminal(instance, browser) as page:
            mark = await start_sleeping(page)
            match how:
                case "membership":
                    await Membership.objects.filter(user=bob).adelete()
                case "role":
                    await Membership.objects.filter(user=bob).aupdate(role="viewer")
                case "session":
                    await sync_to_async(browser.session.flush)()
                case "admin":
                    row = await TerminalSession.objects.select_related("team").aget()
                    await sync_to_async(actions.ask_to_end)(session=row, by=alice)
                case "instance":
                    await sync_to_async(engines.engine().stop, thread_sensitive=False)(instance.handle, 0.1)
            if how != "leaving":
                denied = how in ("membership", "role", "session")
                assert await page.until_closed() == (4403 if denied else 4000)
    await gone(mark)
    ending = {"leaving": "left", "membership": "denied", "role": "denied", "session": "denied", "admin": "ended"}
    await recorded(ending={**ending, "instance": "stopped"}.get(how, how))


async def test_who_shows_nothing_makes_the_app_wait(instance: Workload, browser: Client) -> None:
    async with terminal(instance, browser) as page:
        page.shows = False
        await page.type(b"yes 0123456789\r")
        await page.until(lambda: len(page.seen) >= carrying.WINDOW)
        await page.quiet(1.0)
        assert len(page.seen) <= carrying.WINDOW + 2 * carrying.BATCH
        page.shows = True
        await page.say(json.dumps({"shown": len(page.seen)}))
        before = len(page.seen)
        await page.until(lambda: len(page.seen) > before + carrying.WINDOW)
        await page.type(b"\x03echo still-$((1+1))\r")
        await page.until(lambda: b"still-2" in page.seen)


async def test_a_paste_of_a_megabyte_arrives(instance: Workload, browser: Client) -> None:
    async with terminal(instance, browser) as page:
        await page.type(b"stty raw -echo; echo re''ady; head -c 1000000 | wc -c; stty sane\r")
        await page.until(lambda: b"ready" in page.seen)
        before, sent, part = page.taken, 0, b"x" * 10_000
        while sent < 1_000_000:
            await page.type(part)
            sent += len(part)
            behind = sent - 60_000
            await page.until(lambda: page.taken - before >= behind)  # noqa: B023 - it is waited for here
        await page.until(lambda: b"1000000" in page.seen)


async def test_who_sends_more_than_is_taken_is_shown_out(instance: Workload, browser: Client) -> None:
    async with terminal(instance, browser) as page:
        await page.type(b"stty raw -echo; echo re''ady; exec sleep 600\r")
        await page.until(lambda: b"ready" in page.seen)
        for _ in range(20):
            await page.type(b"x" * 60_000)
        assert await page.until_closed() == 4000
    await recorded(ending="flood")


async def test_an_instance_that_does_not_run_says_so(instance: Workload, browser: Client) -> None:
    await sync_to_async(engines.engine().stop, thread_sensitive=False)(instance.handle, 0)
    async with terminal(instance, browser) as page:
        assert await page.until_closed() == 4000
        assert page.over["ending"] == "refused"
        assert "does not run now" in page.over["over"]
    await recorded(ending="refused")


async def test_nobody_has_more_than_five(instance: Workload, browser: Client, bob: User) -> None:
    for _ in range(actions.MOST):
        await sync_to_async(actions.open_session)(by=bob, pod=instance.pod.name, workload=instance.pk, address="")
    async with terminal(instance, browser) as page:
        assert await page.until_closed() == 4000
        assert "You have 5 terminals open" in page.over["over"]


async def test_a_session_without_a_holder_is_closed_by_the_sweep(instance: Workload, bob: User) -> None:
    opened, _ = await sync_to_async(actions.open_session)(
        by=bob, pod=instance.pod.name, workload=instance.pk, address=""
    )
    await sync_to_async(actions.sweep)()
    await recorded(ended_at=None)
    await TerminalSession.objects.filter(pk=opened.pk).aupdate(seen_at=timezone.now() - datetime.timedelta(minutes=5))
    await sync_to_async(actions.sweep)()
    await recorded(ending="lost")
