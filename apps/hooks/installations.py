"""What a team's GitHub App tells: judged for every pod that it concerns, and kept in the app's own inbox."""

from __future__ import annotations

import secrets as random
from collections.abc import Mapping, Sequence

from apps.connections import hook_secret
from apps.connections.models import Connection, Kind
from apps.core.errors import PlatformError, Unavailable, UserError
from apps.hooks import providers
from apps.hooks.concerned import concerned
from apps.hooks.models import AppReceipt, Outcome
from apps.hooks.providers.base import Event, Ping
from apps.hooks.receive import UNSIGNED_KEPT, Verdict, about, forget, plain, receive, together

KEPT = 100  # receipts of one app
REFUSED = "The signature does not match: it is not the webhook secret of this GitHub App."
BARE = "It bears no signature: this GitHub App has a webhook secret, and GitHub signs with it what it sends."
SIGNATURE = "X-Hub-Signature-256"


def handle(connection_id: str, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Raises UserError("webhook_signature") for what is not signed, and whether or not there is such an app."""
    connection = _found(connection_id)
    provider = providers.find(headers)
    if provider is None or not provider.signed(headers, body, _keys(connection)):
        raise UserError("webhook_signature", REFUSED, status=401)
    assert connection is not None
    told = provider.read(headers, body)
    delivery = provider.delivery(headers)
    pods = concerned(connection.team, told)
    verdicts = [receive(pod_id=pod.pk, provider=provider.name, delivery=delivery, told=told) for pod in pods]
    verdict = together(verdicts) if verdicts else _of_no_pod(connection, told)
    AppReceipt.objects.create(
        connection=connection,
        provider=provider.name,
        delivery=plain(delivery, 64),
        about=plain(", ".join(filter(None, (about(event)[0] for event in told))), 250),
        pods=", ".join(pod.name for pod in pods)[:250],
        outcome=verdict.outcome,
        verdict=plain(verdict.words, 500),
    )
    forget(AppReceipt.objects.filter(connection=connection).exclude(outcome=Outcome.UNSIGNED), KEPT)
    return verdict


def keep_unsigned(connection_id: str, headers: Mapping[str, str]) -> None:
    """Write down that nobody signed a delivery. Few are kept, and they push no other out."""
    connection = _found(connection_id)
    if connection is None:
        return
    provider = providers.find(headers)
    AppReceipt.objects.create(
        connection=connection,
        provider=provider.name if provider else "",
        delivery=plain(provider.delivery(headers), 64) if provider else "",
        outcome=Outcome.UNSIGNED,
        verdict=REFUSED if headers.get(SIGNATURE) else BARE,
    )
    forget(AppReceipt.objects.filter(connection=connection, outcome=Outcome.UNSIGNED), UNSIGNED_KEPT)


def _found(connection_id: str) -> Connection | None:
    return Connection.objects.filter(pk=connection_id, kind=Kind.GITHUB_APP).select_related("team").first()


def _keys(connection: Connection | None) -> Sequence[str]:
    """Always two, of which nobody knows those that are not there. Raises Unavailable."""
    try:
        known = hook_secret.counting(connection) if connection else ()
    except Unavailable:
        raise
    except PlatformError:
        known = ()
    return [*known, random.token_urlsafe(32), random.token_urlsafe(32)][:2]


def _of_no_pod(connection: Connection, told: Sequence[Event]) -> Verdict:
    if any(isinstance(event, Ping) for event in told):
        return Verdict("The webhook of the GitHub App works.")
    return Verdict(f"Nothing to do: no pod of {connection.team.name} is built from it.")
