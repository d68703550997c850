"""What the edge answers by itself, and what it tells apps."""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import replace
from http.client import HTTPConnection
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from socket import create_connection
from threading import Thread

import httpx
import pytest
from websockets.sync.client import connect

from apps.edge.base import Answer, Compression, Rule, Site
from tests.edge.conftest import Stand, app, wait_for


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        ("not_deployed", 404, "Deployment Not Found"),
        ("deploying", 202, 'http-equiv="refresh"'),
        ("failed", 409, "first deployment failed"),
        ("disabled", 403, "Disabled"),
        ("maintenance", 503, "maintenance"),
    ],
)
def test_own_answers_on_every_path_and_method(stand: Stand, answer: Answer, status: int, words: str) -> None:
    stand.apply(Site("shop.test", answer=answer))
    for method, body in (("GET", b""), ("POST", b"body"), ("PUT", b"large" * 500_000)):
        response = stand.ask("shop.test", "/deep/er?x=1", method, content=body)
        assert (response.status_code, words in response.text) == (status, True), method
        assert response.headers["cache-control"] == "no-store"
        assert "prefers-color-scheme" in response.text


@pytest.mark.parametrize(
    "host", ["other.test", "shop.test.other", "10.0.0.1", "x_y.test", "panel.test.shop.test", "www.shop.test"]
)
def test_an_unknown_host_is_never_a_tenant(stand: Stand, host: str) -> None:
    stand.apply(app("shop.test", stand.upstream().address))
    response = stand.ask(host)
    assert response.status_code == 404
    assert "Not connected" in response.text


def test_a_request_without_a_host_is_nobodys(stand: Stand) -> None:
    stand.apply(app("shop.test", stand.upstream().address))
    assert b"Not connected" in stand.raw(b"GET / HTTP/1.0\r\n\r\n")
    assert stand.raw(b"GET / HTTP/1.1\r\nHost: shop.test\r\nHost: b.test\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_the_pages_cannot_be_asked_for(stand: Stand) -> None:
    stand.apply(app("shop.test", stand.upstream().address))
    assert stand.ask("shop.test", "/@edge/502.html").status_code == 404


def test_headers_the_app_sees(stand: Stand) -> None:
    stand.apply(app("shop.test", stand.upstream().address))
    sent = {
        "X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https", "X-Real-IP": "6.6.6.6", "Proxy": "evil",
        "Forwarded": "for=6.6.6.6", "X-Request-ID": "abc-123_DEF.4",
    }  # fmt: skip
    response = stand.ask("SHOP.test:8080", "/a%2Fb/c?q=%20", headers=sent)
    said = response.json()
    headers = said["headers"]
    assert said["path"] == "/a%2Fb/c?q=%20"
    assert headers["host"] == headers["x-forwarded-host"] == "shop.test:8080"
    assert headers["x-forwarded-for"] == headers["x-real-ip"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert not {"proxy", "forwarded", "upgrade"} & set(headers)
    assert headers["x-request-id"] == response.headers["x-request-id"] == "abc-123_DEF.4"
    assert response.headers["cache-control"] == "private, max-age=7"


@pytest.mark.parametrize("given", ["short", "a" * 129, "has space", "new\tline", "<script>"])
def test_a_bad_request_id_is_replaced(stand: Stand, given: str) -> None:
    stand.apply(app("shop.test", stand.upstream().address))
    seen = stand.ask("shop.test", headers={"X-Request-ID": given}).json()["headers"]["x-request-id"]
    assert seen != given
    assert len(seen) == 32


def test_a_trusted_proxy_is_believed(cold: Stand) -> None:
    cold.edge = cold.another(trusted_proxies=("127.0.0.0/8",))
    cold.edge.prepare()
    cold.start()
    cold.apply(app("shop.test", cold.upstream().address))
    sent = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9", "X-Forwarded-Proto": "https"}
    headers = cold.ask("shop.test", headers=sent).json()["headers"]
    assert headers["x-forwarded-for"] == headers["x-real-ip"] == "203.0.113.9"
    assert headers["x-forwarded-proto"] == "https"


def test_longest_prefix_and_strip(stand: Stand) -> None:
    rules = tuple(
        Rule(path, upstreams=(stand.upstream(name).address,), strip=strip)
        for name, path, strip in [("web", "/", False), ("api", "/api/", True), ("v2", "/api/v2/", False)]
    )
    stand.apply(Site("shop.test", rules=rules))

    def said(path: str) -> tuple[str, str]:
        answer = stand.ask("shop.test", path).json()
        return answer["name"], answer["path"]

    assert said("/x") == ("web", "/x")
    assert said("/apix") == ("web", "/apix")
    assert said("/api/users?a=1") == ("api", "/users?a=1")
    assert said("/api") == ("api", "/")
    assert said("/api/with%20space") == ("api", "/with%20space")
    assert said("/api/v2/users") == ("v2", "/api/v2/users")


@pytest.mark.parametrize("number", [1, 2])
def test_what_is_stripped_leaves_the_rest_as_it_was_asked(stand: Stand, number: int) -> None:
    upstreams = tuple(stand.upstream(f"app{one}").address for one in range(number))
    stand.apply(app("shop.test", *upstreams, path="/a.b/api/", strip=True))

    def seen(path: str) -> str:
        with closing(HTTPConnection("127.0.0.1", stand.port, timeout=60)) as connection:  # sends it as it is
            connection.request("GET", path, headers={"Host": "shop.test"})
            return str(json.loads(connection.getresponse().read())["path"])

    for path in ("/group%2Fproject?x=%2F&y", "/a//b", "/%C3%BC;v=1", "/a+b%20c", "/%25%3F", "/", "/a/"):
        assert seen(f"/a.b/api{path}") == path
    assert seen("/a.b/api?x=1") == "/?x=1"
    # No host of another is made of it, and another way to write the rule's path leads to the same app.
    for path in ("/a.b/api//x", "/a.b/%61pi/x", "//a.b/api/x", "/c/../a.b/api/x"):
        assert seen(path) == "/x"


def test_limits(stand: Stand) -> None:
    stand.apply(app("shop.test", stand.upstream().address, body_mb=1))
    assert stand.ask("shop.test", method="POST", content=b"x" * 1_000_000).json()["body"] == 1_000_000
    too_large = stand.ask("shop.test", method="POST", content=b"x" * 1_100_000)
    assert (too_large.status_code, "Too large" in too_large.text) == (413, True)
    assert stand.ask("shop.test", "/" + "a" * 8000).status_code == 200
    assert stand.ask("shop.test", "/" + "a" * 8300).status_code == 414
    assert stand.ask("shop.test", headers={"X-Long": "a" * 8000}).status_code == 200
    assert stand.ask("shop.test", headers={"X-Long": "a" * 8300}).status_code == 431
    chunked = stand.ask("shop.test", method="POST", content=iter([b"x" * 600_000, b"x" * 600_000]))
    assert chunked.status_code == 413


def test_an_app_that_is_gone_or_slow(stand: Stand) -> None:
    slow = stand.upstream()
    stand.apply(
        app("gone.test", f"unix:{stand.root}/gone.sock"), app("none.test"), app("slow.test", slow.address, timeout=1)
    )
    for host in ("gone.test", "none.test"):
        gone = stand.ask(host, method="POST", content=b"x")
        assert (gone.status_code, "does not answer" in gone.text) == (502, True)
    late = stand.ask("slow.test", "/hang")
    assert (late.status_code, "took too long" in late.text) == (504, True)


def test_replicas_share_the_load_and_stand_in_for_each_other(stand: Stand) -> None:
    one, two = stand.upstream("one"), stand.upstream("two")
    stand.apply(app("shop.test", one.address, two.address))
    assert {stand.ask("shop.test").json()["name"] for _ in range(30)} == {"one", "two"}
    stand.forget(one)
    assert {stand.ask("shop.test", method="POST").json()["name"] for _ in range(10)} == {"two"}


def test_the_one_with_the_least_to_do_is_asked(stand: Stand) -> None:
    busy, free = stand.upstream("busy"), stand.upstream("free")
    stand.apply(app("shop.test", busy.address, free.address))
    asking = [Thread(target=stand.ask, args=("shop.test", "/hang"), daemon=True) for _ in range(24)]
    for one in asking:
        one.start()
    wait_for(lambda: len(busy.waiting) + len(free.waiting) == len(asking))
    free.go_on.set()
    wait_for(lambda: not free.waiting)
    names = [stand.ask("shop.test").json()["name"] for _ in range(60)]
    busy.go_on.set()
    for one in asking:
        one.join(60)
    assert names.count("free") > 45  # in turn it would be half of them


def test_an_upstream_may_be_an_address(stand: Stand) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        stand.apply(app("shop.test", f"127.0.0.1:{server.server_port}"))
        assert stand.ask("shop.test", "/nothing-here").headers["server"].startswith("nginx")
        assert stand.ask("shop.test", "/nothing-here").status_code == 404
        server.shutdown()


def test_grpc_web_is_left_as_it_is(stand: Stand) -> None:
    stand.apply(replace(app("shop.test", stand.upstream().address), compression="all"))
    frame = b"\x00\x00\x00\x08\x00" + bytes(range(256)) * 16
    for kind in ("application/grpc-web+proto", "application/grpc-web-text"):
        sent = {"Content-Type": kind, "X-Grpc-Web": "1", "Accept-Encoding": "gzip"}
        answer = stand.ask("shop.test", "/shop.Orders/List", "POST", content=frame, headers=sent)
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
        assert answer.content == frame + b"\x80\x00\x00\x00\x0fgrpc-status:0\r\n"


@pytest.mark.parametrize("compression", ["files", "all"])
def test_events_are_not_held_back(stand: Stand, compression: Compression) -> None:
    upstream = stand.upstream()
    stand.apply(replace(app("shop.test", upstream.address), compression=compression))
    url = f"http://127.0.0.1:{stand.port}/events"
    with httpx.stream("GET", url, headers={"Host": "shop.test"}, timeout=60) as response:
        events = response.iter_lines()
        assert next(events) == "data: first"  # while the app still waits
        upstream.go_on.set()
        assert [line for line in events if line] == ["data: second"]


def test_websockets_of_apps_and_of_the_dashboard(stand: Stand) -> None:
    stand.apply(app("shop.test", f"unix:{stand.socket_app('ws.sock').path}"))
    stand.socket_app("run/sockets.sock")
    for uri in (f"ws://127.0.0.1:{stand.port}/ws/logs", f"ws://shop.test:{stand.port}/chat"):
        with connect(uri, sock=create_connection(("127.0.0.1", stand.port), timeout=60), proxy=None) as socket:
            socket.send("hello")
            assert socket.recv(60) == f"/{uri.split('/', 3)[3]} 'hello'"


def test_the_dashboard(stand: Stand) -> None:
    stand.upstream("pages", "run/pages.sock")
    (stand.static / "site.0123456789ab.css").write_text("a{}")
    (stand.static / "plain.css").write_text("a{}")
    for host in ("panel.test", "127.0.0.1", f"127.0.0.1:{stand.port}", "[::1]"):
        assert stand.ask(host, "/pods").json()["name"] == "pages"
    hashed, plain = (
        stand.ask("panel.test", "/static/site.0123456789ab.css"),
        stand.ask("panel.test", "/static/plain.css"),
    )
    assert "immutable" in hashed.headers["cache-control"]
    assert plain.headers["cache-control"] == "no-cache"
    assert stand.ask("panel.test", "/static/missing.css?x").json()["path"] == "/static/missing.css?x"


def test_a_dashboard_that_is_started_anew_says_so(stand: Stand) -> None:
    """And that it is no error: browsers ask again, git hosts deliver again."""
    for method in ("GET", "POST"):
        away = stand.ask("panel.test", "/pods", method)
        assert (away.status_code, "Brainpod is starting" in away.text) == (503, True)
        assert 'http-equiv="refresh"' in away.text
    stand.upstream("pages", "run/pages.sock")
    assert stand.ask("panel.test", "/pods").status_code == 200


def test_one_time_links_are_in_no_log(stand: Stand) -> None:
    """Not even when what they lead to does not answer, which nginx complains about with the address."""
    token = "A" * 20 + "-" + "b" * 22
    for path in (f"/welcome/{token}/", f"/sign-in/{token}/", f"/invitations/{token}/?x={token}"):
        assert stand.ask("panel.test", path, headers={"X-Request-ID": "with-a-token"}).status_code == 503
    assert stand.ask("panel.test", "/sign-in/", headers={"X-Request-ID": "without-one"}).status_code == 503
    log = stand.edge.layout.access_log
    # An answer comes before its line, and each of nginx's processes writes in its own time.
    wait_for(lambda: log.read_text().count("with-a-token") == 3 and "without-one" in log.read_text())
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [entry["host"] for entry in entries if entry["id"] == "with-a-token"] == ["panel.test"] * 3
    for written in (log, stand.edge.layout.error_log):
        assert token not in written.read_text()
    assert "/sign-in/ HTTP" in stand.edge.layout.error_log.read_text()


def test_the_access_log_is_json_without_query_strings(stand: Stand) -> None:
    stand.apply(app("shop.test", stand.upstream().address))
    stand.ask("shop.test", '/quote"d?token=s3cret', headers={"X-Request-ID": "find-me-please"})
    log = stand.edge.layout.access_log
    wait_for(lambda: "find-me-please" in log.read_text())
    entry = next(line for line in map(json.loads, log.read_text().splitlines()) if line["id"] == "find-me-please")
    assert (entry["host"], entry["path"], entry["status"]) == ("shop.test", '/quote"d', 200)
    assert abs(entry["at"] - time.time()) < 3600
    assert entry["upstream"].startswith("unix:")
    assert "s3cret" not in log.read_text()
