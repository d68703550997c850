"""Invitations by mail: sent in the background, with a link of their own, and what came of it is on the team's page."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import models
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Invitation, Team, User
from apps.accounts.roles import Role
from apps.core.ids import new_id
from apps.notify import invitations
from tests.notify.conftest import Mailbox
from tests.people import PASSWORD

pytestmark = pytest.mark.django_db
Browser = Callable[..., Client]


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(invitations, "wake", found.append)
    return found


@pytest.fixture
def email() -> str:
    return f"guest-{new_id()}@example.com"


def ask(client: Client, team: Team, email: str) -> str:
    answer = client.post(reverse("team-invitations", args=[team.slug]), {"email": email, "role": "viewer"})
    assert answer.status_code == 200
    return answer.content.decode()


def links(text: str) -> list[str]:
    return re.findall(r"/invitations/[A-Za-z0-9_-]{43}/", text)


def page(client: Client, team: Team) -> str:
    return client.get(reverse("team", args=[team.slug])).content.decode()


def test_it_is_sent_with_a_link_of_its_own(
    team: Team, alice: User, email: str, client_of: Browser, mailbox: Mailbox, woken: list[str]
) -> None:
    client = client_of(alice)
    asked = ask(client, team, email)
    shown = links(asked)[0]
    assert f"It is being sent to {email} by mail" in asked
    assert woken == [invitations.SEND], "what is sent is in no message to a worker"
    assert "being sent" in page(client, team)
    assert mailbox.mails == []
    invitations.send_due()
    assert mailbox.receivers == [email]
    mail = mailbox.mails[0]
    said = mail.get_content()
    assert f"Invitation: {alice.name} invites you to the team {team.name} on" in mail["Subject"]
    sent = links(said)[0]
    assert sent != shown
    assert "sent <time" in page(client, team)
    row = Invitation.objects.get(email=email)
    kept = [str(getattr(row, field.attname)) for field in row._meta.fields]
    assert not [one for one in kept for link in (sent, shown) if link.split("/")[2] in one]
    invitations.send_due()
    assert len(mailbox.mails) == 1

    for link in (shown, sent):
        assert team.name in Client().get(link).content.decode()
    given = {"name": "Guest", "password": PASSWORD}
    assert Client().post(sent, given).status_code == 302
    assert team.role_of(User.objects.get(email=email)) == Role.VIEWER
    for link in (shown, sent):
        assert Client().get(link).status_code == 404, "both are over with the first use"


def test_without_a_mail_server_there_is_the_link_alone(
    team: Team, alice: User, email: str, client_of: Browser, woken: list[str], settings: Any
) -> None:
    settings.BRAINPOD = replace(settings.BRAINPOD, smtp_host="")
    client = client_of(alice)
    assert f"Send this link to {email} yourself" in ask(client, team, email)
    assert "none: by the link alone" in page(client, team)
    assert woken == []
    invitations.send_due()
    assert Invitation.objects.get(email=email).mail_tries == 0


def test_what_did_not_go_is_said_and_tried_again(
    team: Team, alice: User, email: str, client_of: Browser, mailbox: Mailbox, woken: list[str], settings: Any
) -> None:
    client, good = client_of(alice), settings.BRAINPOD
    ask(client, team, email)
    settings.BRAINPOD = replace(good, smtp_port=1)
    before = timezone.now()
    for delay in invitations.DELAYS:
        invitations.send_due()
        row = Invitation.objects.get(email=email)
        assert row.mail_next_at is not None
        assert before + delay <= row.mail_next_at <= timezone.now() + delay
        assert "The mail server does not answer as it should" in page(client, team)
        invitations.send_due()
        assert Invitation.objects.get(email=email).mail_tries == row.mail_tries, "not before it is due"
        Invitation.objects.update(mail_next_at=timezone.now() - datetime.timedelta(seconds=1))
    settings.BRAINPOD = good
    invitations.send_due()
    assert "sent <time" in page(client, team)
    assert len(mailbox.mails) == 1
    Invitation.objects.update(mail_next_at=timezone.now(), mail_tries=len(invitations.DELAYS), mailed_at=None)
    settings.BRAINPOD = replace(good, smtp_port=1)
    invitations.send_due()
    assert Invitation.objects.get(email=email).mail_next_at is None
    assert "Withdraw it and invite again" in page(client, team)


def test_one_that_another_process_has_is_left(
    team: Team, alice: User, email: str, mailbox: Mailbox, woken: list[str]
) -> None:
    invitations.invite(team=team, email=email, role=Role.VIEWER, by=alice)
    row = Invitation.objects.get(email=email)
    Invitation.objects.update(mail_tries=models.F("mail_tries") + 1)
    invitations._send(row)
    assert mailbox.mails == []


def test_nobody_mails_the_world(
    team: Team, alice: User, mailbox: Mailbox, woken: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invitations, "MOST", 2)
    made = []
    for number in range(4):
        row, _ = invitations.invite(team=team, email=f"g{number}-{new_id()}@example.com", role=Role.VIEWER, by=alice)
        made.append(row.mail_next_at is not None)
        row.delete()  # withdrawing does not give another
    assert made == [True, True, False, False]
