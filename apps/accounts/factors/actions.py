"""What people do with their second factors. Keyword-only; whoever calls has made sure that it is the person.

Every change ends the person's other sessions, is in the audit log, and is told to them by mail.
"""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.http import HttpRequest

from apps.accounts.actions import end_others
from apps.accounts.factors import codes, passkeys
from apps.accounts.labels import LONGEST_PASSWORD, check_label
from apps.accounts.models import User
from apps.accounts.throttle import SecondStep
from apps.audit import trail
from apps.core.announce import write_to
from apps.core.errors import Conflict, Detail, Invalid

Kind = Authenticator.Type
WRONG = "is wrong, or was used already. An app shows a new one every 30 seconds."


def second_step(*, user: User, typed: str = "", credential: str = "", request: HttpRequest) -> str:
    """What `user` was told from: `passkey`, `app` or `recovery`.

    Raises Invalid naming `code` or `credential`, UserError `too_many_attempts`.
    """
    throttle = SecondStep(user.email, request)
    throttle.check()
    try:
        how = _second_step(user, typed, credential, request)
    except Invalid:
        throttle.failed()
        trail.note("signin.second_failed", by=None, about=user, name=user.email)
        raise
    throttle.passed()
    if how == "recovery":
        left = codes.left(user)
        trail.note("account.recovery_use", by=user, about=user, name=user.email, left=left)
        write_to(user.email, title="A recovery code was used", words=f"{left} are left. {NOT_YOU}")
    return how


def _second_step(user: User, code: str, credential: str, request: HttpRequest) -> str:
    if credential:
        passkeys.used(request, credential, user)
        return "passkey"
    if how := codes.passes(user, code):
        return how
    raise Invalid([Detail("code", WRONG)])


def prove(*, user: User, password: str = "", code: str = "", credential: str = "", request: HttpRequest) -> None:
    """That it is `user` who sits there: by the password and the second factor, if there is one; or by a passkey.

    Raises Invalid naming the field, UserError `too_many_attempts`.
    """
    if not credential:
        throttle = SecondStep(user.email, request)
        throttle.check()
        if not user.check_password(password[:LONGEST_PASSWORD]):
            throttle.failed()
            trail.note("signin.second_failed", by=None, about=user, name=user.email)
            raise Invalid([Detail("password", "is not your password.")])
    if credential or user.has_second_factor():
        second_step(user=user, typed=code, credential=credential, request=request)


@transaction.atomic
def turn_on_app(*, user: User, secret: str, code: str, kept: str | None) -> list[str]:
    """Ask for codes made from `secret` from now on; the recovery codes, if these are the first.

    `kept`: the session that goes on. Raises Invalid naming `code`, Conflict("app_is_on").
    """
    _held(user)
    if Authenticator.objects.filter(user=user, type=Kind.TOTP).exists():
        raise Conflict("app_is_on", "You have an authenticator app already.", "Remove it before you set up another.")
    step = codes.step_of(secret, code)
    if not step:
        words = "is not what the app should show now. Is the clock of the phone right?"
        raise Invalid([Detail("code", words)])
    codes.keep_app(user, secret, step)
    _changed(user, "account.app_on", "An authenticator app was set up", kept)
    return _first_codes(user)


@transaction.atomic
def turn_off_app(*, user: User, kept: str | None) -> None:
    _held(user)
    Authenticator.objects.filter(user=user, type=Kind.TOTP).delete()
    _no_codes_without_factor(user)
    _changed(user, "account.app_off", "The authenticator app was removed", kept)


@transaction.atomic
def renew_codes(*, user: User, kept: str | None) -> list[str]:
    """New recovery codes; the old ones count no longer. Raises Conflict("no_second_factor")."""
    _held(user)
    if not user.has_second_factor():
        raise Conflict(
            "no_second_factor", "You have no second factor.", "Set up an authenticator app or a passkey first."
        )
    made = codes.new_recovery_codes(user)
    _changed(user, "account.recovery_new", "New recovery codes were made", kept)
    return made


@transaction.atomic
def add_passkey(*, user: User, name: str, made: dict[str, Any], kept: str | None) -> list[str]:
    """Keep the passkey `made` (apps.accounts.factors.passkeys); the recovery codes, if these are the first.

    Raises Invalid naming `name`, Conflict("too_many_passkeys").
    """
    _held(user)
    name = check_label(name)
    if passkeys.of(user).count() >= passkeys.MOST:
        raise Conflict("too_many_passkeys", f"You have {passkeys.MOST} passkeys.", "Remove one that is not used.")
    passkeys.keep(user, name, made)
    _changed(user, "account.passkey_add", "A passkey was added", kept, called=name)
    return _first_codes(user)


@transaction.atomic
def rename_passkey(*, user: User, passkey: Authenticator, name: str) -> None:
    """Raises Invalid naming `name`."""
    before, passkey.data["name"] = str(passkey), check_label(name)
    passkey.save(update_fields=["data"])
    trail.note("account.passkey_rename", by=user, about=user, name=user.email, before=before, called=name)


@transaction.atomic
def remove_passkey(*, user: User, passkey: Authenticator, kept: str | None) -> None:
    _held(user)
    called = str(passkey)
    passkey.delete()
    _no_codes_without_factor(user)
    _changed(user, "account.passkey_remove", "A passkey was removed", kept, called=called)


@transaction.atomic
def take_away(*, user: User) -> int:
    """All second factors of somebody who lost them, by who has the server; how many there were. Ends all sessions."""
    _held(user)
    count = Authenticator.objects.filter(user=user).exclude(type=Kind.RECOVERY_CODES).count()
    Authenticator.objects.filter(user=user).delete()
    _changed(user, "account.factors_taken", "Your second factors were taken away by an operator", None)
    return count


NOT_YOU = "If it was not you, change your password and end your other sessions at once."


def _changed(user: User, verb: str, title: str, kept: str | None, **details: str) -> None:
    """`kept`: the session that goes on; None for an operator's doing."""
    user.sign_in_links.all().delete()
    end_others(user, kept)
    trail.note(verb, by=user if kept else None, about=user, name=user.email, **details)
    called = f"Its name: {details['called']}. " if "called" in details else ""
    words = f"{called}All other sessions were ended. {NOT_YOU}"
    write_to(user.email, title=title, words=words)


def _first_codes(user: User) -> list[str]:
    has = Authenticator.objects.filter(user=user, type=Kind.RECOVERY_CODES).exists()
    return [] if has else codes.new_recovery_codes(user)


def _no_codes_without_factor(user: User) -> None:
    if not user.has_second_factor():
        Authenticator.objects.filter(user=user).delete()


def _held(user: User) -> None:
    """Changes of one person's factors come one after another."""
    User.objects.select_for_update().get(pk=user.pk)
