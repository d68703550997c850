"""compose.yaml is the Procfile's services with the platform's settings, and Compose takes it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from apps.infrastructure.embedded import services
from brainpod.config import Config, read
from dev import compose, units

FOLDER = compose.FILE.parent
NEEDED = {
    "BRAINPOD_SECRET_KEY": "k" * 40,
    "BRAINPOD_DASHBOARD_HOST": "brainpod.example.com",
    "BRAINPOD_DOMAIN": "apps.example.com",
    "POSTGRES_PASSWORD": "p" * 40,
}


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(compose.FILE.read_text())
    return found


def test_it_is_made_from_the_procfile(written: dict[str, Any]) -> None:
    assert compose.FILE.read_text() == compose.text(), "python -m dev.compose writes it"
    commands = {name: " ".join(one["command"]) for name, one in written["services"].items() if "command" in one}
    assert commands == {"host": "sleep infinity", **units.lines()}


def test_every_service_is_stopped_as_the_supervisor_would(written: dict[str, Any]) -> None:
    for service in (one for tier in services.tiers() for one in tier.services):
        there = written["services"][service.name]
        assert there.get("stop_signal", "SIGTERM") == service.stop.name, service.name
        assert int(there.get("stop_grace_period", "10s").rstrip("s")) >= service.grace, service.name


def test_nothing_is_root_or_moves(written: dict[str, Any]) -> None:
    for name, one in written["services"].items():
        assert one["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in one["security_opt"], name
        assert not one.get("privileged"), name
        tag = re.fullmatch(r"\$\{\w+:-[a-z]+:([\w.-]+)\}", one["image"])
        assert tag, name
        assert tag[1] != "latest", name
    dockerfile = (FOLDER / "Dockerfile").read_text()
    assert re.search(r"^ARG BASE=python:3\.11-slim-bookworm$", dockerfile, re.MULTILINE)
    assert "latest" not in dockerfile
    assert re.search(r"^USER 10001:10001$", dockerfile, re.MULTILINE)
    client = re.search(r"postgresql-client-(\d+)", dockerfile)
    assert client, "pg_dump of the server's version"
    assert f":-postgres:{client[1]}." in written["services"]["database"]["image"]


def test_every_setting_can_be_given(written: dict[str, Any]) -> None:
    """And what is named is a setting; docs/settings.md has them all (tests/core/test_settings_documented.py)."""
    given = set(written["x-platform"]["environment"])
    known = {compose.setting(field.name) for field in fields(Config)}
    left = {compose.setting(name) for name in compose.LEFT_OUT} | {n for n in known if n.startswith("BRAINPOD_NGINX")}
    assert given == (known - left) | {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    said = (FOLDER / "example.env").read_text()
    assert set(re.findall(r"^(\w+)=", said, re.MULTILINE)) - given == {"POSTGRES_PASSWORD"}
    asked = set(re.findall(r"\$\{(\w+)", compose.FILE.read_text()))
    assert asked - given == {
        "POSTGRES_PASSWORD",
        "IMAGE",
        "BASE",
        "POSTGRES_IMAGE",
        "PUBLISHED_HTTP",
        "PUBLISHED_HTTPS",
    }


def test_the_settings_hold_in_production(written: dict[str, Any]) -> None:
    config = read(_filled(written["x-platform"]["environment"]))
    assert (config.production, config.secure) == (True, True)
    assert (config.sandbox, config.port, config.https_port) == ("required", 80, 443)
    assert config.database_url == f"postgres://brainpod:{'p' * 40}@database/brainpod"


@pytest.mark.parametrize("missing", NEEDED)
def test_what_is_not_given_is_asked_for(written: dict[str, Any], missing: str) -> None:
    assert f"${{{missing}:?" in compose.FILE.read_text()


def test_every_health_check_is_known(written: dict[str, Any], tmp_path: Path) -> None:
    """Each says that what is not there is not there, and none that it does not know the service."""
    for name, one in written["services"].items():
        if "healthy.py" not in str(one.get("healthcheck")):
            continue
        command = one["healthcheck"]["test"]
        assert command[:-1] == ["CMD", "python3", "-IS", "deploy/compose/healthy.py"]
        done = subprocess.run(
            [sys.executable, *command[2:]], cwd=compose.ROOT, capture_output=True, text=True, check=False, timeout=30,
            env={"BRAINPOD_STATE": str(tmp_path), "BRAINPOD_PORT": "1"},
        )  # fmt: skip
        assert done.returncode == 1, name
        assert done.stderr.startswith(f"{name}: ")
        assert "there is no check" not in done.stderr


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="Docker Compose is not installed")
def test_compose_takes_it() -> None:
    done = subprocess.run(
        ["docker-compose", "--file", str(compose.FILE), "config", "--format", "json"],
        env={"PATH": os.environ["PATH"], "BRAINPOD_SMTP_PORT": "2525", **NEEDED},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    pages = json.loads(done.stdout)["services"]["pages"]
    assert pages["environment"]["BRAINPOD_SMTP_PORT"] == "2525", "as .env says"
    assert pages["environment"].get("BRAINPOD_SMTP_HOST") is None, "left out, and so as it is without"


def _filled(environment: dict[str, Any]) -> dict[str, str]:
    """As Compose fills it in, for the few forms that stand there."""

    def value(found: re.Match[str]) -> str:
        return NEEDED.get(found[1]) or found[2] or ""

    said = {name: text for name, text in environment.items() if text is not None}
    return {name: re.sub(r"\$\{(\w+):(?:-|\?)([^}]*)\}", value, text) for name, text in said.items()}
