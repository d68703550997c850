"""How the instances of an app are, and what happened to them, on its page."""

from __future__ import annotations

import datetime

import pytest
from django.test import Client
from django.utils import timezone

from apps.deployments import feed
from apps.pods.models import Pod
from tests.dashboard.pages.conftest import HOSTILE, serve
from tests.dashboard.pages.test_pages import page, text

pytestmark = pytest.mark.django_db


def shown(alices: Client, pod: Pod) -> str:
    return text(page(alices, "resource", pod.name, "web"))


def ago(**long: float) -> datetime.datetime:
    return timezone.now() - datetime.timedelta(**long)


def test_an_unhealthy_instance_says_why_and_since_when(alices: Client, live_pod: Pod) -> None:
    live_pod.workloads.update(state="unhealthy", reason="/ answered 503, 3 times in a row", since=ago(minutes=4))
    words = shown(alices, live_pod)
    assert "Degraded" in words
    assert "Unhealthy serving /" in words
    assert "/ answered 503, 3 times in a row since 4 minutes ago" in words


def test_what_the_engine_does_not_answer_for_is_unknown_with_its_age(alices: Client, live_pod: Pod) -> None:
    live_pod.workloads.update(observed_at=ago(minutes=3, seconds=9), reason="what was last said")
    words = shown(alices, live_pod)
    assert "unknown for 3 min: the engine does not answer" in words
    assert "what was last said" not in words


def test_what_is_lost_says_what_to_check(alices: Client, live_pod: Pod) -> None:
    live_pod.workloads.update(state="lost", observed_at=ago(minutes=20), handle={"id": "x", "address": "unix:/x"})
    words = shown(alices, live_pod)
    assert "Lost" in words
    assert "no other host to start it on. Check that the machine is up and that the engine runs there" in words


def test_events_are_told_newest_first_and_as_text(alices: Client, live_pod: Pod) -> None:
    assert live_pod.live is not None
    [first] = live_pod.workloads.all()
    other = serve(live_pod.live, "another")
    feed.tell(first, "restart", "Exited with code 3; restarted 3 of 10 in this window, next try in 20 s.", level="warn")
    feed.tell(first, "health", f"Unhealthy: {HOSTILE}.", level="error")
    feed.tell(other, "health", "Of another app.")
    html = page(alices, "resource", live_pod.name, "web")
    words = text(html)
    assert HOSTILE not in html
    assert words.index("Unhealthy: ") < words.index("restarted 3 of 10 in this window, next try in 20 s")
    assert "Of another app" not in words
