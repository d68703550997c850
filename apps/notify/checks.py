"""What may be typed into the forms of notifications."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable

from django.conf import settings

from apps.accounts.labels import check_email
from apps.accounts.models import Team
from apps.core.errors import Detail, Invalid
from apps.notify import mail, outgoing
from apps.notify.events import EVENTS
from apps.notify.models import Kind
from apps.pods.models import Pod


def check_target(kind: str, text: str) -> str:
    """A URL that leads somewhere we go, or an e-mail address. Raises Invalid naming `target`."""
    if kind == Kind.EMAIL:
        if not mail.ready():
            raise Invalid([Detail("target", "has no way there: this platform has no mail server. Ask an operator.")])
        return check_email(text, "target")
    target = outgoing.parse(text.strip(), field="target")
    outgoing.look_up(target, settings.BRAINPOD.networks, field="target")
    return target.url


def shown(kind: str, target: str) -> str:
    """As much of it as people see: what comes after the host of a URL lets whoever knows it in."""
    if kind == Kind.EMAIL:
        return target
    parts = urllib.parse.urlsplit(target)
    return f"{parts.scheme.lower()}://{parts.netloc}/" + ("…" if parts.path.strip("/") or parts.query else "")


def check_events(events: Iterable[str]) -> list[str]:
    """In the order of the list; all of them are none. Raises Invalid naming `events`."""
    wanted = set(events)
    if unknown := sorted(wanted - EVENTS.keys()):
        raise Invalid([Detail("events", f"has {unknown[0][:40]!r}, which is no event.")])
    chosen = [name for name in EVENTS if name in wanted]
    return [] if len(chosen) == len(EVENTS) else chosen


def check_pods(team: Team, names: Iterable[str]) -> list[Pod]:
    """Raises Invalid naming `pods`."""
    wanted = set(names)
    found = list(Pod.objects.filter(team=team, name__in=wanted, deleting_at=None))
    if missing := sorted(wanted - {pod.name for pod in found}):
        raise Invalid([Detail("pods", f"has {missing[0][:40]!r}, which is no pod of this team.")])
    return found
