"""docs/settings.md has every setting with its default, and none that is not there."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from apps.infrastructure.embedded.binaries import WANTED
from brainpod.config import ROOT, Config

ROW = re.compile(r"^\| `([A-Z_]+)` \| (.+?) \| (.+?) \|(?: .+ \|)?$", re.MULTILINE)
IN_WORDS = {"state", "secret_key", "database_url", "valkey_url", "vault_addr"}  # the default is a rule, not a value


def documented() -> dict[str, str]:
    return {name: default for name, default, _ in ROW.findall(Path(ROOT, "docs", "settings.md").read_text())}


def name_of(field: str) -> str:
    return "DATABASE_URL" if field == "database_url" else f"BRAINPOD_{field.upper()}"


def test_every_setting_is_documented_and_every_documented_one_exists() -> None:
    settings = {name_of(field.name) for field in fields(Config)} | {wanted.setting for wanted in WANTED.values()}
    assert set(documented()) == settings


def test_defaults_are_the_real_ones() -> None:
    text = documented()
    for field in fields(Config):
        if field.name not in IN_WORDS:
            default = (
                {True: "`yes`", False: "`no`", "": "empty"}.get(field.default)
                if isinstance(field.default, bool | str)
                else None
            )
            assert text[name_of(field.name)] == (default or f"`{field.default}`"), field.name


def test_minimum_versions_are_the_real_ones() -> None:
    page = Path(ROOT, "docs", "settings.md").read_text()
    for wanted in WANTED.values():
        row = next(line for line in page.splitlines() if f"`{wanted.setting}`" in line)
        assert row.rstrip(" |").endswith(f"| {'.'.join(map(str, wanted.minimum))}")
