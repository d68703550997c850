"""Files of repositories and of other tools: corpora/builds.yaml."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from apps.builds.detect.project import Project
from apps.builds.site import parse_headers, parse_redirects
from apps.core.errors import UserError
from apps.manifests.importing import convert
from apps.manifests.reading import parse
from tests.security.corpus import Group, groups, hold
from tests.security.entries import REPO


def left_out(found: tuple[object, list[str]]) -> None:
    """A site is served without the lines that are not understood: each has a warning in the build's log."""
    if found[1]:
        raise UserError("left_out", " ".join(found[1]))


def read(text: str, name: str, folder: Path) -> None:
    (folder / name).write_bytes(text.encode())
    project = Project(folder)
    project.json(name) if name.endswith(".json") else project.toml(name)


def entry_of(group: Group, folder: Path) -> Callable[[str], object]:
    template = str(group.more.get("text", ""))

    def written(value: str) -> str:
        return template.replace("◊", json.dumps(value, ensure_ascii=False) if group.more.get("quoted") else value)

    entries: dict[str, Callable[[str], object]] = {
        "manifest": lambda value: parse(written(value), team="home"),
        "compose": lambda value: convert({"compose": written(value)}, repo=REPO),
        "app_json": lambda value: convert({"app_json": value}, repo=REPO),
        "redirects": lambda value: left_out(parse_redirects(value)),
        "headers": lambda value: left_out(parse_headers(f"/*\n  {value}")),
        "headers_path": lambda value: left_out(parse_headers(f"{value}\n  X-A: b")),
        "file": lambda value: read(value, group.more["name"], folder),
    }
    return entries[group.entry]


@pytest.mark.parametrize("group", groups("builds"), ids=str)
def test_refused(group: Group, tmp_path: Path) -> None:
    hold(group, entry_of(group, tmp_path))


@pytest.mark.parametrize("count", ["²", "①", "９" * 5, "9" * 5000, "", "-1", "x"], ids=lambda text: ascii(text)[:20])
def test_no_number_of_other_tools_breaks_an_import(count: str) -> None:
    """What cannot be carried is left or changed, and said: it is no reason to refuse the file."""
    compose = {"web": {"build": ".", "deploy": {"replicas": count},
                       "healthcheck": {"test": "true", "retries": count, "interval": f"{count}s"}}}  # fmt: skip
    assert "web" in convert({"compose": json.dumps({"services": compose})}, repo=REPO).text
    formation = json.dumps({"formation": {"web": {"quantity": count}}})
    assert "web" in convert({"app_json": formation}, repo=REPO).text
