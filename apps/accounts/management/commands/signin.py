"""manage.py signin [EMAIL]: a one-time link, for who has the console."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.accounts.links import first_link, signin_link
from apps.accounts.models import User


class Command(BaseCommand):
    help = "Print a one-time sign-in link. Without EMAIL: for the first user, or the first operator."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", nargs="?", metavar="EMAIL")

    def handle(self, *args: Any, email: str | None, **options: Any) -> None:
        path = first_link() if email is None else None
        if path is None:
            path = signin_link(self._user(email))
        self.stdout.write(f"{settings.BRAINPOD.public_address}{path}")

    def _user(self, email: str | None) -> User:
        users = User.objects.filter(is_active=True).order_by("pk")
        if email is None:
            user = users.filter(is_superuser=True).first() or users.first()
        else:
            user = users.filter(email=email.strip().lower()).first()
        if user is None:
            raise CommandError(f"There is no active user {email or ''}".strip() + ".")
        return user
