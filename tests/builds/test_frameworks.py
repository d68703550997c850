"""One small project of each static framework of npm and PyPI, from its files to its pages; then again, warm.

The projects have exact versions and no lockfile: the lock files of optional platform packages are not the same on every
machine, and `npm ci` refuses the ones of another. Gatsby's overrides sharp: the version that it asks for fetches its
binaries from GitHub's releases, which closed networks do not reach, later ones have them on npm. Hugo is in
test_detect_stacks.py.
"""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from apps import engines
from apps.builds.bundle import Manifest
from apps.core.errors import UserError
from tests.builds.conftest import Builder, unreachable

PROJECTS = Path(__file__).parent / "projects"
WORDS, LATER = "Boats leave at noon", "Boats leave at dusk"
NOISE = 20  # seconds by which a loaded machine may hold up one of two builds


@dataclass(frozen=True)
class Expected:
    """`asset`: how a file ends that the page names; `restored`: what the second build finds of the first one's."""

    output: str
    asset: str
    restored: tuple[str, ...] = ()


FRAMEWORKS = {
    "angular": Expected("dist/site/browser", ".js", (".angular/cache",)),
    "astro": Expected("dist", ".css", ("node_modules/.astro", "node_modules/.vite")),
    "create-react-app": Expected("build", ".js", ("node_modules/.cache",)),
    "docusaurus": Expected("build", ".js", (".docusaurus", "node_modules/.cache")),
    "eleventy": Expected("_site", ".css"),
    "gatsby": Expected("public", ".js", (".cache", "public")),
    "mkdocs": Expected("site", ".css"),
    "next": Expected("out", ".js", (".next/cache",)),
    "nuxt": Expected(".output/public", ".js", (".nuxt",)),
    "react-router": Expected("build/client", ".js"),
    "remix": Expected("build/client", ".js"),
    "sveltekit": Expected("build", ".js", (".svelte-kit",)),
    "vite": Expected("dist", ".css"),
    "vitepress": Expected("docs/.vitepress/dist", ".js"),
}
HEAVY = ("angular", "create-react-app", "docusaurus", "gatsby", "next", "nuxt", "remix")  # above 40 s, most of it npm's


class Names(HTMLParser):
    """What a page names of its own site: paths from the site's root, which the page is at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.paths: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("src") or (given.get("href") if tag == "link" else "") or ""
        parts = urlsplit(name)
        if parts.path and not parts.netloc and not parts.scheme and re.search(r"\.\w+$", parts.path):
            self.paths.add(parts.path.removeprefix("./").lstrip("/"))


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package managers' caches and tools, shared by these builds."""
    return tmp_path_factory.mktemp("lasting")


@pytest.fixture
def kept(builder: Builder, lasting: Path) -> Builder:
    builder.cache = lasting / "cache"
    builder.tools = lasting / "tools"
    builder.seconds = 600
    return builder


def build(builder: Builder, root: Path) -> tuple[Manifest, float]:
    """What comes out, and the seconds it took."""
    began = time.monotonic()
    try:
        return builder.build(root), time.monotonic() - began
    except UserError as error:
        if unreachable(error):
            pytest.skip("the package registry cannot be reached")
        raise
    finally:
        print("\n".join(builder.lines))


def restored(builder: Builder) -> set[str]:
    """The frameworks' own directories that the last build found."""
    lines = [line for line in builder.lines if line.startswith("Cache: restored ") and " dependencies " not in line]
    return {name for line in lines for name in line.removeprefix("Cache: restored ").partition(" (")[0].split(", ")}


def check(builder: Builder, built: Manifest, name: str, words: str) -> None:
    expected, site = FRAMEWORKS[name], builder.stored(built.app)
    assert builder.plan
    assert (builder.plan.framework, builder.plan.kind, builder.plan.output) == (name, "static", expected.output)
    assert built.kind == "static"
    page = (site / "index.html").read_text()
    assert words in page
    named = Names(page).paths
    assert any(path.endswith(expected.asset) for path in named), page
    assert [path for path in sorted(named) if not (site / path).is_file()] == []


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.heavy] if n in HEAVY else []) for n in FRAMEWORKS])
def test_a_site_is_built_and_built_again(kept: Builder, tmp_path: Path, name: str) -> None:
    root = tmp_path / "project"
    shutil.copytree(PROJECTS / name, root)
    first, cold = build(kept, root)
    check(kept, first, name, WORDS)
    assert kept.layer
    assert not kept.layer.reused
    assert not restored(kept)

    (source,) = [path for path in root.rglob("*") if path.is_file() and WORDS in path.read_text()]
    source.write_text(source.read_text().replace(WORDS, LATER))
    second, warm = build(kept, root)
    check(kept, second, name, LATER)
    assert kept.layer.reused
    if engines.engine().check().sandbox:  # without it nothing beneath node_modules is kept
        assert set(FRAMEWORKS[name].restored) <= restored(kept)
    sizes = f"{kept.layer.size / 1e6:.0f} MB installed, {second.size / 1e6:.1f} MB made"
    print(f"{name}: {cold:.1f} s, again {warm:.1f} s; {sizes}")
    assert warm < cold + NOISE
