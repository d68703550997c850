"""Passkeys: made and used in the browser, checked here. Every one is discoverable and says that it verified its person.

The challenge is in the session and counts once. Where it was answered has to be the very address of the dashboard:
apps answer on hosts beneath it, which WebAuthn alone would let pass.
"""

from __future__ import annotations

import json
from typing import Any

import structlog
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal import auth as webauthn
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from fido2.utils import websafe_decode

from apps.accounts.models import User
from apps.core.errors import Detail, Invalid

LARGEST = 20_000  # characters of what a browser answers
MOST = 20  # passkeys of one person
log = structlog.get_logger(__name__)


def of(user: User) -> Any:
    """The rows of `user`'s passkeys, oldest first; what one is called is `str(row)`."""
    return Authenticator.objects.filter(user=user, type=Authenticator.Type.WEBAUTHN).order_by("pk")


def ask_to_make(user: User) -> dict[str, Any]:
    """What navigator.credentials.create is given."""
    return webauthn.begin_registration(user, passwordless=True)


def ask_to_use(user: User | None) -> dict[str, Any]:
    """What navigator.credentials.get is given: for a passkey of `user`, or of whoever has one."""
    return webauthn.begin_authentication(user)


def made(request: HttpRequest, answer: str) -> dict[str, Any]:
    """The credential in `answer`, if it was made for us just now. Raises Invalid naming `credential`."""
    try:
        given = _parsed(request, answer)
        webauthn.complete_registration(given)
    except Exception as error:  # noqa: BLE001 - anything may be sent, and a parser may stumble over it anywhere
        raise _refused(error, "was not made for this page. Try again.") from None
    finally:
        webauthn.clear_state()
    return given


def keep(user: User, name: str, made: dict[str, Any]) -> None:
    webauthn.WebAuthn.add(user, name, made)


def used(request: HttpRequest, answer: str, user: User | None = None) -> User:
    """Whose passkey signed `answer`; with `user` only theirs count. Raises Invalid naming `credential`."""
    try:
        given = _parsed(request, answer)
        found = user or User.objects.get(pk=webauthn.extract_user_from_response(given).pk, is_active=True)
        row = webauthn.complete_authentication(found, given)
    except Exception as error:  # noqa: BLE001 - anything may be sent, and a parser may stumble over it anywhere
        raise _refused(error, "is not known here. Try another, or sign in in another way.") from None
    finally:
        webauthn.clear_state()
    row.record_usage()
    return found


def _parsed(request: HttpRequest, answer: str) -> dict[str, Any]:
    if len(answer) > LARGEST:
        raise ValueError("too long")
    given = json.loads(answer)
    told = json.loads(websafe_decode(given["response"]["clientDataJSON"]))
    here = {f"{request.scheme}://{request.get_host()}", settings.BRAINPOD.public_address}
    if told["origin"] not in here or told.get("crossOrigin"):
        raise ValueError(f"answered at {told['origin'][:100]}")
    return given


def _refused(error: Exception, words: str) -> Invalid:
    why = error.code if isinstance(error, ValidationError) else error
    log.info("passkey_refused", kind=type(error).__name__, why=str(why)[:200])
    return Invalid([Detail("credential", f"The passkey {words}")])
