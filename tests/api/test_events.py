"""Events through the API: lines, what the platform did, requests; together, a page at a time, within a window."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import zstandard

from apps.api import events
from apps.deployments import feed
from apps.deployments.models import Workload
from apps.logs import store
from apps.logs.lines import Line, encode
from apps.logs.models import LogChunk, LogStream
from apps.pods.models import Pod
from tests.api.conftest import Program
from tests.edge.test_journal import Log, line

pytestmark = pytest.mark.django_db
AT = "/pods/shop/events?resource=urn:brain:app:default:web"
NOW = 0


@pytest.fixture(autouse=True)
def _now() -> None:
    """When the test begins, not when its module was read."""
    global NOW
    NOW = int(time.time() * 1000) - 10_000


def wrote(workload: Workload, *lines: tuple[int, str, str]) -> None:
    """Stored as the lines of the instance: seconds ago, level, text."""
    stream = f"workload:{workload.pk}"
    store.take(stream)
    made = [Line(n, NOW - ago * 1000, "", level, text) for n, (ago, level, text) in enumerate(lines, 1)]
    LogChunk.objects.create(
        stream=stream, first_seq=1, last_seq=len(made), first_at=store.moment(made[0].at),
        last_at=store.moment(made[-1].at), size=1, data=zstandard.compress(encode(made)),
    )  # fmt: skip
    LogStream.objects.filter(name=stream).update(last_seq=len(made))


def bodies(ask: Program, path: str) -> list[str]:
    return [one["body"] for one in ask.get(path).said["items"]]


def test_all_that_happened_together(ask: Program, workload: Workload, journal: Log, pod: Pod) -> None:
    wrote(
        workload,
        (4000, "info", "long ago"),
        (90, "info", "\x1b[31mstarted"),
        (30, "error", "broke"),
        (20, "engine", "e"),
    )
    feed.tell(workload, "restart", "Restarted.")
    for number, (path, route) in enumerate((("/a", "front"), ("/b", "front"), ("/c", "other"))):
        ids = {"route": f"{pod.pk}/{route}", "app": f"{pod.pk}/web"}
        journal.write(line(at=(NOW - 60_000) / 1000 + number, id=f"r{number}", path=path, status=500, **ids))
    journal.keep()
    assert bodies(ask, AT) == ["Restarted.", "e", "broke", "GET /c 500", "GET /b 500", "GET /a 500", "started"]
    assert bodies(ask, f"{AT}&range=5m&kind=app") == ["e", "broke", "started"]
    assert bodies(ask, f"{AT}&range=24h&kind=app") == ["e", "broke", "started", "long ago"]
    assert bodies(ask, f"{AT}&kind=app&level=error") == ["broke"]
    assert bodies(ask, f"{AT}&kind=app&level=trace") == []
    assert bodies(ask, f"{AT}&search=START") == ["Restarted.", "started"]
    assert bodies(ask, "/pods/shop/events?resource=urn:brain:route:default:front") == ["GET /b 500", "GET /a 500"]
    said = ask.get(f"{AT}&kind=httpAccess").said["items"][0]
    assert (said["requestId"], said["status"], said["durationMs"], said["bytesSent"]) == ("r2", 500, 13.0, 812)
    assert ask.get(f"{AT}&kind=platform").said["items"][0]["reason"] == "restart"


def test_pages_have_everything_once(
    ask: Program, workload: Workload, journal: Log, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "PAGE", 7)
    wrote(workload, *((60 - number // 4, "info", f"line {number}") for number in range(40)))
    other = Workload.objects.create(pod=pod, revision=workload.revision, app="web", replica=2, fingerprint="g")
    wrote(other, *((60 - number, "info", f"other {number}") for number in range(20)))
    found, path = [], AT
    while path:
        page = ask.get(path)
        found += page.said["items"]
        further = page.said["_links"]["next"]
        assert ("x-next-cursor" in page.headers) == (further is not None)
        path = further["href"] if further else ""
    assert len(found) == 60
    assert len({one["id"] for one in found}) == 60
    moments = [one["timestamp"] for one in found]
    assert moments == sorted(moments, reverse=True)


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("", "resource"),
        ("resource=web", "resource"),
        ("resource=urn:brain:disk:default:data", "resource"),
        ("resource=urn:brain:app:default:web&level=info", "level"),
        ("resource=urn:brain:app:default:web&level=loud&kind=app", "level"),
        ("resource=urn:brain:app:default:web&kind=nonsense", "kind"),
        ("resource=urn:brain:route:default:front&kind=app", "kind"),
        ("resource=urn:brain:app:default:web&range=1y", "range"),
        ("resource=urn:brain:app:default:web&cursor=x", "cursor"),
        ("resource=urn:brain:app:default:web&cursor=W10", "cursor"),
        ("resource=urn:brain:app:default:web&cursor=%C3%BC", "cursor"),
    ],
)
def test_what_is_wrong_is_named(ask: Program, workload: Workload, query: str, path: str) -> None:
    said = ask.get(f"/pods/shop/events?{query}")
    assert (said.status, said.error, said.paths) == (400, "VALIDATION_ERROR", [path])


def test_what_is_not_in_the_pod_is_not_there(ask: Program, workload: Workload, program: Callable[..., Any]) -> None:
    for name in ("app:default:other", "route:default:web", "postgres:default:web"):
        assert ask.get(f"/pods/shop/events?resource=urn:brain:{name}").status == 404
