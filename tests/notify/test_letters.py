"""People are told of what happens to their own accounts, where the platform has a mail server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from apps.accounts.factors import actions, codes
from apps.accounts.models import User
from apps.notify import letters
from tests.notify.conftest import Mailbox

pytestmark = pytest.mark.django_db


def test_of_a_second_factor(alice: User, mailbox: Mailbox, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[tuple[str, ...]] = []
    monkeypatch.setattr(letters, "wake", lambda *task: woken.append(task))
    codes.keep_app(alice, codes.new_secret(), 1)
    actions.turn_off_app(user=alice, kept="this one")
    assert [task[0] for task in woken] == [letters.LETTER]
    letters.send(*woken[0][1:])
    assert mailbox.receivers == [alice.email]
    assert "The authenticator app was removed" in mailbox.mails[0]["Subject"]
    assert "because it is about your own account" in mailbox.mails[0].get_content()
    settings.BRAINPOD = replace(settings.BRAINPOD, smtp_host="")
    codes.keep_app(alice, codes.new_secret(), 1)
    actions.turn_off_app(user=alice, kept="this one")
    assert len(woken) == 1, "nobody is told without a mail server"
