"""`ws/pods/<pod>/terminals/<workload>/?columns=80&rows=24`: a shell in a running instance.

Bytes are the terminal's, both ways. Text is JSON; from the browser `{"resize": [columns, rows]}`, `{"shown": bytes}`
once output is on the screen, `{"ping": n}`; to it `{"session": id}` once there is one, `{"taken": bytes}` once input
has reached the app, `{"pong": n}`, and at the end `{"over": words, "ending": …, "code": exit code or null}`.

Who sends more than WINDOW bytes that were not taken is shown out; who shows nothing makes the app wait.

Close codes: 4000 it is over, 4400 a malformed request or message, 4401 not signed in, 4403 not allowed (any more).
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import structlog
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.sessions import user_behind
from apps.accounts.throttle import address_in
from apps.core.errors import UserError
from apps.engines import terminals
from apps.engines.base import Engine, Size, State, Terminal
from apps.terminals import actions
from apps.terminals.carrying import Carrier
from apps.terminals.models import Ending, TerminalSession

ASK_SECONDS = 3.0  # between two looks whether the person still may: well below the five promised
MESSAGE = 64 * 1024  # bytes of a message from the browser
WIDEST = 1000  # columns or rows
OVER, MALFORMED, NOBODY, DENIED = 4000, 4400, 4401, 4403

logger = structlog.get_logger(__name__)


class Watcher:
    """Passes on what a carrier's threads say: bytes and messages for the browser, None at the end."""

    def __init__(self, session: str) -> None:
        self._session = session
        self._loop = asyncio.get_running_loop()
        self.said: asyncio.Queue[bytes | dict[str, Any] | None] = asyncio.Queue()

    def output(self, data: bytes) -> None:
        self._say(data)

    def taken(self, count: int) -> None:
        self._say({"taken": count})

    def over(self, ending: str, exit_code: int | None, note: str) -> None:
        """The book is closed here, whether somebody still listens or not."""
        try:
            actions.finish(self._session, ending, exit_code=exit_code, note=note)
        except DatabaseError as error:
            logger.warning("terminal_not_recorded", session=self._session, error=str(error))
        finally:
            connection.close()
        words = " ".join(filter(None, (Ending(ending).label, note)))
        if ending == Ending.EXITED and exit_code is not None:
            words = f"The shell ended with code {exit_code}."
        self._say({"over": words, "ending": ending, "code": exit_code})
        self._say(None)

    def _say(self, what: bytes | dict[str, Any] | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self.said.put_nowait, what)
        except RuntimeError:
            return  # the loop is closed: this process ends


class TerminalConsumer(AsyncWebsocketConsumer):
    channel_layer_alias = "none"  # it hears of nothing by the broker, so a broker that goes away ends no session
    carrier: Carrier | None = None
    session: TerminalSession

    async def connect(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._typed = self._began = time.monotonic()
        await self.accept()  # a close code reaches the browser only after this
        size = _size(parse_qs(self.scope["query_string"].decode("ascii", "replace")))
        if not self._same_origin():
            await self.close(DENIED)
        elif size is None:
            await self.close(MALFORMED)
        elif (user := await user_behind(self.scope)) is None:
            await self.close(NOBODY)
        else:
            await self._open(user, size)

    async def _open(self, user: User, size: Size) -> None:
        words = self.scope["url_route"]["kwargs"]
        headers = dict(self.scope["headers"])
        address = address_in((self.scope.get("client") or [""])[0], headers.get(b"x-real-ip", b"").decode("latin-1"))
        try:
            self.session, workload = await database_sync_to_async(actions.open_session)(
                by=user, pod=words["pod"], workload=words["workload"], address=address
            )
        except UserError as error:
            await self._say({"over": str(error), "ending": Ending.REFUSED, "code": None})
            await self.close(OVER if error.code == "terminals_many" else DENIED)
            return
        self.user_id, handle, name = user.pk, workload.handle, self.session.pk
        engine: Engine = workload.runner

        def attach(size: Size) -> Terminal:
            return engine.attach(handle, terminals.SHELL, name=name, size=size)

        def alive() -> bool:
            return engine.status(handle).state is State.RUNNING

        watcher = Watcher(name)
        self.carrier = Carrier(attach, alive, watcher, size)
        self.carrier.start()
        await self._say({"session": name})
        self._tasks = [asyncio.create_task(self._run(work)) for work in (self._pass_on(watcher), self._guard())]

    def _same_origin(self) -> bool:
        """A page of exactly this host and port: cookies also come from other ports of it. Only browsers are let in."""
        headers = dict(self.scope["headers"])
        origin, host = (headers.get(name, b"").decode("latin-1").lower() for name in (b"origin", b"host"))
        return bool(host) and (urlsplit(origin).netloc == host or origin == settings.BRAINPOD.public_address)

    async def disconnect(self, code: int) -> None:
        if self.carrier is not None:
            self.carrier.end(Ending.LEFT)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        carrier = self.carrier
        if carrier is None:
            return
        if bytes_data is not None and len(bytes_data) <= MESSAGE:
            self._typed = time.monotonic()
            if not carrier.type(bytes_data):
                carrier.end(Ending.FLOOD)
            return
        try:
            await self._heed(carrier, json.loads((text_data or "")[:200]))
        except (ValueError, TypeError, KeyError, AttributeError):
            carrier.end(Ending.LEFT)
            await self.close(MALFORMED)

    async def _heed(self, carrier: Carrier, message: dict[str, Any]) -> None:
        if "resize" in message:
            columns, rows = map(int, message["resize"])
            if not (0 < columns <= WIDEST and 0 < rows <= WIDEST):
                raise ValueError(message)
            carrier.resize(Size(columns, rows))
        elif "shown" in message:
            carrier.shown(max(0, int(message["shown"])))
        else:
            await self._say({"pong": int(message["ping"])})

    async def _say(self, message: dict[str, Any]) -> None:
        await self.send(text_data=json.dumps(message))

    async def _run(self, work: Any) -> None:
        try:
            await work
        except Exception:
            logger.exception("terminal_socket_failed", session=self.session.pk)
            if self.carrier is not None:
                self.carrier.end(Ending.LOST)

    async def _pass_on(self, watcher: Watcher) -> None:
        while (said := await watcher.said.get()) is not None:
            if isinstance(said, bytes):
                await self.send(bytes_data=said)
            else:
                await self._say(said)
                ending = said.get("ending")
        await self.close(DENIED if ending == Ending.DENIED else OVER)

    # Whether it may go on

    async def _guard(self) -> None:
        config = settings.BRAINPOD
        while self.carrier is not None:
            self.carrier.keep()
            await asyncio.sleep(ASK_SECONDS)
            now = time.monotonic()
            if now - self._typed > config.terminal_idle_seconds:
                self.carrier.end(Ending.IDLE)
            if now - self._began > config.terminal_seconds:
                self.carrier.end(Ending.LONGEST)
            if ending := await self._refusal():
                self.carrier.end(ending)

    async def _refusal(self) -> str:
        """Asked of the database each time, never of what was true at the beginning."""
        user = await user_behind(self.scope)
        if user is None or user.pk != self.user_id:
            return str(Ending.DENIED)
        return await database_sync_to_async(_still)(user, self.session.pk)


def _still(user: User, pk: str) -> str:
    """Renew the session of `user`; why it has to end, or nothing."""
    rows = TerminalSession.objects.filter(pk=pk, ended_at=None)
    session = rows.select_related("pod").first()
    if session is None:
        return str(Ending.LOST)
    if session.end_asked_at is not None:
        return str(Ending.ENDED)
    if session.pod is None:
        return str(Ending.STOPPED)
    try:
        actions.may_enter(by=user, pod=session.pod.name, workload=session.workload)
    except UserError as error:
        stopped = error.status == 404 and user.memberships.filter(team=session.team_id).exists()
        return str(Ending.STOPPED if stopped else Ending.DENIED)
    rows.update(seen_at=timezone.now())
    return ""


def _size(query: dict[str, list[str]]) -> Size | None:
    given = [query.get(name, ["0"])[0] for name in ("columns", "rows")]
    if not all(word.isascii() and word.isdigit() and 0 < int(word[:5]) <= WIDEST for word in given):
        return None
    return Size(*map(int, given))
