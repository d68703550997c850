"""Nothing hostile replaces a good configuration: what is refused, what is harmless, and what is read back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.errors import Invalid, Unavailable
from apps.edge.base import EdgeState, Header, Redirect, Rule, Site
from apps.edge.readback import compare
from apps.edge.render import render
from apps.edge.validation import check
from tests.edge.conftest import Stand, app
from tests.edge.hostile_sites import FILES, GOOD, PUT
from tests.edge.test_render import LAYOUT

CASES = [
    (path.stem.replace("_", " "), case["value"], case["error"])
    for path in sorted((Path(__file__).parent / "hostile").glob("*.json"))
    for case in json.loads(path.read_text())
]
INJECTIONS = (
    "; return 200", "} server { listen 81", "\n}\nserver {\n", '"; return 302 http://evil.test; #', "' ; #", "$host",
    "${uri}", "\\", '\\"', "#", "{", "}", "\0", "\r\nX-Evil: 1", ":splat", "*", "/../", "//", "é", " ",
)  # fmt: skip


def test_there_are_many() -> None:
    assert len(CASES) >= 400
    assert {field for field, _, _ in CASES} <= PUT.keys()


def test_every_hostile_text_is_refused_with_its_reason() -> None:
    for field, value, words in CASES:
        with pytest.raises(Invalid) as caught:
            check(EdgeState((replace(FILES, host="first.test"), PUT[field](value))), reserved=("panel.test",))
        assert caught.value.code == "edge_state", (field, value)
        assert any(words in detail.message for detail in caught.value.details), (field, value, caught.value.details)
        assert all(detail.path.startswith("sites.1.") for detail in caught.value.details)


def _texts(*plain: str) -> st.SearchStrategy[str]:
    """Plain ones, as they are and with something hostile in, before or behind."""
    hostile = st.one_of(st.sampled_from(INJECTIONS), st.text(max_size=5))
    put = st.tuples(st.sampled_from(plain), hostile, st.integers(0, 30))
    return st.one_of(st.sampled_from(plain), put.map(lambda t: t[0][: t[2]] + t[1] + t[0][t[2] :]))


VALUES = _texts("DENY", "default-src 'self'", 'W/"a"', "max-age=1")
PATHS = _texts("/old", "/old/*", "/a/:b/c", "/")
TARGETS = _texts("/new", "https://example.com/a?b=c", "/:b/:splat", "/index.html", "//shop.test")
STATUSES = st.sampled_from([301, 302, 307, 308, 200, 404, 303])
REDIRECTS = st.builds(Redirect, PATHS, TARGETS, STATUSES, st.booleans())
RULES = st.one_of(
    st.builds(
        Rule, _texts("/", "/api/"), st.tuples(_texts("unix:/run/a.sock", "10.0.0.1:80")),
        strip=st.booleans(), app=_texts("pod1/web"), key=_texts("1:web:/"),
    ),
    st.builds(
        Rule, _texts("/", "/docs/"), directory=_texts("/srv/site"), strip=st.booleans(), spa=st.booleans(),
        redirects=st.lists(REDIRECTS, max_size=2).map(tuple), packed=st.sampled_from([(), ("br", "gz"), ("x",)]),
        headers=st.lists(st.builds(Header, PATHS, _texts("X-A", "Cache-Control"), VALUES), max_size=2).map(tuple),
    ),
)  # fmt: skip
SITES = st.builds(
    Site, _texts("a.test", "www.example.com"), st.sampled_from(["live", "live", "deploying", "failed"]),
    st.tuples(RULES), https=st.booleans(), https_only=st.booleans(), hsts=st.sampled_from([0, 30, -1]),
    allow=st.lists(_texts("10.0.0.0/8", "::1"), max_size=1).map(tuple),
    password=st.sampled_from(["", f"guest:$2b$05${'a' * 53}", "guest:{PLAIN}x;"]),
    redirects=st.lists(REDIRECTS, max_size=1).map(tuple),
    headers=st.lists(st.tuples(_texts("X-A"), VALUES), max_size=1).map(tuple),
    compression=st.sampled_from(["files", "all", "off"]),
)  # fmt: skip
EACH = 40


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.lists(SITES, min_size=EACH, max_size=EACH))
def test_what_is_not_refused_is_harmless(sites: list[Site]) -> None:
    """2,000 sites: each is refused, or the configuration with it reads back as the one that was meant."""
    passed: dict[str, Site] = {}
    for number, site in enumerate(sites):
        own = replace(site, host=f"h{number}.test") if site.host == "a.test" else site
        try:
            check(EdgeState((own,)), reserved=("panel.test",))
        except Invalid:
            continue
        passed[own.host] = own
    state = EdgeState(tuple(passed.values()))
    compare(render(state, LAYOUT, 1), state, LAYOUT)


def test_nginx_reads_them_as_they_were_meant(stand: Stand) -> None:
    printable = [text for text in INJECTIONS if text.isprintable() and text.isascii() and text.strip()]
    upstream = stand.upstream().address
    sites = [
        replace(app(f"h{n}.test", upstream), headers=(("X-Said", f"a{text}b"),)) for n, text in enumerate(printable)
    ]
    marks = "!&'()*+,;=@-._~%20"
    moved = (Redirect(f"/a{marks.replace('*', '')}", f"https://example.com/{marks}?{marks}#{marks}", 301),)
    stand.apply(*sites, replace(app("moved.test", upstream), redirects=moved))
    for number, text in enumerate(printable):
        assert stand.ask(f"h{number}.test").headers["x-said"] == f"a{text}b"
    raw = stand.raw(f"GET {moved[0].path} HTTP/1.1\r\nHost: moved.test\r\nConnection: close\r\n\r\n".encode())
    assert f"\r\nLocation: {moved[0].target}\r\n".encode() in raw


def test_a_refused_state_changes_nothing(stand: Stand) -> None:
    stand.apply(replace(GOOD, rules=(replace(GOOD.rules[0], upstreams=(stand.upstream().address,)),)))
    before = (stand.edge.generation(), stand.edge.layout.configuration.read_bytes())
    for field in PUT:
        value = next(value for name, value, _ in CASES if name == field)
        with pytest.raises(Invalid):
            stand.apply(GOOD, replace(PUT[field](value), host="b.test" if field != "host" else value))
    assert (stand.edge.generation(), stand.edge.layout.configuration.read_bytes()) == before
    assert stand.ask("shop.test").json()["name"] == "app"


MEANT = EdgeState(
    (
        replace(GOOD, headers=(("X-A", "one"),), redirects=(Redirect("/a", "/b", 301),)),
        app("pool.test", "unix:/run/1.sock", "unix:/run/2.sock"),
        replace(FILES, rules=(Rule("/", directory="/srv/site"), Rule("/api/", ("unix:/run/3.sock",)))),
    )
)


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        ("        shop.test\n", "        shop.test\n        more.test\n"),
        ("        shop.test\n", "        other.test\n"),
        ("map $host $bp_rule_0 {", "server { listen 81; } map $host $bp_rule_0 {"),
        ("        location /api/ {", "        location /other/ {"),
        ("        location /api/ {", "        location /x/ { return 200; } location /api/ {"),
        ("        shop.test \"one\";", "        shop.test \"two\";"),
        ("\"301+ /b\"", "\"301+ //evil.test\""),
        ("\"301+ /b\";", "\"301+ /b\"; \"~x\" y;"),
        ("proxy_pass http://$bp_to;", "proxy_pass http://10.0.0.1;"),
        ("upstream pool_", "upstream x { server 10.0.0.1:80; } upstream pool_"),
        ("http {", "stream { } http {"),
        ("map $host $bp_app_0 {", "map $host $bp_app_0 { evil.test x;"),
        ("        root \"", "        root \"/etc\"; #"),
        ("    }\n}\n", "    }\n"),
    ],
)  # fmt: skip
def test_another_configuration_than_the_one_meant_is_not_used(there: str, instead: str) -> None:
    text = render(MEANT, LAYOUT, 1)
    compare(text, MEANT, LAYOUT)
    assert there in text
    with pytest.raises(Unavailable) as caught:
        compare(text.replace(there, instead, 1) if there != "    }\n}\n" else text[: -len(there)], MEANT, LAYOUT)
    assert caught.value.code == "edge_refused"


def test_five_thousand_routes(stand: Stand) -> None:
    upstream = stand.upstream().address
    sites = [
        replace(
            app(f"h{n}.test", upstream, app=f"pod{n}/web"),
            headers=(("X-Number", str(n)),),
            redirects=(Redirect("/old", f"/new-{n}", 301),) if n % 100 == 0 else (),
        )
        for n in range(5000)
    ]
    stand.apply(*sites)
    assert stand.edge.layout.configuration.read_text().count("server {") == 3 + 2  # with redirects, and without
    for number in (0, 4999, 100):
        answer = stand.ask(f"h{number}.test", "/x")
        assert (answer.status_code, answer.headers["x-number"]) == (200, str(number))
    assert stand.ask("h4900.test", "/old").headers["location"] == "/new-4900"
    with pytest.raises(Invalid, match="there twice"):
        stand.apply(*sites, sites[2500])
    assert stand.ask("h2500.test").status_code == 200
