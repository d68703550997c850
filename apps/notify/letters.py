"""What people are told about their own accounts, by mail, where the platform can send any."""

from __future__ import annotations

from django.conf import settings
from django.utils import timezone

from apps.core.announce import Letter
from apps.core.ids import new_id
from apps.deployments.wake import wake
from apps.notify import mail
from apps.notify.shapes import Told

LETTER = "notify.letter"
WHY = "You get this because it is about your own account."


def post(letter: Letter) -> None:
    """Have a worker send it once the change is there; nothing without a mail server."""
    if mail.ready():
        wake(LETTER, letter.email, letter.title, letter.words, timezone.now().isoformat(timespec="seconds"), new_id())


def send(email: str, title: str, words: str, at: str, number: str) -> None:
    """Raises NotSent. `number`: the same each time it is tried."""
    url = f"{settings.BRAINPOD.public_address}/account/"
    told = Told(title=title, words=words, level="info", url=url, at=at, where=title)
    mail.send(told, to=email, message=number, why=WHY)
