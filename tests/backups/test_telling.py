"""Operators are told by mail of what is wrong with the platform's own backups, each time it begins."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pyrage import x25519

from apps.accounts.models import User
from apps.backups import tend
from apps.backups.platform import kept, making, telling
from apps.notify import letters
from apps.secretstore.base import SecretStore
from tests.backups.conftest import store  # noqa: F401 - a fixture
from tests.notify.conftest import Mailbox, mail_server, mailbox  # noqa: F401 - fixtures
from tests.people import make_user
from tests.stack.s3 import Bucket

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def told(mailbox: Mailbox, alice: User, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:  # noqa: F811
    """The letters that workers are woken for; there are two operators and one who is not let in any more."""
    for name in ("operator", "second"):
        make_user(name, is_staff=True, is_superuser=True)
    make_user("former", is_staff=True, is_superuser=True, is_active=False)
    woken: list[tuple[str, ...]] = []
    monkeypatch.setattr(letters, "wake", lambda *task: woken.append(task))
    return woken


def has(settings: Any, **given: Any) -> None:
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, **given)


def later(name: str) -> None:
    """As if it had been written down a while ago: what failed may be tried again, what is overdue is told."""
    path = kept.directory() / name
    moment = path.stat().st_mtime - 1000
    os.utime(path, (moment, moment))


def test_a_backup_and_a_copy_that_fail_once_each_until_one_goes_well(
    store: SecretStore,  # noqa: F811
    mailbox: Mailbox,  # noqa: F811
    told: list[tuple[str, ...]],
    bucket: Bucket,
    short_state: Path,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept, "directory", lambda: short_state / "platform")
    spare = settings.BRAINPOD.spare_mb
    recipient = str(x25519.Identity.generate().to_public())
    has(settings, backups_platform="* * * * *", backups_recipient=recipient, spare_mb=10**9)
    tend.tend()
    assert told == [], "it may have been set up just now"
    kept.make()
    for _ in range(2):
        tend.tend()
    emails = User.objects.filter(is_staff=True, is_active=True).values_list("email", flat=True)
    assert sorted(task[1] for task in told) == sorted(emails), "operators alone, and once"
    letters.send(*told[0][1:])
    assert mailbox.receivers == [told[0][1]]
    text = mailbox.mails[0].get_content()
    assert "The last backup of the platform failed" in text
    assert "MB left" in text
    assert "/operators/backups/" in text
    assert "because you are an operator" in text

    has(settings, spare_mb=spare)
    later(kept.ERROR)
    kept.make()
    tend.tend()
    assert kept.files()
    assert len(told) == 2
    (short_state / "platform" / kept.files()[0].name).unlink()
    gone = bucket.url.replace(bucket.name, "there-is-none-of-this-name")
    has(settings, backups_url=gone)
    kept.make()
    tend.tend()
    assert len(told) == 4, "it begins anew"
    assert "failed" in told[-1][3]


def test_one_that_is_overdue(
    told: list[tuple[str, ...]], short_state: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "directory", lambda: short_state / "platform")
    has(settings, backups_platform="@hourly")
    for _ in range(2):
        tend.tend()
    assert told == []
    later(telling.SEEN)
    for _ in range(2):
        tend.tend()
    assert [task[3] for task in told] == ["A backup of the platform is overdue."] * 2
    file = short_state / "platform" / making.name_at(timezone.now())
    file.write_bytes(b"x")
    tend.tend()
    file.unlink()
    has(settings, smtp_host="")
    tend.tend()
    later(telling.SEEN)
    tend.tend()
    assert len(told) == 2, "nobody is told without a mail server"
