"""What workers are woken for. Every task may run twice, late or never: the rows decide what is done."""

from __future__ import annotations

from celery import shared_task
from django.db import close_old_connections

from apps.core.announce import ACCOUNT
from apps.notify import invitations, letters, outbox, sending, tidying
from apps.notify.mail import NotSent


@shared_task(name=outbox.SEND, expires=60)
def send() -> None:
    close_old_connections()
    sending.send_due()


@shared_task(name=invitations.SEND, expires=60)
def invite() -> None:
    close_old_connections()
    invitations.send_due()


@shared_task(name=outbox.TIDY, expires=600)
def tidy() -> None:
    close_old_connections()
    tidying.tidy()


@shared_task(
    name=letters.LETTER,
    expires=86400,
    autoretry_for=(NotSent,),
    max_retries=6,
    retry_backoff=60,
    retry_backoff_max=3600,
)
def letter(email: str, title: str, words: str, at: str, number: str, page: str = ACCOUNT) -> None:
    letters.send(email, title, words, at, number, page)
