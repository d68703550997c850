"""Codes of six digits from an authenticator app, and recovery codes. Each counts once."""

from __future__ import annotations

from io import BytesIO
from typing import Literal

import qrcode
from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from django.db import transaction
from qrcode.image.svg import SvgPathFillImage

from apps.accounts.factors.adapter import Adapter
from apps.accounts.models import User

Kind = Authenticator.Type
Was = Literal["app", "recovery", ""]
LONGEST = 40  # characters of what somebody types as a code


def new_secret() -> str:
    """160 bits in base32, as authenticator apps want it."""
    return totp.generate_totp_secret()


def drawn(user: User, secret: str) -> str:
    """The QR code that an app reads `secret` from, as SVG without styles or scripts."""
    drawing = qrcode.make(Adapter().build_totp_url(user, secret), image_factory=SvgPathFillImage)
    kept = BytesIO()
    drawing.save(kept)
    return kept.getvalue().decode().partition("?>")[2].strip()


def step_of(secret: str, code: str, *, after: int = 0) -> int:
    """The step of 30 seconds that `code` is of, one of now, the one before and the one to come; 0 if of none.

    Those up to `after` count no longer.
    """
    for step in totp.yield_hotp_counters_from_time():
        expected = totp.format_hotp_value(totp.hotp_value(secret, step))
        if compare_user_code(actual=code[:LONGEST], expected=expected):
            return step if step > after else 0
    return 0


def keep_app(user: User, secret: str, step: int) -> None:
    """`step`: that of the code that it was confirmed with, which does not count a second time."""
    made = totp.TOTP.activate(user, secret).instance
    made.data["step"] = step
    made.save(update_fields=["data"])


def passes(user: User, code: str) -> Was:
    """What `code` is to `user`; it is used up. A row that is locked keeps two from using the same code at once."""
    if not code.strip():
        return ""
    with transaction.atomic():
        rows = Authenticator.objects.select_for_update().filter(user=user)
        if (app := rows.filter(type=Kind.TOTP).first()) and _use(app, code):
            return "app"
        kept = rows.filter(type=Kind.RECOVERY_CODES).first()
        if kept and RecoveryCodes(kept).validate_code(code[:LONGEST]):
            kept.record_usage()
            return "recovery"
    return ""


def _use(app: Authenticator, code: str) -> bool:
    step = step_of(Adapter().decrypt(app.data["secret"]), code, after=app.data.get("step", 0))
    if step:
        app.data["step"] = step
        app.save(update_fields=["data"])
        app.record_usage()
    return bool(step)


def new_recovery_codes(user: User) -> list[str]:
    """Ten, in place of those there were. They can be read here and nowhere else."""
    Authenticator.objects.filter(user=user, type=Kind.RECOVERY_CODES).delete()
    return [f"{code[:5]}-{code[5:]}" for code in RecoveryCodes.activate(user).generate_codes()]


def left(user: User) -> int:
    """How many recovery codes are unused."""
    kept = Authenticator.objects.filter(user=user, type=Kind.RECOVERY_CODES).first()
    return len(RecoveryCodes(kept).get_unused_codes()) if kept else 0
