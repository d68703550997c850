"""One-time links made on the console: for the first user, and for who lost the password."""

from __future__ import annotations

import datetime

from django.urls import reverse

from apps.accounts.models import SignInLink, User

FIRST_LASTS = datetime.timedelta(hours=24)
LASTS = datetime.timedelta(minutes=15)


def first_link() -> str | None:
    """The path (`/welcome/<token>/`) at which the first user is made; None once there is one.

    A new link ends the one before: a console's scrollback opens nothing.
    """
    if User.objects.exists():
        return None
    SignInLink.objects.filter(user=None).delete()
    _, token = SignInLink.issue(lasts=FIRST_LASTS)
    return reverse("welcome", kwargs={"token": token})


def signin_link(user: User) -> str:
    """The path (`/sign-in/<token>/`) that signs `user` in, once, within 15 minutes."""
    _, token = SignInLink.issue(lasts=LASTS, user=user)
    return reverse("sign-in-link", kwargs={"token": token})
