"""Accounts, signing in, tokens and links: corpora/accounts.yaml."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client, RequestFactory

from apps.accounts import tokens
from apps.accounts.labels import check_email, check_label, check_password, check_role
from apps.accounts.models import Team, User
from apps.core.errors import NotFound, UserError
from apps.dashboard.views.entering import next_of
from tests.security.corpus import Group, groups, hold

pytestmark = pytest.mark.django_db
ADA = User(name="Ada Lovelace", email="ada.lovelace@example.com")


def next_page(where: str) -> None:
    for given in (RequestFactory().get("/sign-in/", {"next": where}), RequestFactory().post("/", {"next": where})):
        if next_of(given) != "/":
            return
    raise UserError("elsewhere", "It leads home instead.")


def bearer(header: str) -> None:
    stranger = str(ipaddress.IPv4Address(secrets.randbits(32)))  # so many of one are refused whatever they are
    said = Client(REMOTE_ADDR=stranger).get("/api/v1/me", headers={"Authorization": header})
    if said.status_code >= 400:
        error = said.json()["error"]
        raise UserError(error["code"], error["message"], status=said.status_code)


def link(token: str) -> None:
    for prefix in ("sign-in", "welcome", "invitations"):
        said = Client().post(f"/{prefix}/{token}/")
        if said.status_code != 404:
            raise AssertionError(f"/{prefix}/ answers {said.status_code}")
    raise NotFound("such link")


ENTRIES: dict[str, Callable[[Any], object]] = {
    "email": check_email,
    "name": check_label,
    "password": lambda text: check_password(text, user=ADA),
    "role": check_role,
    "next": next_page,
    "bearer": bearer,
    "link": link,
}


@pytest.mark.parametrize("group", groups("accounts"), ids=str)
def test_refused(group: Group, team: Team, alice: User) -> None:
    if group.entry == "days":
        hold(group, lambda days: tokens.make(user=alice, name="a token", team=team, days=days))
    else:
        hold(group, ENTRIES[group.entry])
    assert not alice.api_tokens.exists()
