"""What people are told about their own accounts, and operators about the platform, by mail where there is any."""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from apps.core.announce import ACCOUNT, Letter
from apps.core.ids import new_id
from apps.deployments.wake import wake
from apps.notify import mail
from apps.notify.shapes import Told

LETTER = "notify.letter"
WHY = "You get this because it is about your own account."
OPERATORS = "You get this because you are an operator of this platform."


def post(letter: Letter) -> None:
    """Have a worker send it once the change is there; nothing without a mail server."""
    if mail.ready():
        at = timezone.now().isoformat(timespec="seconds")
        wake(LETTER, letter.email, letter.title, letter.words, at, new_id(), letter.page)


def send(email: str, title: str, words: str, at: str, number: str, page: str = ACCOUNT) -> None:
    """Raises NotSent. `number`: the same each time it is tried. Any other `page` than ACCOUNT is an operators' page."""
    url = settings.BRAINPOD.public_address + reverse(page)
    told = Told(title=title, words=words, level="info", url=url, at=at, where=title)
    mail.send(told, to=email, message=number, why=WHY if page == ACCOUNT else OPERATORS)
