"""manage.py second_factor EMAIL [--remove]: what somebody has, and the way back in for who lost it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from allauth.mfa.models import Authenticator
from django.core.management.base import BaseCommand, CommandError

from apps.accounts.factors.actions import take_away
from apps.accounts.models import User


class Command(BaseCommand):
    help = "Say which second factors a person has, or take all of them away (--remove), which ends their sessions."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", metavar="EMAIL")
        parser.add_argument("--remove", action="store_true", help="take them away")

    def handle(self, *args: Any, email: str, remove: bool, **options: Any) -> None:
        user = User.objects.filter(email=email.strip().lower()).first()
        if user is None:
            raise CommandError(f"There is no user {email}.")
        rows = list(Authenticator.objects.filter(user=user).exclude(type=Authenticator.Type.RECOVERY_CODES))
        if not rows:
            raise CommandError(f"{user.email} has no second factor.")
        for row in rows:
            word = "passkey" if row.type == Authenticator.Type.WEBAUTHN else "authenticator app"
            named = f" {row}" if word == "passkey" else ""
            self.stdout.write(f"{word}{named}, since {row.created_at:%Y-%m-%d}")
        if remove:
            take_away(user=user)
            self.stdout.write(
                f"Taken away. {user.email} signs in with the password alone, and is signed out everywhere."
            )
