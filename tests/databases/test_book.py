"""The book of what was done in databases: how long it is kept."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import Team
from apps.databases.book import forget
from apps.databases.models import Entry


@pytest.mark.django_db
def test_what_is_old_goes_and_what_runs_stays(team: Team, settings: Any) -> None:
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, audit_days=30)
    now = timezone.now()

    def entry(days: float, state: str = Entry.DONE) -> str:
        at = now - datetime.timedelta(days=days)
        return Entry.objects.create(team=team, server="db", person="a@example.com", words="x", state=state, at=at).pk

    entry(30.1)
    kept = {entry(29.9), entry(0), entry(40, Entry.RUNNING)}
    forget()
    assert set(Entry.objects.values_list("pk", flat=True)) == kept
