"""What a team's GitHub App tells: judged for every pod of the team that is built from the repository."""

from __future__ import annotations

import secrets as random
from collections.abc import Mapping, Sequence

from apps.connections import secrets
from apps.connections.models import Connection, Kind
from apps.core.errors import PlatformError, Unavailable, UserError
from apps.hooks import providers
from apps.hooks.following import built_from
from apps.hooks.providers.base import Event, Ping, Push
from apps.hooks.receive import Verdict, base_of, receive, together
from apps.pods.models import Pod
from apps.previews.pull_requests import PullRequest

REFUSED = "The signature does not match: it is not the webhook secret of this GitHub App."


def handle(connection_id: str, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Raises UserError("webhook_signature") for what is not signed, and whether or not there is such an app."""
    connection = Connection.objects.filter(pk=connection_id, kind=Kind.GITHUB_APP).select_related("team").first()
    provider = providers.find(headers)
    if provider is None or not provider.signed(headers, body, (_key(connection), random.token_urlsafe(32))):
        raise UserError("webhook_signature", REFUSED, status=401)
    assert connection is not None
    told = provider.read(headers, body)
    delivery = provider.delivery(headers)
    pods = [pod for pod in connection.team.pods.filter(deleting_at=None) if _concerns(pod, told)]
    verdicts = [receive(pod_id=pod.pk, provider=provider.name, delivery=delivery, told=told) for pod in pods]
    if verdicts:
        return together(verdicts)
    if any(isinstance(event, Ping) for event in told):
        return Verdict("The webhook of the GitHub App works.")
    return Verdict(f"Nothing to do: no pod of {connection.team.name} is built from it.")


def _key(connection: Connection | None) -> str:
    """One that nobody knows, where there is none. Raises Unavailable."""
    unknown = random.token_urlsafe(32)
    if connection is None:
        return unknown
    try:
        return secrets.more_of(connection).get("webhook_secret") or unknown
    except Unavailable:
        raise
    except PlatformError:
        return unknown


def _concerns(pod: Pod, told: Sequence[Event]) -> bool:
    base = base_of(pod)
    named = [event.repository_urls for event in told if isinstance(event, Push | PullRequest)]
    return base is not None and any(built_from(base.snapshot(), urls) for urls in named)
