"""Messages as e-mail, by the operator's mail server."""

from __future__ import annotations

import smtplib
import ssl

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend

from apps.notify.shapes import Told

SECONDS = 10
LONGEST = 150  # characters of a subject
TEAM = "You get this because your team has this address among its notifications."


class NotSent(Exception):
    """In words."""


def ready() -> bool:
    return bool(settings.BRAINPOD.smtp_host)


def send(told: Told, *, to: str, message: str, why: str = TEAM) -> None:
    """Raises NotSent. `message`: the id, the same each time it is tried, so that mail programs see it is the same."""
    config = settings.BRAINPOD
    if not ready():
        raise NotSent("This platform has no mail server: an operator sets BRAINPOD_SMTP_HOST.")
    mail = EmailMessage(
        subject=subject(told),
        body=text(told, why),
        from_email=config.mail_from,
        to=[to],
        headers={"Message-ID": f"<{message}@{config.dashboard_host}>", "Auto-Submitted": "auto-generated"},
        connection=EmailBackend(
            host=config.smtp_host, port=config.smtp_port, username=config.smtp_user, password=config.smtp_password,
            use_tls=config.smtp_security == "starttls", use_ssl=config.smtp_security == "tls", timeout=SECONDS,
        ),
    )  # fmt: skip
    try:
        mail.send()
    except smtplib.SMTPRecipientsRefused:
        raise NotSent("The mail server does not take mail for this address.") from None
    except smtplib.SMTPResponseException as error:
        raise NotSent(f"The mail server refused it ({error.smtp_code}).") from None
    except (smtplib.SMTPException, ssl.SSLError, OSError) as error:
        raise NotSent(f"The mail server does not answer as it should ({type(error).__name__}).") from None


def subject(told: Told) -> str:
    words = " ".join(f"{told.title}: {told.words}".split())
    line = "".join(c for c in words if c.isprintable())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def text(told: Told, why: str = TEAM) -> str:
    parts = [told.words, told.url, f"{told.where} · {told.at}" if told.where else told.at]
    return "\n\n".join(filter(None, [*parts, f"-- \n{why}"])) + "\n"
