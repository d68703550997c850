"""What a static site asks for itself: its redirects, headers and packed files."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from apps.builds.site import Settings, parse_headers, parse_redirects
from apps.builds.site import read as read_settings
from apps.edge.base import Rule, Site
from tests.edge.conftest import Stand
from tests.edge.test_static import HTML, IMMUTABLE, OTHER, tree

REDIRECTS = """
# comment
/old          /new
/gone/*       https://example.com/:splat   302   # and another
/app/*        /app/index.html  200
/taken.html   /new   301
/forced.html  /new   307!
/lost/*       /404.html  404
"""
HEADERS = """
/*
  X-Frame-Options: DENY
/fonts/*
  Cache-Control: public, max-age=60
  Access-Control-Allow-Origin: *
"""
FILES = {
    "index.html": "home", "new.html": "new", "taken.html": "taken", "forced.html": "forced", "app/index.html": "app",
    "404.html": "lost", "fonts/a.woff2": "font", "_redirects": REDIRECTS, "_headers": HEADERS,
}  # fmt: skip


def put(stand: Stand, files: dict[str, str], path: str = "/", **more: Any) -> list[str]:
    """Serve a site as a build of it would have it served; what the build would have said."""
    root, said = tree(stand.root / "site", **files), []
    settings = read_settings(root, said.append)
    assert Settings.from_json(settings.as_json()) == settings
    rule = Rule(path, directory=str(root), strip=path != "/", **settings.of_rule(), **more)
    stand.apply(Site("shop.test", rules=(rule,)))
    return said


@pytest.mark.parametrize("path", ["/", "/docs/"])
def test_redirects_of_a_site(stand: Stand, path: str) -> None:
    assert put(stand, FILES, path) == ["Read 6 redirects and 3 headers of the site."]
    at = path.rstrip("/")

    def asked(name: str) -> tuple[int, str]:
        answer = stand.ask("shop.test", at + name)
        return answer.status_code, answer.headers.get("location", answer.text)

    assert asked("/old?a=1") == (301, f"{at}/new?a=1")
    assert asked("/gone/a/b") == (302, "https://example.com/a/b")
    assert asked("/app/deep/er.js") == (200, "app")
    assert asked("/taken.html") == (200, "taken")  # the file is there
    assert asked("/forced.html") == (307, f"{at}/new")
    assert asked("/lost/x") == (404, "lost")
    assert asked("/deep/route") == (200, "home")
    for name in ("/_redirects", "/_headers"):
        assert asked(name)[0] == 404


@pytest.mark.parametrize("sign", ["", "!"])
def test_a_redirect_is_kept_no_longer_than_a_page(stand: Stand, sign: str) -> None:
    """Not as the file would be that has its name: the next deployment may have that file."""
    redirects = f"/assets/app.js /assets/new.js 302{sign}\n/old.txt /new.txt 301{sign}"
    put(stand, {"index.html": "home", "assets/new.js": "new", "_redirects": redirects})
    for path, status in (("/assets/app.js", 302), ("/old.txt", 301)):
        answer = stand.ask("shop.test", path)
        assert (answer.status_code, answer.headers["cache-control"]) == (status, HTML)
    assert stand.ask("shop.test", "/assets/new.js").headers["cache-control"] == IMMUTABLE


def test_headers_of_a_site(stand: Stand) -> None:
    put(stand, FILES)
    font = stand.ask("shop.test", "/fonts/a.woff2")
    assert font.headers.get_list("cache-control") == ["public, max-age=60"]
    assert (font.headers["x-frame-options"], font.headers["access-control-allow-origin"]) == ("DENY", "*")
    for name, status in (("/", 200), ("/deep", 200), ("/gone.js", 404)):
        answer = stand.ask("shop.test", name)
        assert (answer.status_code, answer.headers["cache-control"]) == (status, HTML)
        assert answer.headers["x-frame-options"] == "DENY"
        assert "access-control-allow-origin" not in answer.headers


def test_headers_of_a_site_beneath_a_path(stand: Stand) -> None:
    put(stand, FILES, "/docs/")
    assert stand.ask("shop.test", "/docs/fonts/a.woff2").headers["cache-control"] == "public, max-age=60"
    assert stand.ask("shop.test", "/docs/").headers["x-frame-options"] == "DENY"


def test_packed_files(stand: Stand) -> None:
    text = "body { color: red }\n" * 200
    files = {"index.html": "home" * 99, "about.html": "about", "app.css": text, "plain.txt": "plain", "a.tar.gz": "tar"}
    root = tree(stand.root / "site", **files)
    for name in ("app.css", "about.html"):
        (root / f"{name}.gz").write_bytes(gzip.compress(files[name].encode()))
    (root / "app.css.br").write_bytes(b"as if it were brotli")
    tree(root)
    said: list[str] = []
    settings = read_settings(root, said.append)
    assert (said, settings.packed) == ([], ("br", "gz"))
    stand.apply(Site("shop.test", rules=(Rule("/", directory=str(root), packed=settings.packed),)))

    def asked(path: str, accepted: str, **more: str) -> Any:
        return stand.ask("shop.test", path, headers={"Accept-Encoding": accepted, **more})

    raw = stand.raw(b"GET /app.css HTTP/1.0\r\nHost: shop.test\r\nAccept-Encoding: gzip, br\r\n\r\n")
    assert raw.endswith(b"as if it were brotli")
    assert b"Content-Encoding: br\r\n" in raw
    for accepted in ("gzip", "deflate, gzip;q=0.5", "br;q=0, gzip"):
        packed = asked("/app.css", accepted)
        assert (packed.status_code, packed.text) == (200, text)
        assert (packed.headers["content-encoding"], packed.headers["cache-control"]) == ("gzip", IMMUTABLE)
        assert packed.headers.get_list("content-type") == ["text/css; charset=utf-8"]
        assert packed.headers["vary"] == "Accept-Encoding"
    for accepted in ("identity", "gzip;q=0", "gzipped", "br;q=0.0,identity"):
        plain = asked("/app.css", accepted)
        assert (plain.text, plain.headers.get("content-encoding")) == (text, None)
    about = asked("/about", "gzip")
    assert (about.text, about.headers["cache-control"]) == ("about", HTML)
    assert asked("/plain.txt", "gzip").headers["cache-control"] == OTHER
    archive = asked("/a.tar.gz", "gzip")
    assert (archive.content, archive.headers.get("content-encoding")) == (b"tar", None)
    assert archive.headers["cache-control"] == OTHER
    assert asked("/deep", "gzip").text == files["index.html"]
    etag = asked("/app.css", "gzip").headers["etag"]
    assert asked("/app.css", "gzip", **{"If-None-Match": etag}).status_code == 304
    assert stand.ask("shop.test", "/app.css", "POST", content=b"x").status_code == 405


def test_ranges(stand: Stand) -> None:
    put(stand, {"index.html": "home", "video.mp4": "0123456789"})

    def part(given: str) -> tuple[int, str, str]:
        answer = stand.ask("shop.test", "/video.mp4", headers={"Range": given})
        return answer.status_code, answer.headers.get("content-range", ""), answer.text

    assert part("bytes=2-4") == (206, "bytes 2-4/10", "234")
    assert part("bytes=-3") == (206, "bytes 7-9/10", "789")
    assert part("bytes=20-")[0] == 416


def test_a_deploy_without_settings_is_no_reload(stand: Stand) -> None:
    put(stand, {"index.html": "one"})
    new = tree(stand.root / "new", **{"index.html": "two"})
    rule = Rule("/", directory=str(new), **read_settings(new, print).of_rule())
    assert not stand.apply(Site("shop.test", rules=(rule,))).reloaded
    assert stand.ask("shop.test").text == "two"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/only", "needs two paths"),
        ("/a b", "has no target"),
        ("/a id=:id /b", "conditions on the query"),
        ("/a /b 301 Country=de", "conditions such as Country=de"),
        ("/a /b 418", "the status must be"),
        ("/a https://x.test/ 200", "not sent on to other servers"),
        ("https://x.test/a /b", "a whole address"),
        ("/a /missing.html 404", "always /404.html"),
        ("/a /a", "leads to itself"),
        ("/a /b/:splat", "stands for nothing"),
        ("/a* /b", "the path must be"),
        ("/a /../b 200", "plain path of a file"),
        ("/a/:splat /b", "may have a colon"),
        ("/a/:x/:x /b", "has a name twice"),
        ("/* /:splat 200", "plain path of a file"),
        ("/a //evil.test", "the target must be"),
        ('/a "/b";return', "has no target"),
        ("/a$uri /b", "the path must be"),
        ("a /b", "the path must be"),
    ],
)  # fmt: skip
def test_lines_of_redirects_that_are_left_out(line: str, why: str) -> None:
    found, warnings = parse_redirects(f"/x /y\n{line}\n/v /w")
    assert [redirect.path for redirect in found] == ["/x", "/v"]
    assert len(warnings) == 1
    assert warnings[0].startswith("line 2: ")
    assert why in warnings[0]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("  X-A: b", "beneath no path"),
        ("/a\n  nothing", "no header such as"),
        ("/a\n  X A: b", "a header's name"),
        ("/a\n  Content-Length: 1", "the edge's own"),
        ("/a\n  X-A: ünï", "printable ASCII"),
        ("/a\n  X-A:", "printable ASCII"),
        ("/*.js\n  X-A: b", "the path must be"),
        ("https://x.test/\n  X-A: b", "the path must be"),
        ("/a\n  ! X-A", "no header such as"),
        (f"/a\n  X-A: {'v' * 2001}", "at most 2000"),
    ],
)
def test_lines_of_headers_that_are_left_out(text: str, why: str) -> None:
    found, warnings = parse_headers(f"{text}\n/x\n  X-Good: 1")
    assert [header.name for header in found] == ["X-Good"]
    assert why in warnings[0]


def test_there_is_an_end_to_it(tmp_path: Path) -> None:
    found, warnings = parse_redirects("\n".join(f"/a{n} /b" for n in range(205)))
    assert (len(found), len(warnings)) == (200, 5)
    said: list[str] = []
    tree(tmp_path, _redirects="bad\n" * 100, _headers="/a\n" + "  X-A: b\n" * 60, **{"index.html": "x"})
    settings = read_settings(tmp_path, said.append)
    assert (len(settings.redirects), len(settings.headers)) == (0, 50)
    assert "_redirects: 80 more lines are left out." in said
    (tmp_path / "_redirects").write_text("#" * 300_000)
    (tmp_path / "_headers").unlink()
    (tmp_path / "_headers").symlink_to("/etc/hostname")
    said.clear()
    assert read_settings(tmp_path, said.append) == Settings()
    assert said == ["_redirects is larger than 256 KB: it is left out."]


def test_letters_of_all_languages() -> None:
    found, warnings = parse_redirects("/über-uns /about/ünï 302\r\n/ja\t/日本")
    assert not warnings
    assert [(one.path, one.target) for one in found] == [
        ("/%C3%BCber-uns", "/about/%C3%BCn%C3%AF"), ("/ja", "/%E6%97%A5%E6%9C%AC"),
    ]  # fmt: skip
