"""Alice owns the team, Bob and Vera are in it, Charlie is a stranger with a team of his own."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.test import Client

from apps.accounts import throttle
from apps.accounts.models import Membership, Team, User
from apps.accounts.roles import Role
from apps.core.ids import new_id

PASSWORD = "correct-horse-9-battery"


def make_user(name: str, **fields: object) -> User:
    """A user whose address no other test has; the password is PASSWORD."""
    fields.setdefault("password", _hashed())
    return User.objects.create(email=f"{name}-{new_id()}@example.com", name=name.title(), **fields)


@pytest.fixture(autouse=True)
def no_failures_before() -> None:
    """Failed sign-ins and wrong tokens of other tests came from the same address.

    They are counted in Valkey, where a test of the session has started one, else in this process.
    """
    throttle._local.rows.clear()
    if not Path(urlsplit(settings.VALKEY_URL).path).is_socket():
        return
    with contextlib.suppress(redis.RedisError):
        counted = throttle.client(settings.VALKEY_URL)
        for key in [*counted.scan_iter("token:address:*"), *counted.scan_iter("signin:*")]:
            counted.delete(key)


@functools.cache
def _hashed() -> str:
    """PASSWORD hashed once a run: it is slow on purpose."""
    return make_password(PASSWORD)


def make_team(name: str) -> Team:
    return Team.objects.create(name=name, slug=Team.free_slug(f"{name}-{new_id()}"))


def join(team: Team, user: User, role: Role) -> User:
    Membership.objects.create(team=team, user=user, role=role)
    return user


@pytest.fixture
def team(db: None) -> Team:
    return make_team("home")


@pytest.fixture
def alice(team: Team) -> User:
    """Owner of `team`."""
    return join(team, make_user("alice"), Role.OWNER)


@pytest.fixture
def bob(team: Team, alice: User) -> User:
    """Developer in `team`."""
    return join(team, make_user("bob"), Role.DEVELOPER)


@pytest.fixture
def vera(team: Team, alice: User) -> User:
    """Viewer in `team`."""
    return join(team, make_user("vera"), Role.VIEWER)


@pytest.fixture
def charlie(db: None) -> User:
    """A stranger: owner of a team of his own."""
    return join(make_team("elsewhere"), make_user("charlie"), Role.OWNER)


@pytest.fixture
def client_of() -> Callable[..., Client]:
    """`client_of(user)`: a browser in which `user` is signed in; keyword arguments go to Client."""

    def make(user: User, **options: object) -> Client:
        client = Client(**options)  # type: ignore[arg-type]
        client.force_login(user)
        return client

    return make
