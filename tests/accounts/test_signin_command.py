"""manage.py signin."""

from __future__ import annotations

import io

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client

from apps.accounts.models import User

pytestmark = pytest.mark.django_db


def printed(*args: str) -> str:
    out = io.StringIO()
    call_command("signin", *args, stdout=out)
    return out.getvalue().strip()


def test_without_a_user_it_prints_the_first_link(client: Client) -> None:
    address = printed()
    assert address.startswith(f"{settings.BRAINPOD.public_address}/welcome/")
    assert client.get(address.removeprefix(settings.BRAINPOD.public_address)).status_code == 200


def test_with_an_address_it_prints_that_users_link(alice: User, client: Client) -> None:
    path = printed(alice.email.upper()).removeprefix(settings.BRAINPOD.public_address)
    assert path.startswith("/sign-in/")
    assert alice.email in client.get(path).content.decode()


def test_without_an_address_it_prefers_an_operator(alice: User, bob: User, client: Client) -> None:
    bob.is_superuser = True
    bob.save()
    path = printed().removeprefix(settings.BRAINPOD.public_address)
    assert bob.email in client.get(path).content.decode()


def test_an_unknown_address_is_an_error(alice: User) -> None:
    with pytest.raises(CommandError, match="There is no active user nobody"):
        printed("nobody@example.com")
