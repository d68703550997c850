"""A database of an older version is kept before it is brought up to date, and can be had back."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from apps.backups.platform import upgrading
from apps.core import room
from apps.core.errors import NotFound, UserError
from apps.core.ids import new_id
from tests.stack.platform import ROOT, _new_database

BEGIN = """
import json, sys, django
django.setup()
from django.core.management import call_command
from apps.accounts.models import User
from apps.backups.platform import upgrading
from apps.infrastructure.embedded import steps
def people(): return sorted(User.objects.values_list("email", flat=True))
def columns():
    from django.db import connection
    with connection.cursor() as cursor:
        return connection.introspection.table_names(cursor)
"""
OLDER = """
assert steps.migrate() is True  # the first start: there is nothing to keep
assert upgrading.copies() == []
User.objects.create(email="before@example.com", name="Before")
call_command("migrate", "notify", "zero", verbosity=0)  # as the version before there was this app left it
assert "notify_endpoint" not in columns()
assert steps.migrate() is True
assert "notify_endpoint" in columns()
User.objects.create(email="after@example.com", name="After")
assert steps.migrate() is False
(copy,) = upgrading.copies()
print(json.dumps({"name": copy.name, "why": copy.why, "people": people(), "size": copy.size,
                  "notify": any(app == "notify" for app, _ in copy.applied)}))
"""
BACK = """
call_command("upgrades", back=sys.argv[1], stdout=sys.stderr)
old = {"people": people(), "notify": "notify_endpoint" in columns()}
assert steps.migrate() is True
print(json.dumps({"old": old, "new": people(), "whys": [copy.why for copy in upgrading.copies()]}))
"""


@pytest.fixture
def environment(short_state: Path) -> Iterator[dict[str, str]]:
    """Of a platform of its own, on a database of the suite's kind."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("BRAINPOD_") and k != "DATABASE_URL"}
    kept |= {"BRAINPOD_STATE": str(short_state), "DJANGO_SETTINGS_MODULE": "brainpod.settings"}
    if connection.vendor == "sqlite":
        yield kept
        return
    yield kept | {"DATABASE_URL": _new_database(os.environ["DATABASE_URL"], f"upgrading_{new_id()}")}


def run(environment: dict[str, str], code: str, *words: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code, *words],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_an_upgrade_keeps_a_copy_and_the_way_back_has_everything(
    environment: dict[str, str], short_state: Path
) -> None:
    made = run(environment, OLDER)
    assert (made["why"], made["notify"]) == ("upgrade", False)
    assert made["people"] == ["after@example.com", "before@example.com"]
    place = short_state / "backups" / "upgrades" / made["name"]
    assert place.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in place.iterdir())

    went = run(environment, BACK, made["name"])
    assert went["old"] == {"people": ["before@example.com"], "notify": False}
    assert went["new"] == ["before@example.com"]
    assert went["whys"] == ["upgrade", "back", "upgrade"]  # the newest first: what was left is kept too
    assert list(place.parent.glob("*.own")) == []


@pytest.mark.django_db(transaction=True)
def test_without_room_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "free_mb", lambda: 1)
    with pytest.raises(UserError, match="Nothing was changed") as refused:
        upgrading.keep()
    assert refused.value.code == "no_room"


@pytest.mark.django_db(transaction=True)
def test_a_copy_that_is_not_there(settings: Any, short_state: Path) -> None:
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, state=short_state)
    with pytest.raises(NotFound, match="upgrades lists them"):
        upgrading.back("20260101T000000000000Z")
    call_command("upgrades")
