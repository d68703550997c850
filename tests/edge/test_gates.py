"""What comes before a site's answer: TLS, addresses, passwords, redirects; and the headers of every answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.edge import applied, tenants
from apps.edge.base import EdgeState, Header, Redirect, Rule, Site
from apps.edge.passwords import hashed
from tests.edge.conftest import Stand, app
from tests.edge.test_static import tree

HASH = hashed("open sesame")


def gated(stand: Stand, **fields: Any) -> Site:
    return replace(app("shop.test", stand.upstream().address, app="pod1/web"), **fields)


def moved(*redirects: tuple[str, str, int]) -> dict[str, Any]:
    return {"redirects": tuple(Redirect(*one) for one in redirects)}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_of_paths(stand: Stand, status: int) -> None:
    stand.apply(gated(stand, **moved(("/old", "/new", status), ("/far", "https://example.com/a?b=1#c", status))))
    for path in ("/old", "/old/"):
        answer = stand.ask("shop.test", path, "POST", content=b"x")
        assert (answer.status_code, answer.headers["location"]) == (status, "/new")
    assert stand.ask("shop.test", "/old?a=1&b=%20").headers["location"] == "/new?a=1&b=%20"
    assert stand.ask("shop.test", "/far?x=1").headers["location"] == "https://example.com/a?b=1#c"
    for path in ("/older", "/old/er", "/x/old", "/new"):
        assert stand.ask("shop.test", path).json()["path"] == path


def test_what_the_star_and_the_names_stand_for(stand: Stand) -> None:
    redirects = moved(
        ("/blog/:year/:month/*", "https://news.example.com/:month-:year/:splat", 301),
        ("/docs/intro", "/start", 308),
        ("/docs/*", "/guide/:splat", 307),
        ("/docs/never", "/never", 301),
    )
    stand.apply(gated(stand, **redirects))

    def to(path: str) -> tuple[int, str]:
        answer = stand.ask("shop.test", path)
        return answer.status_code, answer.headers.get("location", "")

    assert to("/blog/2024/05/a%20b/c?x=1") == (301, "https://news.example.com/05-2024/a%20b/c?x=1")
    assert to("/blog/2024") == (200, "")
    assert to("/docs/intro") == (308, "/start")
    assert to("/docs/a/b") == (307, "/guide/a/b")
    assert to("/docs") == (307, "/guide/")
    assert to("/docs/never") == (307, "/guide/never")  # the first that fits counts
    assert to("/docsets") == (200, "")


@pytest.mark.parametrize(
    "path",
    ["/a//evil.test", "/a/%2F%2Fevil.test", "/a/\\evil.test", "/a/\\\\evil.test", "/a/%0d%0aSet-Cookie:x=1", "/a///",
     "/a/%5Cevil.test", "/a/https://evil.test"],
)  # fmt: skip
def test_no_request_makes_another_target(stand: Stand, path: str) -> None:
    stand.apply(gated(stand, **moved(("/a/*", "/:splat", 307))))
    answer = stand.raw(f"GET {path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n".encode())
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert b"set-cookie" not in head.replace(b"%0d%0aset-cookie", b"")
    location = next((line for line in head.split(b"\r\n") if line.startswith(b"location: ")), b"location: /")
    assert location[10:11] == b"/"
    assert location[11:12] not in (b"/", b"\\")


def test_hosts_to_hosts(stand: Stand) -> None:
    site = gated(stand)
    www = replace(site, host="www.shop.test", redirects=(Redirect("*", "//shop.test", 308),))
    old = replace(site, host="old.test", redirects=(Redirect("*", "https://shop.test", 301),))
    stand.apply(site, www, old)
    assert stand.ask("shop.test", "/x").status_code == 200
    answer = stand.ask("www.shop.test:8080", "/a%20b?c=1", "POST", content=b"x")
    assert (answer.status_code, answer.headers["location"]) == (308, "//shop.test:8080/a%20b?c=1")
    raw = stand.raw(b"GET //evil.test/ HTTP/1.1\r\nHost: old.test\r\nConnection: close\r\n\r\n")
    assert b"\r\nLocation: https://shop.test//evil.test/\r\n" in raw


def test_a_password_comes_before_everything_else(stand: Stand) -> None:
    site = tree(stand.root / "site", **{"index.html": "home", "a.css": "a{}"})
    rules = (
        Rule("/", (stand.upstream().address,), app="pod1/web"),
        Rule("/files/", directory=str(site), strip=True, app="pod1/site"),
        Rule("/off/", stopped=True, app="pod1/off"),
        Rule("/none/", app="pod1/none"),
    )
    stand.apply(Site("shop.test", rules=rules, password=f"guest:{HASH}", **moved(("/old", "/new", 301))))
    expected = {
        "/": 200, "/files/a.css": 200, "/files": 301, "/files/gone.js": 404, "/old": 301, "/off/": 503, "/none/": 502,
    }  # fmt: skip
    for number, (path, status) in enumerate(expected.items(), start=1):
        for auth in (None, ("guest", "wrong"), ("other", "open sesame")):
            # From an address each: so many wrong ones of one are refused (test_guesses.py).
            refused = stand.ask("shop.test", path, auth=auth, source=f"127.8.8.{number}")
            assert (refused.status_code, "Password required" in refused.text) == (401, True), path
            assert refused.headers["www-authenticate"].startswith("Basic ")
            assert "location" not in refused.headers
        assert stand.ask("shop.test", path, auth=("guest", "open sesame")).status_code == status, path
    said = stand.ask("shop.test", "/x", auth=("guest", "open sesame")).json()
    assert "authorization" not in said["headers"]  # it is not for the app
    assert said["headers"]["x-forwarded-for"] == "127.0.0.1"


@pytest.mark.parametrize(("answer", "status"), [("deploying", 202), ("failed", 409)])
def test_before_the_first_deployment_too(stand: Stand, answer: Any, status: int) -> None:
    site = Site("shop.test", answer=answer, password=f"guest:{HASH}", **moved(("/old", "/new", 301)))
    stand.apply(site, Site("off.test", answer="disabled", password=f"guest:{HASH}"))
    assert stand.ask("shop.test").status_code == 401
    assert stand.ask("shop.test", "/old").status_code == 401
    assert stand.ask("shop.test", "/old", auth=("guest", "open sesame")).status_code == 301
    assert stand.ask("shop.test", auth=("guest", "open sesame")).status_code == status
    assert stand.ask("off.test").status_code == 403  # comes before the password


def test_a_new_password_is_no_reload_and_its_hash_is_in_no_configuration(stand: Stand) -> None:
    site = gated(stand, password=f"guest:{HASH}")
    stand.apply(site)
    text = stand.edge.layout.configuration.read_text()
    assert HASH not in text
    done = stand.apply(replace(site, password=f"guest:{hashed('another one')}"))
    assert not done.reloaded
    assert stand.ask("shop.test", auth=("guest", "open sesame")).status_code == 401
    assert stand.ask("shop.test", auth=("guest", "another one")).status_code == 200
    kept = stand.edge.layout.passwords / "shop.test"
    assert kept.stat().st_mode & 0o007 == 0


def test_addresses_behind_proxies(cold: Stand) -> None:
    cold.edge = cold.another(trusted_proxies=("127.0.0.0/8",))
    cold.edge.prepare()
    cold.start()
    cold.apply(gated(cold, allow=("203.0.113.0/24", "2001:db8::/32"), **moved(("/old", "/new", 301))))
    for client, status in [("203.0.113.9", 200), ("2001:db8::7", 200), ("203.0.114.1", 403), ("2001:db9::7", 403)]:
        answer = cold.ask("shop.test", headers={"X-Forwarded-For": client})
        assert (answer.status_code, "Not allowed" in answer.text) == (status, status == 403), client
    assert cold.ask("shop.test", "/old", headers={"X-Forwarded-For": "203.0.114.1"}).status_code == 403
    assert cold.ask("shop.test", headers={"X-Forwarded-For": "203.0.113.9, 203.0.114.1"}).status_code == 403


def test_nobody_names_an_address_of_their_own(stand: Stand) -> None:
    stand.apply(gated(stand, allow=("203.0.113.9",)))
    assert stand.ask("shop.test", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 403


def test_headers_of_every_answer(stand: Stand) -> None:
    tricky = r"default-src 'self'; report-uri $uri \" } server {"
    headers = (("Content-Security-Policy", tricky), ("Cache-Control", "no-store"), ("X-Frame-Options", "DENY"))
    site = tree(stand.root / "site", **{"index.html": "home"})
    rules = (Rule("/", (stand.upstream().address,)), Rule("/files/", directory=str(site), strip=True))
    stand.apply(Site("shop.test", rules=rules, headers=headers), app("other.test", stand.upstream("b").address))
    for path in ("/", "/files/", "/files/gone.js"):
        answer = stand.ask("shop.test", path)
        assert answer.headers["content-security-policy"].split(", ")[-1] == tricky or path == "/files/gone.js"
        assert answer.headers.get_list("x-frame-options") == ["DENY"]
        assert answer.headers["x-request-id"]
    assert stand.ask("shop.test").headers.get_list("cache-control") == ["no-store"]  # in place of the app's
    assert "x-frame-options" not in stand.ask("other.test").headers


def test_a_header_with_another_value_shares_the_server(stand: Stand) -> None:
    one = gated(stand, headers=(("X-Who", "one"),))
    two = replace(one, host="other.test", headers=(("X-Who", "two"),))
    stand.apply(one, two)
    assert [stand.ask(host).headers["x-who"] for host in ("shop.test", "other.test")] == ["one", "two"]
    kinds = tenants.kinds(EdgeState((one, two)))
    assert len(kinds) == 1


def test_https_only_and_hsts_behind_a_proxy_that_ends_tls(cold: Stand) -> None:
    cold.edge = cold.another(trusted_proxies=("127.0.0.0/8",))
    cold.edge.prepare()
    cold.start()
    site = gated(cold, https=True, https_only=True, hsts=30, password=f"guest:{HASH}")
    cold.apply(site)
    plain = cold.ask("shop.test", "/a?b=1", "POST", content=b"x", headers={"X-Forwarded-Proto": "http"})
    assert (plain.status_code, plain.headers["location"]) == (308, "https://shop.test/a?b=1")  # before the password
    assert "strict-transport-security" not in plain.headers
    for auth, status in ((None, 401), (("guest", "open sesame"), 200)):
        answer = cold.ask("shop.test", headers={"X-Forwarded-Proto": "https"}, auth=auth)
        assert answer.status_code == status
        assert answer.headers["strict-transport-security"] == "max-age=2592000"
    cold.apply(replace(site, https=False, password=""))
    assert cold.ask("shop.test", headers={"X-Forwarded-Proto": "http"}).status_code == 200


@pytest.mark.parametrize(("compression", "file", "answer"), [("files", 1, 0), ("all", 1, 1), ("off", 0, 0)])
def test_compression(stand: Stand, compression: Any, file: int, answer: int) -> None:
    site = tree(stand.root / "site", **{"index.html": "home " * 500})
    rules = (Rule("/", (stand.upstream().address,)), Rule("/files/", directory=str(site), strip=True))
    stand.apply(Site("shop.test", rules=rules, compression=compression))
    asked = {"X-Long": "a" * 4000, "Accept-Encoding": "gzip"}  # the app says again what it was asked
    packed = [stand.ask("shop.test", p, headers=asked).headers.get("content-encoding") for p in ("/files/", "/")]
    assert packed == ["gzip" if file else None, "gzip" if answer else None]


def test_the_state_survives_without_the_database(stand: Stand, tmp_path: Path) -> None:
    rule = Rule("/", directory="/srv/a", redirects=(Redirect("/a", "/b", 301, True),), packed=("br",),
                headers=(Header("/*", "X-A", "b"),))  # fmt: skip
    state = EdgeState((Site("a.test", rules=(rule,), allow=("10.0.0.0/8",), headers=(("X-A", "b"),), password="a:b"),))
    applied.write(tmp_path / "applied.json", state)
    assert applied.read(tmp_path / "applied.json") == state


def test_a_header_with_a_long_name_keeps_nobody_from_anything(stand: Stand) -> None:
    name = "X" * 64
    stand.apply(
        app("a.test", stand.upstream().address),
        Site("b.test", rules=app("b.test", stand.upstream("b").address).rules, headers=((name, "long"),)),
    )
    assert stand.ask("b.test").headers[name] == "long"
    assert stand.ask("a.test").status_code == 200
