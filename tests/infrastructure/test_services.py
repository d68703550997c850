"""The plan of services: what runs, where it is heard, and who is told which secret."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from apps.core.errors import PlatformError
from apps.infrastructure.embedded import services, steps
from apps.infrastructure.embedded.plan import Service

ROOT = Path(__file__).resolve().parent.parent.parent
SECRETS = {
    "BRAINPOD_SECRET_KEY": "s" * 40,
    "DATABASE_URL": "postgres://u:secret@h/d",
    "BRAINPOD_VAULT_ROLE_ID": "r",
    "BRAINPOD_VAULT_SECRET_ID": "t",
    "BRAINPOD_VALKEY_URL": "redis://:secret@h",
    "BRAINPOD_NOMAD_TOKEN": "nomad-secret",
}
OURS = {"pages", "sockets", "git", "worker", "beat", "logs"}


def planned(environ: dict[str, str] | None = None) -> dict[str, Service]:
    return {service.name: service for tier in services.tiers(environ or {}) for service in tier.services}


def test_tiers() -> None:
    names = [sorted(service.name for service in tier.services) for tier in services.tiers({})]
    assert names == [["engine", "openbao", "valkey"], ["beat", "git", "logs", "pages", "sockets", "worker"], ["nginx"]]


def test_stores_outside_are_not_started(settings: Any) -> None:
    settings.BRAINPOD = dataclasses.replace(
        settings.BRAINPOD, valkey_url="redis://127.0.0.1", vault_addr="https://vault.example"
    )
    assert not {"valkey", "openbao"} & set(planned())


def test_with_docker_the_engine_is_its_watcher(settings: Any) -> None:
    settings.BRAINPOD = dataclasses.replace(
        settings.BRAINPOD, engine="docker", docker_host="unix:///nowhere", docker_networks="database, cache"
    )
    command = planned()["engine"].command()
    assert "apps.engines.docker.watcher" in command
    assert command[-3:] == ["--host=unix:///nowhere", "--join-network=database", "--join-network=cache"]


def test_with_nomad_the_engine_is_the_agent_that_builds(settings: Any) -> None:
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, engine="nomad", nomad_token="nomad-secret")
    command = planned()["engine"].command()
    assert "apps.engines.process.agent" in command
    assert "nomad-secret" not in " ".join(command)


def test_secrets_reach_our_own_processes_only() -> None:
    for name, service in planned(dict(SECRETS)).items():
        assert (set(SECRETS) <= set(service.env)) == (name in OURS), name
        assert bool(set(SECRETS) & set(service.env)) == (name in OURS), name


def test_no_secret_is_in_an_argument_list() -> None:
    for name, service in planned(dict(SECRETS)).items():
        if name in OURS:
            assert not [
                word for word in service.command() for secret in SECRETS.values() if len(secret) > 5 and secret in word
            ]


def test_sockets_are_short_enough_where_the_state_directory_is_as_long_as_allowed() -> None:
    longest = max(len(str(path)) for service in planned().values() for path in service.leftovers)
    assert longest - len(str(django_settings.BRAINPOD.run)) + 60 <= 107


def test_the_procfile_names_every_service() -> None:
    lines = (ROOT / "Procfile").read_text().splitlines()
    entries = dict(line.split(": ", 1) for line in lines if line and not line.startswith("#"))
    assert entries.pop("release").endswith("manage.py prepare")
    assert set(entries) == set(planned())
    assert all(command.endswith(f"manage.py service {name}") for name, command in entries.items())


def test_an_unknown_service_is_named() -> None:
    with pytest.raises(PlatformError, match="no service mysql") as raised:
        services.named("mysql")
    assert raised.value.code == "service_unknown"
    assert "valkey" in raised.value.hint


def test_static_files_are_collected_once(settings: Any, tmp_path: Path) -> None:
    source, root = tmp_path / "source", tmp_path / "collected"
    source.mkdir()
    (source / "a.css").write_text("a {}")
    settings.STATICFILES_DIRS, settings.STATIC_ROOT = [source], root
    assert steps.collect_static() is True
    assert (root / "a.css").stat().st_mode & 0o777 == 0o644
    assert steps.collect_static() is False
    (source / "b.css").write_text("b {}")
    assert steps.collect_static() is True
    assert (root / "b.css").exists()


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_up_to_date_is_left_alone() -> None:
    assert steps.migrate() is False


REMEMBERS = """
import django, sys
django.setup()
from django.conf import settings
from apps.infrastructure.embedded import services, steps
steps.collect_static()
services.preload()
from django.contrib.staticfiles.storage import staticfiles_storage
from django.utils.functional import empty
print("brainpod.wsgi" in sys.modules, staticfiles_storage._wrapped is not empty)
"""


def test_what_is_shared_remembers_no_static_files(short_state: Path) -> None:
    """They may be collected anew before the pages' processes are forked."""
    environ = {**os.environ, "DJANGO_SETTINGS_MODULE": "brainpod.settings", "BRAINPOD_STATE": str(short_state)}
    for _ in range(2):  # the first time they are collected in this very process
        done = subprocess.run(
            [sys.executable, "-c", REMEMBERS], env=environ, cwd=ROOT, capture_output=True, text=True, check=True
        )
    assert done.stdout.split() == ["False", "False"], done.stderr


def test_each_engine_that_is_offered_has_what_it_needs(settings: Any) -> None:
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, engine="process", engines="docker")
    assert "apps.engines.process.agent" in planned()["engine"].command()
    watcher = planned()["watcher"]
    assert "apps.engines.docker.watcher" in watcher.command()
    assert watcher.ready(), "a daemon that is not there keeps nothing else from starting"
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, engine="docker", engines="process,docker")
    assert {"engine", "watcher"} <= set(planned())
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, engine="docker", engines="")
    assert "watcher" not in planned()
