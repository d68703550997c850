"""Builds of code that nobody vouches for, against a cache that production reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from apps import engines
from apps.artifacts.objects import opened
from apps.builds.caching.cache import Shelf
from apps.builds.caching.keys import manifest
from apps.builds.caching.place import Place
from tests.builds.conftest import Builder

Make = Callable[[dict[str, str]], Path]
POISON = """
for place in /layers/cache /layers/cache/uv /layers/deps /layers/deps/venv /layers/deps/venv/bin "$HOME"; do
  echo evil > "$place/evil"
done
find /layers -type f -exec sh -c 'echo evil >> "$1"' sh {} ';' 2>/dev/null
find / -xdev -name g1 -path '*production*' 2>/dev/null | while read -r found; do echo evil > "$found/evil"; done
exit 0
"""


def untrusted(builder: Builder) -> Builder:
    """The same app built for a preview of a fork."""
    home = builder.cache.parents[1]
    return replace(
        builder, cache=home / "untrusted-7/g1", scope="1/pod0test/app/untrusted-7/1", lines=[],
        trusted=Shelf(builder.cache, builder.scope),
    )  # fmt: skip


def test_a_preview_of_a_fork_poisons_nothing(builder: Builder, project: Make) -> None:
    if not engines.engine().check().sandbox:
        pytest.skip("no sandbox on this machine")
    root = project({"main.py": "print('good')"})
    good = builder.build(root, build="echo seen > /layers/cache/seen")
    assert good.deps
    before, layer = manifest(builder.cache), manifest(builder.stored(good.deps))
    preview = untrusted(builder)
    (root / "poison.sh").write_text(POISON)
    evil = preview.build(root, build="sh poison.sh")
    (root / "poison.sh").unlink()
    assert preview.layer
    assert preview.layer.reused, "production's layer may be read"
    assert manifest(builder.cache) == before
    assert manifest(builder.stored(good.deps)) == layer
    again = builder.build(root, build="cat /layers/cache/seen")
    assert "seen" in builder.lines
    assert (again.deps, again.app) == (good.deps, good.app)
    assert not [line for line in builder.lines if "evil" in line]
    assert evil.deps == good.deps


def test_packages_of_a_zone_begin_as_a_copy(builder: Builder, project: Make) -> None:
    root = project({"main.py": ""})
    builder.build(root, build="echo good > /layers/cache/shared")
    preview = untrusted(builder)
    preview.build(
        root, build="cat /layers/cache/shared; echo evil > /layers/cache/shared; echo mine > /layers/cache/own"
    )
    assert "good" in preview.lines
    assert (builder.cache / "packages/shared").read_text() == "good\n"
    assert not (builder.cache / "packages/own").exists()
    preview.build(root, build="cat /layers/cache/own")
    assert "mine" in preview.lines


def test_what_a_zone_makes_is_found_by_itself_alone(builder: Builder, project: Make, tmp_path: Path) -> None:
    preview = untrusted(builder)
    preview.remote = builder.remote = opened(f"file://{tmp_path}/shared")
    root = project({"main.py": ""})
    preview.build(root)
    assert preview.layer
    assert not preview.layer.reused
    preview.build(root)
    assert preview.layer.reused
    builder.build(root)
    assert builder.layer
    assert not builder.layer.reused


def test_zones_have_names(tmp_path: Path) -> None:
    place = Place(tmp_path, "1", "pod", "web", "untrusted:42", 3)
    assert place.directory == tmp_path / "1/pod-web/untrusted-42/g3"
    assert place.scope == "1/pod/web/untrusted-42/3"
    for zone in ("", "untrusted", "untrusted:", "untrusted:../production", "production:1", "untrusted:a/b", "..\n"):
        with pytest.raises(ValueError, match="zone"):
            Place(tmp_path, "1", "pod", "web", zone)
