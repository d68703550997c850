"""Nothing hostile comes near a configuration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.core.errors import Invalid, PlatformError
from apps.edge.base import EdgeState, Site
from apps.edge.validation import check
from tests.edge.conftest import Stand, app

GOOD = app("shop.test", "unix:/run/a.sock", key="1:web:/")

HOSTS = [
    "", " ", ".", "a b", "a\nb", "a\n", "a;b", "a{b", "a}b", "a$b", "$host", '"a"', "a'b", "a\\b", "a#b", "a\0b", "*",
    "*.test",
    "~^.*$", "_", "A.test", "-a.test", "a-.test", "a..b", ".a.test", "a.test.", "a/b", "a:80", "a@b", "ünï.test",
    "a\u200bb",
    "a" * 64, "a." * 127 + "ab", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "0x7f000001", "[::1]", "::1",
    "localhost",
    "panel.test", "a.test;listen 80", "a.test default", "%61.test", "a.test\r\nX: y",
]  # fmt: skip
PATHS = [
    "", "/a", "a/", "//", "/a//", "/../", "/a/../", "/./", "/a b/", "/a\n/", "/a;/", "/a{/", "/a}/", "/$uri/", '/"/',
    "/'/",
    "/\\/", "/#/", "/%2e/", "/@edge/", "/a?b/", "/*/", "/~ x/", "/é/", "/" + "a" * 201 + "/", "/a/\n", "=/a/", "^~ /",
]  # fmt: skip
UPSTREAMS = [
    "", "unix:", "unix:a.sock", "unix:/a b", "unix:/a;", "unix:/a\n", "unix:/a$b", "unix:/../x", "unix:/a/../b",
    "unix:/" + "a" * 107, "unix:/a.sock:x ", "/run/a.sock", "app:80", "localhost:80", "127.0.0.1", "127.0.0.1:0",
    "127.0.0.1:65536", "127.0.0.1:80 backup", "127.0.0.1:80;", "127.1:80", "::1:80", "[::1%eth0]:80", "[127.0.0.1]:80",
    "http://127.0.0.1:80", "127.0.0.1:٨٠",
]  # fmt: skip
DIRECTORIES = ["a", "./a", "/a b", "/a\n", "/a;", "/$a", "/../a", "/a/..", '/a"', "/a{", "~/a", "/" + "a" * 4000]
FIELDS: list[dict[str, Any]] = [
    {"timeout": 0}, {"timeout": 3601}, {"timeout": "60"}, {"timeout": True}, {"timeout": 1.5}, {"body_mb": 0},
    {"body_mb": 10241}, {"body_mb": "1m"}, {"answer": "ready"}, {"answer": "live;"},
]  # fmt: skip


def rule(**fields: Any) -> Site:
    return replace(GOOD, rules=(replace(GOOD.rules[0], **fields),))


HOSTILE = [
    *((replace(GOOD, host=host), "host") for host in HOSTS),
    *((rule(path=path), "rules.0.path") for path in PATHS),
    *((rule(upstreams=(upstream,)), "rules.0.upstreams") for upstream in UPSTREAMS),
    *((rule(directory=directory), "rules.0.directory") for directory in DIRECTORIES),
    *((replace(GOOD, **fields), next(iter(fields))) for fields in FIELDS),
    (rule(key="a b"), "rules.0.key"),
    (rule(key="a\n"), "rules.0.key"),
    (rule(upstreams=("unix:/a", "unix:/a")), "rules.0.upstreams"),
    (rule(upstreams=tuple(f"unix:/{n}" for n in range(65))), "rules.0.upstreams"),
    (replace(GOOD, rules=GOOD.rules * 2), "rules.1.path"),
]


@pytest.mark.parametrize(("site", "field"), HOSTILE)
def test_hostile_fields_are_named(site: Site, field: str) -> None:
    good = replace(GOOD, host="first.test")
    with pytest.raises(Invalid) as caught:
        check(EdgeState((good, site)), reserved=("panel.test",))
    assert caught.value.code == "edge_state"
    assert {detail.path for detail in caught.value.details} == {f"sites.1.{field}"}


def test_two_sites_with_one_host_are_refused() -> None:
    with pytest.raises(Invalid, match="there twice"):
        check(EdgeState((GOOD, GOOD)))


@pytest.mark.parametrize(
    "site",
    [
        rule(path="/"), rule(path="/api/v1.2/~me/_x/"), rule(path="/.well-known/"), rule(upstreams=("10.0.0.1:80",
        "[::1]:8080")),
        rule(directory="/srv/a-b_c.d/@1:2", upstreams=()), rule(upstreams=()), replace(GOOD,
        host="xn--bcher-kva.example"),
        replace(GOOD, host="4chan.test-1.de"), replace(GOOD, answer="maintenance", rules=()), replace(GOOD,
        host="a" * 63 + ".de"),
    ],
)  # fmt: skip
def test_ordinary_sites_pass(site: Site) -> None:
    check(EdgeState((site,)))


def test_a_refused_state_changes_nothing(stand: Stand) -> None:
    stand.apply(app("shop.test", stand.upstream().address))
    files = {
        path: path.read_bytes() for path in stand.edge.layout.home.rglob("*.*") if path.suffix in (".conf", ".json")
    }
    for site, _ in HOSTILE[::9]:
        with pytest.raises(Invalid):
            stand.apply(GOOD, replace(site, host="b.test") if site.host == GOOD.host else site)
    assert {path: path.read_bytes() for path in files} == files
    assert stand.ask("shop.test").json()["name"] == "app"


@pytest.mark.parametrize(
    "settings",
    [
        {"bind": "localhost"}, {"bind": "0.0.0.0;"}, {"dashboard_host": "a b"}, {"dashboard_host": "A"},
        {"dashboard_pages": []},
        {"dashboard_sockets": '/a"b'}, {"dashboard_pages": ["/a\nb"]}, {"static_root": Path("/a$b")},
        {"trusted_proxies": ("10.0.0.0/8;",)}, {"dashboard_sockets": "/" + "a" * 107},
    ],
)  # fmt: skip
def test_settings_are_checked_too(cold: Stand, settings: dict[str, Any]) -> None:
    with pytest.raises(PlatformError) as caught:
        cold.another(**settings)
    assert caught.value.code == "edge_settings"
