"""Who may watch a log, asked again while they do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from asgiref.sync import sync_to_async
from django.test import Client

from apps.accounts.models import Membership, Team, User
from apps.core.ids import new_id
from apps.core.masking import Mask
from apps.deployments.models import Deployment
from apps.logs import consumers
from apps.logs.writer import LogWriter
from tests.logs.viewing import watching

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey"), pytest.mark.asyncio]


@pytest.fixture
def log(team: Team, deployment_in: Callable[[Team], Deployment]) -> str:
    """A deployment's log with one line."""
    stream = deployment_in(team).stream
    with LogWriter.open(stream, mask=Mask([])) as writer:
        writer.line("hello")
    return stream


@pytest.fixture
def vera_client(vera: User, client_of: Callable[..., Client]) -> Client:
    return client_of(vera)


async def test_a_member_sees_the_lines(log: str, vera_client: Client) -> None:
    async with watching(log, vera_client) as socket:
        await socket.until(1)
        assert [line[4] for line in socket.lines] == ["hello"]


async def test_nobody_sees_it_without_signing_in(log: str) -> None:
    async with watching(log, None) as socket:
        assert await socket.close_code() == 4401
        assert socket.lines == []


@pytest.fixture
def charlie_client(charlie: User, client_of: Callable[..., Client]) -> Client:
    return client_of(charlie)


async def test_a_stranger_is_refused(log: str, charlie_client: Client) -> None:
    async with watching(log, charlie_client) as socket:
        assert await socket.close_code() == 4403
        assert socket.lines == []


async def test_a_log_that_does_not_exist_is_refused_like_a_foreign_one(vera_client: Client) -> None:
    for stream in (f"deployment:{new_id()}", f"workload:{new_id()}", "team:1"):
        async with watching(stream, vera_client) as socket:
            assert await socket.close_code() == 4403


async def test_the_end_of_a_membership_closes_the_socket(log: str, vera: User, vera_client: Client) -> None:
    async with watching(log, vera_client) as socket:
        await socket.until(1)
        await sync_to_async(Membership.objects.filter(user=vera).delete)()
        assert await socket.close_code() == 4403


async def test_signing_out_closes_the_socket(log: str, vera_client: Client) -> None:
    async with watching(log, vera_client) as socket:
        await socket.until(1)
        await sync_to_async(vera_client.session.flush)()
        assert await socket.close_code() == 4401


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "9" * 20, "%D9%A1"])
async def test_a_malformed_place_is_refused(log: str, vera_client: Client, after: str) -> None:
    async with watching(log, vera_client, after) as socket:
        assert await socket.close_code() == 4400


@pytest.mark.parametrize("message", ["ack", "[]", '{"ack": "x"}', '{"ack": null}', '{"seq": 1}', "[" * 5000])
async def test_a_malformed_message_closes_the_socket(log: str, vera_client: Client, message: str) -> None:
    async with watching(log, vera_client) as socket:
        await socket.say(message)
        assert await socket.close_code() == 4400


async def test_a_viewer_that_acknowledges_nothing_is_closed(
    log: str, vera_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "WINDOW", 10)
    monkeypatch.setattr(consumers, "ACK_SECONDS", 0.2)

    def write() -> None:
        with LogWriter.open(log, mask=Mask([])) as writer:
            for _ in range(3):
                writer.line("more")
                writer.flush()

    async with watching(log, vera_client) as socket:
        await socket.until(1)  # from here on every entry is a message of its own
        await sync_to_async(write, thread_sensitive=False)()
        assert await socket.close_code() == 4408
