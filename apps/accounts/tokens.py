"""Tokens of programs: made, shown once, and what a request that bears one may do. The one place that reads them.

A token has 256 bits of chance, so it is found by its digest, and guessing is hopeless; failures are slowed down all
the same, per address, and a token that is right is let in whatever its neighbours do.
"""

from __future__ import annotations

import base64
import datetime
import hmac
import secrets
from collections.abc import Mapping
from typing import Any

import structlog
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from apps.accounts import gate, policies
from apps.accounts.labels import check_label
from apps.accounts.models import ApiToken, Team, User, digest
from apps.accounts.roles import Role
from apps.accounts.throttle import Counter, Failures, network_of
from apps.audit import trail
from apps.audit.circumstances import bears
from apps.core.errors import Conflict, Detail, Invalid, UserError

PREFIX = "bp_"
MOST = 50  # a person may have at once
LONGEST = 200  # characters of what is looked at
USED = datetime.timedelta(minutes=1)  # how exact the last use is
AS_BEARER = "This needs a token that counts, as Authorization: Bearer bp_…"
AS_PASSWORD = "This needs a token that counts, as the password; any user name will do."
HINT = "Make one on your account's page, under Tokens."
DAYS = (7, 30, 90, 365)  # a token may last; or for ever

log = structlog.get_logger(__name__)


def make(
    *, user: User, name: str, team: Team | None, days: int | None = None, policy: Mapping[str, Any] | None = None
) -> tuple[ApiToken, str]:
    """A new token, which nobody can read again: of `team`, which `user` is in, or without one an operator's.

    `days`: how long it counts; None: until it is revoked. `policy`: what of `user`'s it may do, None: all. Raises
    Invalid naming the field, Conflict("too_many_tokens"), what apps.accounts.gate raises.
    """
    name = check_label(name)
    if policy is not None:
        policy = policies.check(policy)
        if team is None:
            raise Invalid([Detail("policy", "is for tokens of a team: leave it empty, or choose a team.")])
    if days is not None and days not in DAYS:
        raise Invalid([Detail("expiry", f"must be one of {', '.join(map(str, DAYS))} days, or never.")])
    if team is not None:
        gate.access(user, team, Role.VIEWER)
    elif not user.is_staff:
        raise UserError("forbidden", "Only operators have operators' tokens.", "Choose a team.", status=403)
    if user.api_tokens.count() >= MOST:
        raise Conflict("too_many_tokens", f"You have {MOST} tokens.", "Revoke one that is not used any more.")
    token = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        row = ApiToken.objects.create(
            user=user, name=name, team=team, digest=digest(token), start=token[:8], policy=policy,
            scope=ApiToken.Scope.TEAM if team else ApiToken.Scope.OPERATOR,
            expires_at=timezone.now() + datetime.timedelta(days=days) if days else None,
        )  # fmt: skip
        trail.note("token.make", by=user, about=row, start=row.start, scope=row.scope, days=days)
    log.info("token_made", token=row.pk, user=user.pk, scope=row.scope)
    return row, token


def revoke(*, token: ApiToken, by: User | None = None) -> None:
    """It counts no longer, from now on. `by`: who says so, if not the person whose it is."""
    by = by or token.user
    holder = token.user.email if by != token.user else ""
    with transaction.atomic():
        trail.note("token.revoke", by=by, about=token, start=token.start, holder=holder)
        token.delete()
    log.info("token_revoked", user=token.user_id, start=token.start)


def revoke_of_member(*, token: ApiToken, by: User) -> None:
    """Revoke somebody's token of a team that `by` owns. Raises what apps.accounts.gate raises."""
    assert token.team is not None
    gate.access(by, token.team, Role.OWNER)
    revoke(token=token, by=by)


def revoke_left_behind(*, by: User, **of: Any) -> None:
    """Revoke what people keep of teams they are not in: it would count again once they are. `of`: whose, if not all."""
    for token in ApiToken.objects.left_behind().filter(**of).select_related("user"):
        revoke(token=token, by=by)


def bearer(request: HttpRequest) -> ApiToken:
    """The token that `request` bears, as `Authorization: Bearer bp_…`.

    Raises UserError("token_refused") with 401, whatever is wrong with it, and after many failures
    UserError("too_many_attempts") with 429.
    """
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return _let_in(request, given.strip() if scheme.lower() == "bearer" else "")


def password(request: HttpRequest) -> ApiToken:
    """The token that `request` bears as the password of HTTP Basic, with whatever name. Raises what `bearer` raises.

    A request without one is no failure: git asks so first.
    """
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if not given:
        raise UserError("token_refused", AS_PASSWORD, HINT, status=401)
    try:
        plain = base64.b64decode(given.strip()[: 2 * LONGEST], validate=True).decode()
    except ValueError:
        plain = ""
    return _let_in(request, plain.partition(":")[2] if scheme.lower() == "basic" else "", AS_PASSWORD)


def _let_in(request: HttpRequest, given: str, needed: str = AS_BEARER) -> ApiToken:
    found = _holder(given) if given else None
    if found is None:
        raise _refused(request, needed)
    now = timezone.now()
    if found.last_used_at is None or now - found.last_used_at > USED:
        ApiToken.objects.filter(pk=found.pk).update(last_used_at=now)
    bears(f"{found.name} ({found.start}…)")
    return found


def again(token: ApiToken) -> ApiToken:
    """The token as it is now, of whoever was let in with it and stays. Raises UserError("token_refused") with 401."""
    found = ApiToken.objects.counting().select_related("user", "team").filter(pk=token.pk).first()
    if found is None or not _is_held(found):
        raise UserError("token_refused", AS_BEARER, HINT, status=401)
    return found


def operator(request: HttpRequest) -> ApiToken:
    """The same, of an operator's token. Raises besides UserError("token_scope") with 403."""
    found = bearer(request)
    if found.scope != ApiToken.Scope.OPERATOR:
        raise UserError(
            "token_scope",
            "This needs an operator's token.",
            "Make one on your account's page, under Tokens.",
            status=403,
        )
    return found


def _holder(given: str) -> ApiToken | None:
    if not given.startswith(PREFIX) or len(given) > LONGEST:
        return None
    wanted = digest(given)
    found = ApiToken.objects.counting().select_related("user", "team").filter(digest=wanted).first()
    if found is None or not hmac.compare_digest(found.digest, wanted):
        return None
    return found if _is_held(found) else None


def _is_held(token: ApiToken) -> bool:
    """Whether its person is still what it needs."""
    return bool(token.team.role_of(token.user)) if token.team else token.user.is_staff


def _refused(request: HttpRequest, needed: str) -> UserError:
    failures = Failures([Counter(f"token:address:{network_of(request)}", 20, 60)])
    if (left := failures.left()) > 0:
        return UserError(
            "too_many_attempts",
            "Too many requests with a wrong token.",
            f"Wait {int(left) + 1} seconds, and send a token that counts.",
            status=429,
        )
    failures.failed()
    return UserError("token_refused", needed, HINT, status=401)
