"""The rendered configuration, compared with golden files; `python -m tests.edge.test_render` writes them anew."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
from django.urls import reverse

from apps.edge import applied, links, tenants, validation
from apps.edge.base import DEFAULT, EdgeState, Rule, Site
from apps.edge.layout import Layout
from apps.edge.outside import Outside
from apps.edge.render import DOWNLOADS, generation_of, render, renumbered
from tests.edge.conftest import app

GOLDEN = Path(__file__).parent / "golden"
LAYOUT = Layout(
    state=Path("/srv/pod"),
    run=Path("/srv/pod/run"),
    port=8080,
    tls_port=8443,
    bind="127.0.0.1",
    dashboard_host="panel.test",
    dashboard_pages=("/srv/pod/run/pages-0.sock", "/srv/pod/run/pages-1.sock"),
    dashboard_sockets="/srv/pod/run/sockets.sock",
    static_root=Path("/srv/pod/static"),
)
API = (
    Rule("/", directory="/srv/site", spa=False, app="pod1/site"),
    Rule("/api/", upstreams=("unix:/run/api.sock",), strip=True, app="pod1/api"),
)
STATES = {
    "empty": EdgeState(),
    "plain": EdgeState(tuple(app(f"{name}.test", f"unix:/run/{name}.sock") for name in ("b", "a", "c"))),
    "answers": EdgeState(
        (
            Site("a.test", answer="deploying"),
            Site("b.test", answer="maintenance"),
            Site("c.test", answer="deploying", rules=API),
        )
    ),
    "mcp": EdgeState(
        (
            Site("a.test", rules=(Rule("/", ("unix:/run/0.sock",), mcp=True, app="pod1/one"),)),
            Site("b.test", rules=(Rule("/", ("unix:/run/0.sock", "unix:/run/1.sock"), mcp=True, app="pod2/two"),)),
            Site("c.test", rules=(Rule("/x/", ("10.0.0.1:80", "[fd00::1]:80"), mcp=True, app="pod3/far"),)),
            Site(
                "d.test",
                rules=(
                    Rule(
                        "/",
                        ("unix:/run/2.sock",),
                        mcp=True,
                        keyed=True,
                        app="pod4/shut",
                        keys=(("0123abcd", "d" * 22),),
                    ),
                ),
            ),
        )
    ),
    "mixed": EdgeState(
        (
            Site("a.test", rules=API),
            app("b.test", "unix:/run/0.sock", "unix:/run/1.sock", timeout=300, body_mb=1),
            app("c.test", "10.0.0.1:80", app="pod2/web"),
            app("d.test"),
            Site("e.test", rules=(Rule("/", directory="/srv/spa"),)),
        )
    ),
    "certified": EdgeState(
        (
            replace(app("a.test", "unix:/run/a.sock"), certificate="0123-1"),
            replace(app("b.test", "unix:/run/b.sock"), certificate=DEFAULT),
            app("c.test", "unix:/run/c.sock"),
        ),
        certificate="4567-2",
    ),
    "resting": EdgeState(
        (
            app("a.test", sleeps=True, app="pod1/web"),
            app("b.test", "unix:/run/b.sock", sleeps=True, app="pod2/web"),
            app("c.test", "10.0.0.1:80", "10.0.0.2:80", sleeps=True, path="/api/", strip=True, app="pod3/web"),
            app("d.test", stopped=True, app="pod4/web"),
        )
    ),
    "cached": EdgeState(
        (
            replace(app("a.test", "unix:/run/a.sock", cache="g-7", app="pod1/web"), route="pod1/site"),
            app("b.test", "10.0.0.1:80", "10.0.0.2:80", cache="g-1", path="/api/", strip=True, app="pod2/web"),
        )
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_golden(name: str) -> None:
    assert render(STATES[name], LAYOUT, 7) == (GOLDEN / f"{name}.conf").read_text()


def test_golden_with_everything_set() -> None:
    assert render(EdgeState(), FULL, 1) == (GOLDEN / "settings.conf").read_text()


@pytest.mark.parametrize("name", STATES)
def test_another_number_is_what_would_be_rendered(name: str) -> None:
    for old, new in ((7, 8), (0, 1), (9, 1234)):
        assert renumbered(render(STATES[name], LAYOUT, old), new) == render(STATES[name], LAYOUT, new)


def test_the_order_of_sites_does_not_matter() -> None:
    sites = list(STATES["mixed"].sites)
    random.shuffle(sites)
    assert render(EdgeState(tuple(sites)), LAYOUT, 7) == render(STATES["mixed"], LAYOUT, 7)


def test_where_links_lead_stands_in_no_configuration() -> None:
    one, other = (EdgeState((app("a.test", f"unix:/run/{name}.sock"),)) for name in ("old", "new"))
    assert render(one, LAYOUT, 1) == render(other, LAYOUT, 1)


def test_hosts_of_one_kind_share_a_block() -> None:
    state = EdgeState(tuple(app(f"h{number}.test", f"unix:/run/{number}.sock") for number in range(1000)))
    text = render(state, LAYOUT, 3)
    assert text.count("server {") == render(EdgeState((state.sites[0],)), LAYOUT, 3).count("server {")
    assert generation_of(text) == 3


def test_of_many_only_the_new_one_is_worked_out(tmp_path: Path) -> None:
    def states() -> EdgeState:  # values of their own, as they are read from the database
        return EdgeState(tuple(app(f"r{number}.test", "unix:/run/a.sock", app="p/web") for number in range(99)))

    def work(state: EdgeState) -> None:
        validation.check(state)
        render(state, LAYOUT, 1)
        links.wanted(state)
        applied.write(tmp_path / "applied.json", state)

    remembering = (validation._problems, tenants._kind, tenants._rows, links.name, links._rules, applied._text)
    work(states())
    before = [each.cache_info().misses for each in remembering]
    work(replace(states(), sites=(*states().sites, app("one-more.test", "unix:/run/a.sock", app="p/web"))))
    assert [each.cache_info().misses for each in remembering] == [misses + 1 for misses in before]
    assert applied.read(tmp_path / "applied.json").sites[-1].host == "one-more.test"


def test_pushes_pass_through_as_they_come_with_either_nginx() -> None:
    theirs = Outside(Path("/etc/nginx/brainpod"), ("nginx", "-s", "reload"), (), Path("/run/nginx.pid"))
    for outside in (None, theirs):
        text = render(
            EdgeState(), replace(LAYOUT, dashboard_git="/srv/pod/run/git.sock", push_mb=100, outside=outside), 3
        )
        place = text[text.index("location ^~ /git/ {") :].partition("}")[0]
        assert "proxy_pass http://brainpod_git;" in place
        assert "client_max_body_size 164m;" in place
        assert "proxy_request_buffering off; proxy_buffering off;" in place
        assert 'server "unix:/srv/pod/run/git.sock"' in text
    assert "/git/" not in render(EdgeState(), LAYOUT, 3)


def test_downloads_go_where_threads_may_be_held() -> None:
    text = render(EdgeState(), replace(LAYOUT, dashboard_git="/srv/pod/run/git.sock"), 3)
    place = text[text.index(f'location ~ "{DOWNLOADS}" {{') :].partition("}\n")[0]
    assert "proxy_pass http://brainpod_git;" in place
    assert "proxy_buffering off;" in place
    for name in ("backup-content", "disk-download", "database-export"):
        assert re.search(DOWNLOADS, reverse(name, args=["shop", "db"])), name
    assert re.search(DOWNLOADS, reverse("service-export", args=["main"]))
    for name in ("backup", "disk-files", "database-console"):
        assert not re.search(DOWNLOADS, reverse(name, args=["shop", "db"])), name
    assert DOWNLOADS not in render(EdgeState(), LAYOUT, 3), "pages make them where there is no such process"


FULL = Layout(
    state=Path("/srv/with space"),
    run=Path("/srv/r"),
    port=80,
    tls_port=443,
    bind="::",
    dashboard_host="panel.test",
    dashboard_pages=("/srv/r/p",),
    dashboard_sockets="/srv/r/s",
    dashboard_git="/srv/r/g",
    static_root=Path("/srv/static"),
    trusted_proxies=("10.0.0.0/8", "fd00::/8"),
    workers=4,
    open_files=1024,
    user="nobody nogroup",
)

if __name__ == "__main__":
    for golden, state in STATES.items():
        (GOLDEN / f"{golden}.conf").write_text(render(state, LAYOUT, 7))
    (GOLDEN / "settings.conf").write_text(render(EdgeState(), FULL, 1))
