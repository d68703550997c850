"""Static sites: the Cache-Control table to the letter, fallbacks, and nothing but the site's own files."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.edge.base import Rule, Site
from tests.edge.conftest import Stand

HTML = "no-store, no-cache, must-revalidate, max-age=0, s-maxage=0"
IMMUTABLE = "public, max-age=31536000, immutable"
OTHER = "public, max-age=3600, must-revalidate"

TABLE = {
    "/": HTML,
    "/about": HTML,
    "/deep/route": HTML,
    "/docs/": HTML,
    "/assets/page.html": HTML,
    "/assets/data.json": IMMUTABLE,
    "/_assets/x.bin": IMMUTABLE,
    "/static/x.txt": IMMUTABLE,
    "/app.js": IMMUTABLE,
    "/app.css": IMMUTABLE,
    "/font.woff2": IMMUTABLE,
    "/logo.PNG": IMMUTABLE,
    "/favicon.ico": IMMUTABLE,
    "/robots.txt": OTHER,
    "/data.json": OTHER,
    "/docs/static/x.txt": OTHER,
}


def tree(root: Path, **files: str) -> Path:
    """A directory of files with the modes the artifact store gives them."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for path in (root, *root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return root


@pytest.fixture
def site(stand: Stand) -> Path:
    names = [name.lstrip("/") for name in TABLE if "." in name]
    files = {**{name: name for name in names}, "index.html": "home", "about.html": "about", "docs/index.html": "docs"}
    root = tree(stand.root / "site", **files)
    stand.apply(Site("shop.test", rules=(Rule("/", directory=str(root)),)))
    return root


def test_cache_control_of_every_kind_of_file(stand: Stand, site: Path) -> None:
    found = {path: stand.ask("shop.test", path) for path in TABLE}
    assert {path: answer.status_code for path, answer in found.items()} == dict.fromkeys(TABLE, 200)
    assert {path: answer.headers["cache-control"] for path, answer in found.items()} == TABLE
    assert found["/deep/route"].text == "home"
    assert found["/docs/"].text == "docs"
    assert found["/about"].headers["content-type"] == "text/html; charset=utf-8"


def test_a_page_with_and_without_its_slash(stand: Stand, site: Path) -> None:
    """What a directory's page links to lies beneath it, a page's own beside it: both have one address for browsers."""
    tree(site, **{"about/team.html": "team", "empty/x.txt": "x"})
    (site / "docs" / "index.html.gz").write_bytes(b"packed")
    for path, strip, packed in (("/", False, ()), ("/", False, ("gz",)), ("/at/here/", True, ())):
        rule = Rule(path, directory=str(site), strip=strip, packed=packed)
        stand.apply(Site("shop.test", rules=(rule,)))
        stand.edge.settle()
        at = path.rstrip("/")
        asked = stand.ask("shop.test", f"{at}/docs?a=%20", headers={"Accept-Encoding": "gzip"})
        assert (asked.status_code, asked.headers["location"]) == (301, f"{at}/docs/?a=%20")
        assert asked.headers.get_list("cache-control") == [HTML]
        for page, text in (("/about", "about"), ("/about/", "about"), ("/about/team/", "team"), ("/empty", "home")):
            assert stand.ask("shop.test", at + page).text == text, page
    for path in ("//docs", "///docs", "/%2Fdocs", "/./docs"):
        sent = stand.raw(f"GET {path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n".encode())
        assert b"\r\nLocation: //" not in sent, path


@pytest.mark.parametrize("path", ["/", "/about", "/app.js", "/robots.txt"])
def test_a_304_says_the_same(stand: Stand, site: Path, path: str) -> None:
    etag = stand.ask("shop.test", path).headers["etag"]
    again = stand.ask("shop.test", path, headers={"If-None-Match": etag})
    assert (again.status_code, again.headers["cache-control"]) == (304, TABLE[path])


def test_a_missing_file_is_404(stand: Stand, site: Path) -> None:
    missing = stand.ask("shop.test", "/gone.js")
    assert (missing.status_code, "Page not found" in missing.text) == (404, True)
    assert missing.headers["cache-control"] == "no-store"
    tree(site, **{"404.html": "our own"})
    missing = stand.ask("shop.test", "/gone.js")
    assert (missing.status_code, missing.text, missing.headers["cache-control"]) == (404, "our own", HTML)


def test_without_fallback_unknown_paths_are_404(stand: Stand, site: Path) -> None:
    stand.apply(Site("shop.test", rules=(Rule("/", directory=str(site), spa=False),)))
    assert stand.ask("shop.test", "/deep/route").status_code == 404
    assert stand.ask("shop.test", "/about").status_code == 200


def test_dotfiles_and_methods(stand: Stand, site: Path) -> None:
    tree(site, **{".env": "secret", ".git/config": "secret", "a/.b/c.txt": "secret", ".well-known/x.txt": "known"})
    for path in ("/.env", "/.git/config", "/a/.b/c.txt", "/%2eenv", "/.well-known/../.env", "/.well-known/.x"):
        response = stand.ask("shop.test", path)
        assert (response.status_code, "secret" in response.text) == (404, False), path
    assert stand.ask("shop.test", "/.well-known/x.txt").text == "known"
    assert stand.ask("shop.test", "/", "POST", content=b"x").status_code == 405


def test_no_link_leads_out(stand: Stand, site: Path) -> None:
    outside = tree(stand.root / "outside", **{"file.txt": "secret", "index.html": "secret"})
    (site / "link.txt").symlink_to(outside / "file.txt")
    (site / "linked").symlink_to(outside)
    (site / "hidden").mkdir(mode=0o755)
    (site / "hidden" / "index.html").symlink_to("../../outside/index.html")
    (site / "404.html").symlink_to(outside / "file.txt")
    for path in (
        "/link.txt",
        "/linked/file.txt",
        "/linked/",
        "/hidden/",
        "/../outside/file.txt",
        "/%2e%2e/outside/file.txt",
    ):
        assert "secret" not in stand.ask("shop.test", path).text, path
        asked = stand.raw(f"GET {path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n".encode())
        assert b"secret" not in asked, path


def test_beneath_a_path_with_and_without_strip(stand: Stand, site: Path) -> None:
    tree(site, **{"docs/only.txt": "unstripped", "only.txt": "stripped"})
    for strip, text in ((True, "stripped"), (False, "unstripped")):
        stand.apply(Site("shop.test", rules=(Rule("/docs/", directory=str(site), strip=strip),)))
        stand.edge.settle()
        assert stand.ask("shop.test", "/docs/only.txt").text == text
        assert stand.ask("shop.test", "/docs?a=1").headers["location"] == "/docs/?a=1"
        assert stand.ask("shop.test", "/elsewhere").status_code == 404


def test_a_flip_is_a_rename(stand: Stand, site: Path) -> None:
    new = tree(stand.root / "new", **{"index.html": "new home"})
    before = stand.edge.generation()
    applied = stand.apply(Site("shop.test", rules=(Rule("/", directory=str(new)),)))
    assert (applied.generation, applied.reloaded) == (before, False)
    assert stand.ask("shop.test").text == "new home"
