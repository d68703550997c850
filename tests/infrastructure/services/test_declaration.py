"""infrastructure.yml: what it may say, and the words about what it may not."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from apps.core.errors import Invalid
from apps.infrastructure import declaration
from apps.infrastructure.declaration import read

SEED = """\
infrastructure:
  default_proxy_network: proxy
  default_database_network: database

  database:
    enabled: true
    type: mysql
    container: flatrun-mysql
    root_user: root
    root_password: ${MYSQL_ROOT_PASSWORD}

  redis:
    enabled: true
    container: flatrun-redis
    port: 6379
"""
MANAGED = """\
infrastructure:
  database:
    enabled: true
    type: mysql
    # Container will be created and managed by FlatRun
"""
EXTERNAL = """\
infrastructure:
  database:
    enabled: true
    type: mysql
    host: db.example.com  # External database
    port: 3306
"""


def test_the_file_as_it_is_documented() -> None:
    found = read(SEED, {"MYSQL_ROOT_PASSWORD": "s3cret: #x"})
    assert found.database
    assert found.redis
    assert (found.default_proxy_network, found.default_database_network) == ("proxy", "database")
    assert (found.database.type, found.database.container, found.database.root_user) == (
        "mysql",
        "flatrun-mysql",
        "root",
    )
    assert found.database.root_password == "s3cret: #x"
    assert not found.database.external
    assert found.redis.port == 6379
    assert "s3cret" not in repr(found)


def test_a_host_without_a_container_is_external() -> None:
    managed, found = read(MANAGED, {}).database, read(EXTERNAL, {}).database
    assert managed
    assert not managed.external
    assert found
    assert found.external
    assert (found.host, found.port, found.root_password) == ("db.example.com", 3306, "")
    found = read(f"{EXTERNAL}    root_password: 0123\n", {}).database
    assert found
    assert found.root_password == "0123"


@pytest.mark.parametrize("text", ["", "# nothing\n", "infrastructure:\n", "infrastructure:\n  redis:\n"])
def test_little_is_no_error(text: str) -> None:
    assert not read(text, {}).parts


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("infrastructure:\n  postgres: {}\n", "infrastructure.postgres", "no known field (line 2)"),
        ("infrastructure:\n  redis:\n    enabld:\n", "infrastructure.redis.enabld", "no known field (line 3)"),
        ("infrastructure:\n  redis:\n    enabld: true\n", "infrastructure.redis.enabld", "no known field (line 3)"),
        ("database:\n  enabled: true\n", "database", "beneath infrastructure (line 1)"),
        ("infrastructure:\n  redis:\n    port: many\n", "infrastructure.redis.port", "whole number (line 3)"),
        ("infrastructure:\n  redis:\n    port: 70000\n", "infrastructure.redis.port", "65535 (line 3)"),
        ("infrastructure:\n  redis:\n    port: 7000\n", "infrastructure.redis.port", "must be 6379"),
        ("infrastructure:\n  redis:\n    enabled: perhaps\n", "infrastructure.redis.enabled", "true or false (line 3)"),
        ("infrastructure:\n  database:\n    type: oracle\n", "infrastructure.database.type", "'postgresql' (line 3)"),
        ("infrastructure:\n  redis:\n    port: 1\n    port: 2\n", "infrastructure.redis.port", "twice (line 4)"),
        ("infrastructure:\n  redis:\n    host: [a]\n", "infrastructure.redis.host", "must be one value (line 3)"),
        ("infrastructure:\n  redis: 6379\n", "infrastructure.redis", "must have fields beneath it (line 2)"),
        ("infrastructure: on\n", "infrastructure", "must have fields beneath it (line 1)"),
        ("- a\n", "infrastructure", "must have fields beneath it"),
        ("a: [\n", "infrastructure.yml", "no YAML"),
        ("infrastructure:\n  redis:\n    password: ${NOT_SET}\n", "infrastructure.redis.password", "NOT_SET, which is"),
        ("infrastructure:\n  redis:\n    password: ${NOT\n", "infrastructure.redis.password", "after it (line 3)"),
        ("infrastructure:\n  redis:\n    password: ${A:-b}\n", "infrastructure.redis.password", "after it (line 3)"),
        ("infrastructure:\n  default_proxy_network: a b\n", "infrastructure.default_proxy_network", "(line 2)"),
        ("infrastructure:\n  default_proxy_network: host\n", "infrastructure.default_proxy_network", "name (line 2)"),
        (
            "infrastructure:\n  default_database_network: brainpod-x\n",
            "infrastructure.default_database_network",
            "or a pod's",
        ),
        (
            "infrastructure:\n  default_proxy_network: database\n",
            "infrastructure.default_database_network",
            "another network",
        ),
        (
            "infrastructure:\n  redis:\n    host: h\n    container: c\n",
            "infrastructure.redis.host",
            "left out beside container",
        ),
        ("a: &a [*a]\n", "a", "beneath infrastructure (line 1)"),
        ("x" * 100_001, "infrastructure.yml", "at most"),
    ],
)
def test_what_does_not_hold_is_named(text: str, path: str, words: str) -> None:
    with pytest.raises(Invalid) as error:
        read(text, {"SET": "x"})
    assert any(detail.path == path and words in detail.message for detail in error.value.details), error.value.details


def test_a_missing_variable_is_named_with_its_line_and_nothing_else_is_told() -> None:
    with pytest.raises(Invalid) as error:
        read(SEED, {"OTHER": "hunter2"})
    assert [(detail.path, detail.message) for detail in error.value.details] == [
        (
            "infrastructure.database.root_password",
            "needs the environment variable MYSQL_ROOT_PASSWORD, which is not set (line 10).",
        )
    ]


def test_the_command_says_what_it_declares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings) -> None:
    from dataclasses import replace

    file = tmp_path / "infrastructure.yml"
    file.write_text(SEED)
    monkeypatch.setenv("MYSQL_ROOT_PASSWORD", "hunter2")
    with override_settings(BRAINPOD=replace(settings.BRAINPOD, infrastructure=str(file))):
        out = StringIO()
        call_command("infrastructure", stdout=out)
        assert "database: mysql, managed, with a password" in out.getvalue()
        assert "hunter2" not in out.getvalue()
        file.write_text("infrastructure:\n  nope: 1\n")
        with pytest.raises(CommandError, match=r"infrastructure\.nope: is no known field \(line 2\)"):
            call_command("infrastructure", stdout=out)
        assert declaration.path() == file
