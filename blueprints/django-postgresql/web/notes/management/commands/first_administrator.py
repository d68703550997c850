"""The administrator that the environment names, unless there is one of that name."""

import os

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Make the first administrator."

    def handle(self, *args, **options):
        email = os.environ["ADMIN_EMAIL"]
        people = get_user_model().objects
        if not people.filter(username=email).exists():
            people.create_superuser(username=email, email=email, password=os.environ["ADMIN_PASSWORD"])
            self.stdout.write(f"Made the administrator {email}.")
