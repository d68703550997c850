"""Events as a stream: what was, then what comes, each once; through nginx and Daphne, until the token is revoked."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from apps.accounts import tokens
from apps.accounts.models import ApiToken, User
from apps.api import events, streaming, watching
from apps.core.errors import UserError
from apps.deployments import feed
from apps.deployments.models import AppEvent, Workload
from apps.logs import store
from apps.logs.lines import Line, encode
from apps.logs.live import Entry
from apps.pods.models import Pod
from tests.api import reference
from tests.api.conftest import Program
from tests.api.test_events import AT
from tests.edge.conftest import Stand, prepared
from tests.edge.test_journal import Log, line
from tests.stack.components import running, wait_for

WATCH = AT.replace("/events?", "/events/watch?")
Message = tuple[str, str, Any]


def messages(text: str) -> list[Message]:
    """The id, the name and the data of each."""
    found = []
    for block in text.split("\n\n"):
        said = dict(one.split(": ", 1) for one in block.splitlines() if ": " in one)
        if "event" in said:
            found.append((said.get("id", ""), said["event"], json.loads(said["data"])))
    return found


@pytest.fixture
def watch(ask: Program) -> Callable[..., list[Message]]:
    """`watch(query, last)`: what a process without an event loop streams, as the public API describes it."""

    def once(query: str = "", last: str = "") -> list[Message]:
        headers = {"authorization": f"Bearer {ask.token}", **({"last-event-id": last} if last else {})}
        answer = Client().get(f"/api/v1{WATCH}{query}", headers=headers)
        assert (answer.status_code, answer["Content-Type"]) == (200, "text/event-stream"), answer.content
        found = messages(b"".join(answer.streaming_content).decode())
        assert [name for _, name, _ in found] == ["event"] * (len(found) - 1) + ["end"]
        for _, _, event in found[:-1]:
            reference.check({"$ref": "#/components/schemas/Event"}, event)
        return found

    return once


def wrote_more(workload: Workload, *texts: str, at: int | None = None) -> None:
    stream = f"workload:{workload.pk}"
    row = store.take(stream)
    seq = row.last_seq
    lines = [Line(seq + n, at or watching.now(), "", "info", text) for n, text in enumerate(texts, 1)]
    store.append(stream, row.fence, [Entry(lines[0].seq, lines[-1].seq, 0, encode(lines))])


def bodies(found: list[Message]) -> list[str]:
    return [event["body"] for _, name, event in found if name == "event"]


@pytest.mark.django_db
def test_every_event_once_wherever_the_stream_broke_off(
    watch: Callable[..., list[Message]],
    workload: Workload,
    journal: Log,
    pod: Pod,
) -> None:
    now = time.time()
    wrote_more(workload, *(f"line {number}" for number in range(5)))
    for number in range(3):
        feed.tell(workload, "restart", f"told {number}")
    ids = {"route": f"{pod.pk}/front", "app": f"{pod.pk}/web"}
    journal.write(*(line(at=now - 5 + n, id=f"r{n}", path=f"/{n}", status=200, **ids) for n in range(3)))
    journal.keep()
    whole = watch()
    assert len(whole) == 12
    assert len({event["id"] for _, name, event in whole if name == "event"}) == 11
    moments = [event["timestamp"] for _, name, event in whole if name == "event"]
    assert moments == sorted(moments)
    for number, (place, _, _) in enumerate(whole[:-1]):
        assert bodies(watch("", place)) == bodies(whole)[number + 1 :], "goes on behind each"
    last = whole[-1][0]
    assert bodies(watch("", last)) == []
    assert bodies(watch(f"&cursor={last}")) == []
    wrote_more(workload, "new line")
    feed.tell(workload, "restart", "new words")
    journal.write(line(at=now, id="r9", path="/9", status=200, **ids))
    journal.keep()
    other = Workload.objects.create(pod=pod, revision=workload.revision, app="web", replica=2, fingerprint="g")
    wrote_more(other, "first of another")
    more = watch("", last)
    assert sorted(bodies(more)) == ["GET /9 200", "first of another", "new line", "new words"]
    for number, (place, _, _) in enumerate(more[:-1]):
        assert bodies(watch("", place)) == bodies(more)[number + 1 :]
    assert bodies(watch("&kind=app&level=info&search=another")) == ["first of another"]


@pytest.mark.django_db
def test_a_row_that_shows_late_is_not_left_out(
    watch: Callable[..., list[Message]],
    workload: Workload,
    journal: Log,
) -> None:
    """A transaction that ends after one with a later number."""
    feed.tell(workload, "restart", "late")
    late = AppEvent.objects.get()
    late.delete()
    feed.tell(workload, "restart", "early")
    if AppEvent.objects.get().pk == late.pk:  # SQLite gives a number again
        AppEvent.objects.update(pk=late.pk + 1)
        AppEvent.objects.filter(pk=late.pk).delete()
    first = watch()
    assert bodies(first) == ["early"]
    AppEvent.objects.bulk_create([late])
    assert bodies(watch("", first[-1][0])) == ["late"]


@pytest.mark.django_db
def test_a_gap_is_waited_for_and_then_passed(workload: Workload, journal: Log, pod: Pod) -> None:
    wrote_more(workload, "one")
    asked = events.Asked(pod, "App", "web", watching.now() - 60_000, (0, ""), "app")
    seen = watching.Watch(asked)
    assert [event["body"] for _, event in seen.look()] == ["one"]
    store.LogStream.objects.update(last_seq=5)
    wrote_more(workload, "seven", "eight")
    assert seen.look() == [], "lines 2 to 5 may be on their way"
    seen._stalled = dict.fromkeys(seen._stalled, -watching.PATIENCE)
    assert [event["body"] for _, event in seen.look()] == ["seven", "eight"]


@pytest.mark.django_db
@pytest.mark.parametrize("cursor", ["x", "W10", "%C3%BC", "W1tdLDEsMSx7fSwxLFtdLFsxLDFdXQ"])
def test_a_place_that_is_none_is_named(ask: Program, workload: Workload, cursor: str) -> None:
    said = ask.get(f"{WATCH}&cursor={cursor}")
    assert (said.status, said.error, said.paths) == (400, "VALIDATION_ERROR", ["cursor"])


@pytest.mark.django_db
def test_a_place_is_good_for_its_own_resource(
    ask: Program,
    watch: Callable[..., list[Message]],
    workload: Workload,
    journal: Log,
) -> None:
    place = watch()[-1][0]
    at = f"/pods/shop/events/watch?resource=urn:brain:route:default:front&cursor={place}"
    assert ask.get(at).paths == ["cursor"]
    assert ask.get(f"{WATCH}&duration=0").paths == ["duration"]
    assert ask.get(f"{WATCH}&level=info").paths == ["level"]


def test_places_are_few_and_come_back() -> None:
    places = streaming.Places()
    taken = [places.take(1, 10) for _ in range(streaming.OF_TOKEN)]
    with pytest.raises(UserError) as refused:
        places.take(1, 10)
    assert refused.value.status == 429
    others = [places.take(2 + n // 4, 10) for n in range(streaming.ALTOGETHER - streaming.OF_TOKEN)]
    with pytest.raises(UserError):
        places.take(999, 10)
    places.give_back(taken[0])
    places.give_back(others[0])
    places.take(1, -100)
    places.take(1, 10)  # the one before was never given back, and must be over


@pytest.fixture
def front() -> Iterator[Stand]:
    """nginx, and behind it a Daphne with the database of this test."""
    with prepared() as stand:
        stand.start()
        with daphne(stand.root):
            yield stand


@contextmanager
def daphne(root: Path) -> Iterator[None]:
    address = root / "run" / "sockets.sock"
    command = [
        sys.executable, "-c", DAPHNE, str(settings.ROOT), str(connection.settings_dict["NAME"]),
        "-u", str(address), "-v", "0", "brainpod.asgi:application",
    ]  # fmt: skip
    with running(command, root / "daphne.log", address.is_socket):
        yield


DAPHNE = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
os.chdir(sys.argv.pop(1))
sys.path.insert(0, "")
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv.pop(1)
from daphne.cli import CommandLineInterface
CommandLineInterface().run(sys.argv[1:])
"""


class Reader(threading.Thread):
    """One stream, read until it ends."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__(daemon=True)
        self.url, self.token = url, token
        self.text = ""
        self._left = threading.Event()
        self.start()

    def run(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        with httpx.stream("GET", self.url, headers=headers, timeout=60) as answer:
            for piece in answer.iter_text():
                self.text += piece
                if self._left.is_set():
                    return

    def hang_up(self) -> None:
        """At the next piece; a beat is one."""
        self._left.set()
        self.join(60)

    @property
    def found(self) -> list[Message]:
        return messages(self.text[: self.text.rfind("\n\n") + 2])


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("valkey")
def test_through_nginx_and_daphne(
    front: Stand,
    program: Callable[..., Program],
    bob: User,
    workload: Workload,
) -> None:
    wrote_more(workload, "before")
    url = f"http://127.0.0.1:{front.port}/api/v1{WATCH}&kind=app&duration=120"
    revoked, token = tokens.make(user=bob, name="r", team=workload.pod.team)
    reader = Reader(url, token)
    wait_for(lambda: bodies(reader.found) == ["before"], 60, "what was")
    wrote_more(workload, "after")
    wait_for(lambda: bodies(reader.found) == ["before", "after"], 60, "what comes, while the stream is open")
    others = [Reader(url, token) for _ in range(streaming.OF_TOKEN - 1)]
    wait_for(lambda: all(bodies(one.found) for one in others), 60, "others")

    def more() -> int:
        with httpx.stream("GET", url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as answer:
            return answer.status_code

    refused = httpx.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=60)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMITED")
    others.pop().hang_up()
    wait_for(lambda: more() == 200, 60, "the place of one who went away")
    ApiToken.objects.filter(pk=revoked.pk).delete()
    for one in (reader, *others):
        one.join(60)
        assert not one.is_alive(), "the token was revoked"
        assert one.found[-1][1] == "error"
        assert one.found[-1][2]["error"]["code"] == "UNAUTHORIZED"
    short = httpx.get(url.replace("120", "1"), headers={"Authorization": f"Bearer {program(bob).token}"}, timeout=60)
    assert (short.status_code, short.headers["content-type"]) == (200, "text/event-stream")
    assert messages(short.text)[-1][1:] == ("end", {"cursor": messages(short.text)[-1][0], "reason": "duration"})
    denied = {"version": "1", "statements": [
        {"sid": "a", "effect": "allow", "actions": ["pods:read"], "resources": ["urn:brain:pod:*"]}
    ]}  # fmt: skip
    headers = {"Authorization": f"Bearer {program(bob, denied).token}"}
    assert httpx.get(url, headers=headers, timeout=60).status_code == 403
