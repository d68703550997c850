"""The request log as people see it: filters, pages, what is new, and nobody else's."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from apps.dashboard import request_page
from apps.edge.journal.keeper import Keeper
from apps.pods.models import Pod
from tests.dashboard.pages.conftest import APP, HOSTILE, make_pod, seal, serve, spec
from tests.edge.test_journal import line

pytestmark = pytest.mark.django_db


class Door:
    """Of the edge what the pages ask for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.keeper = Keeper(root)
        self.written = 0

    def journal(self) -> Path:
        return self.root

    def write(self, *lines: bytes) -> None:
        data = b"".join(lines)
        self.keeper.keep([("access", self.written, data)])
        self.written += len(data)


@pytest.fixture
def log(tmp_path, monkeypatch):
    door = Door(tmp_path / "requests")
    monkeypatch.setattr(request_page, "edge", lambda: door)
    yield door
    door.keeper.release()


def of(pod, **changes):
    given = {"at": time.time(), "route": f"{pod.pk}/front", "app": f"{pod.pk}/web"} | changes
    return line(**given)


def page(client, pod, query="", name="front"):
    answer = client.get(f"/pods/{pod.name}/resources/{name}/?tab=requests{query}")
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def shown(text):
    """The request ids of the rows, in their order."""
    return re.findall(r'class="request-id"><code title="([^"]*)"', text)


def test_every_member_sees_the_requests_of_a_route(live_pod, veras, log):
    log.write(
        of(live_pod, id="first-one", path="/a", status=502, seconds=0.25), of(live_pod, id="the-second", path="/b")
    )
    text = page(veras, live_pod)
    assert shown(text) == ["the-second", "first-one"]
    assert "250 ms" in text
    assert "web 1" in text
    assert "Query strings are never written down" in text


def test_an_app_has_those_it_was_asked(live_pod, veras, log):
    log.write(of(live_pod, id="to-the-app"), of(live_pod, id="to-the-edge", app="-"))
    assert shown(page(veras, live_pod, name="web")) == ["to-the-app"]
    text = page(veras, live_pod)
    assert shown(text) == ["to-the-edge", "to-the-app"]
    assert "the edge" in text


def test_nobody_elses_are_there(live_pod, veras, team, log):
    other = make_pod(team)
    log.write(of(other, id="of-another-pod"), of(live_pod, id="of-another-route", route=f"{live_pod.pk}/admin"))
    text = page(veras, live_pod)
    assert shown(text) == []
    assert "No requests yet" in text


def test_filters_stay_in_the_address(live_pod, veras, log):
    log.write(
        of(live_pod, id="slow-and-bad", status=500, seconds=2, path="/api/x"), of(live_pod, id="bad", status=503),
        of(live_pod, id="fine", path="/api/y"),
    )  # fmt: skip
    assert shown(page(veras, live_pod, "&status=5xx")) == ["bad", "slow-and-bad"]
    assert shown(page(veras, live_pod, "&status=5xx&least=1000")) == ["slow-and-bad"]
    assert shown(page(veras, live_pod, "&path=/api/")) == ["fine", "slow-and-bad"]
    assert shown(page(veras, live_pod, "&id=bad")) == ["bad"]
    text = page(veras, live_pod, "&method=PUT&path=%22%3E%3Cscript%3E")
    assert "No request matches" in text
    assert "<script>" not in text.partition('id="requests"')[2].partition('name="method"')[0]


@pytest.mark.parametrize(
    ("upstream", "found"),
    [
        ("edge", ["by-the-edge"]), ("the edge", ["by-the-edge"]), ("web", ["at-an-address", "by-two", "by-one"]),
        ("2", ["by-two"]), ("web 1", ["by-two", "by-one"]), ("web.1", ["at-an-address"]), ("api", []),
        ("10.1.2.3:4000", ["at-an-address"]), ("0", []),
    ],
)  # fmt: skip
def test_who_answered_can_be_looked_for(live_pod, veras, log, upstream, found):
    serve(live_pod.live, "web", handle={"address": "10.1.2.3:4000"})
    one, two = (f"unix:/run/edge/0123/{number}.sock" for number in range(2))
    log.write(
        of(live_pod, id="by-one", upstream=one), of(live_pod, id="by-two", upstream=f"{one}, {two}"),
        of(live_pod, id="at-an-address", upstream="10.1.2.3:4000"), of(live_pod, id="by-the-edge", app="-"),
    )  # fmt: skip
    assert shown(page(veras, live_pod, f"&upstream={upstream}")) == found


@pytest.mark.parametrize(("field", "value"), [("status", "5"), ("status", "abc"), ("least", "-1"), ("least", "1e9")])
def test_what_cannot_be_looked_for_is_said(live_pod, veras, log, field, value):
    log.write(of(live_pod, id="there"))
    text = page(veras, live_pod, f"&{field}={value}")
    assert f'id="request_{field}-errors"' in text
    assert 'id="request_live"' not in text


def test_older_ones_are_a_page_away(live_pod, veras, log):
    log.write(*(of(live_pod, id=f"request-{number:03}") for number in range(150)))
    text = page(veras, live_pod)
    assert shown(text) == [f"request-{number:03}" for number in range(149, 49, -1)]
    assert 'id="request_live"' in text
    before = re.search(r"before=([0-9.]+)", text)[1]
    older = page(veras, live_pod, f"&before={before}")
    assert shown(older) == [f"request-{number:03}" for number in range(49, -1, -1)]
    assert 'id="request_live"' not in older
    assert "To the newest" in older


def test_what_is_new_comes_by_itself(live_pod, veras, log):
    log.write(of(live_pod, id="before"))
    text = page(veras, live_pod, "&method=GET")
    asks = re.search(r'hx-get="([^"]+)"[^>]*hx-trigger="every 2s"', text.partition('id="request_live"')[2])[1]
    log.write(of(live_pod, id="after"), of(live_pod, id="posted", method="POST"))
    answer = veras.get(asks.replace("&amp;", "&")).content.decode()
    assert shown(answer) == ["after"]
    assert 'hx-swap-oob="afterbegin:#request_rows"' in answer
    again = re.search(r'hx-get="([^"]+)"', answer)[1].replace("&amp;", "&")
    assert "method=GET" in again
    assert shown(veras.get(again).content.decode()) == []


def test_more_than_a_page_at_once_is_said(live_pod, veras, log):
    log.write(*(of(live_pod, id=f"request-{number:03}") for number in range(130)))
    answer = veras.get(f"/pods/{live_pod.name}/resources/front/requests/?after=0.0").content.decode()
    assert len(shown(answer)) == 100
    assert "30 more, not shown" in answer


def test_an_instance_is_named_by_its_address(live_pod, veras, log):
    row = serve(live_pod.live, "web", handle={"address": "10.1.2.3:4000"})
    log.write(of(live_pod, upstream="10.1.2.3:4000, 10.9.9.9:1"))
    text = page(veras, live_pod)
    assert f"web {row}, 10.9.9.9:1" in text


def test_what_clients_send_is_text(live_pod, veras, log):
    log.write(of(live_pod, path=f"/{HOSTILE}", id=HOSTILE, host=HOSTILE, method="<B>"))
    text = page(veras, live_pod)
    assert HOSTILE not in text
    assert "<B>" not in text


@pytest.mark.parametrize("query", ["?after=x", "?after=-1.2", "?after=1", "", "?after=999999999999.999999999999"])
def test_any_place_can_be_asked_for(live_pod, veras, log, query):
    log.write(of(live_pod))
    assert veras.get(f"/pods/{live_pod.name}/resources/front/requests/{query}").status_code == 200


def test_what_the_edge_kept_can_be_forgotten(empty_pod, alices, veras):
    pod = empty_pod
    front = {"hostname": f"{pod.name}.localhost", "rules": [{"path": "/", "app": "web"}]}
    seal(pod, 1, {"web": ("App", spec("App", **APP)), "front": ("Route", spec("Route", **front))})
    refused = alices.post(f"/pods/{pod.name}/kept-answers/")
    assert refused.status_code == 409
    seal(pod, 2, {"web": ("App", spec("App", **APP)), "front": ("Route", spec("Route", **front, cache=True))})
    address = f"/pods/{pod.name}/kept-answers/"
    assert address in alices.get(f"/pods/{pod.name}/resources/front/").content.decode()
    assert address not in veras.get(f"/pods/{pod.name}/resources/front/").content.decode()
    assert alices.post(address).status_code == 302
    assert Pod.objects.get(pk=pod.pk).cache_generation == 1
    event = pod.events.get()
    assert (event.app, event.kind, event.actor.name) == ("front", "cache", "Alice")
    shown = " ".join(alices.get(f"/pods/{pod.name}/resources/front/").content.decode().split())
    assert 'the apps are asked again. <span class="text-secondary">by Alice' in shown


def test_a_disk_has_no_requests(live_pod, veras, log):
    assert veras.get(f"/pods/{live_pod.name}/resources/data/requests/").status_code == 404
    assert 'id="requests"' not in page(veras, live_pod, name="data")
