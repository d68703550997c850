"""The webhook of a pod, registered at git hosts by the platform, given new secrets there, and taken away at the end.

A Registration is what there should be at the host; whoever has its lease makes it so.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from apps.audit import trail
from apps.connections.models import Connection, Kind, repository_path
from apps.connections.remote import webhooks
from apps.connections.remote.client import speaker
from apps.core.errors import Conflict, Detail, Invalid, PlatformError, UserError
from apps.core.leases import acquire, kept
from apps.hooks import actions, keys
from apps.hooks.models import Registration, Webhook
from apps.hooks.repositories import repositories, repository
from apps.pods.models import Pod, Resource, Revision
from apps.secretstore import secrets as store
from apps.sources.urls import check_url

if TYPE_CHECKING:
    from apps.accounts.models import User

log = structlog.get_logger(__name__)
DELAYS = tuple(datetime.timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 1440))  # after so many failures
LONGEST = 30.0  # seconds, after which what is still due is begun by the next
HOPELESS = ("host_refused", "access_revoked", "repository_not_found")  # trying again soon would change nothing


def repositories_of(pod: Pod) -> list[str]:
    """Those that the pod's apps are built from, live, deployed last or drafted, as apps.hooks.repositories has them."""
    return _built_from(Pod.objects.filter(pk=pod.pk)).get(pod.pk, [])


def teller(team_id: int, name: str) -> Connection | None:
    """The connection that may ask the host of the repository `name` for something, if there is one."""
    return None if name.startswith("brainpod:") else speaker(team_id, f"https://{name}")


def tells_itself(connection: Connection) -> bool:
    """Whether it is a GitHub App that was made here: its own webhook tells of all its repositories."""
    return connection.kind == Kind.GITHUB_APP and bool(connection.app_page)


def register(*, pod: Pod, repo: str, by: User) -> Registration:
    """Have the host of `repo` (an address, or as `repositories_of` has it) tell the pod of pushes and pull requests.

    Raises Invalid naming `repo`, Conflict("pod_deleting" | "webhook_busy"), and as apps.connections.remote.webhooks.
    """
    name = repository(repo if "://" in repo else f"https://{repo}") or repository(repo)
    actions.check_alive(pod)
    if name not in repositories_of(pod):
        raise Invalid([Detail("repo", "must be a repository that an app of this pod is built from.")])
    connection = teller(pod.team_id, name)
    if connection is None:
        words = "belongs to a host that no connection of the team may ask: set the webhook up by hand."
        raise Invalid([Detail("repo", words)])
    if tells_itself(connection):
        raise Invalid([Detail("repo", f"needs none: the GitHub App {connection.name} tells of its pushes already.")])
    hook = actions.make_webhook(pod=pod, by=by)
    defaults = {"team_id": pod.team_id, "address": address_of(pod), "version": 0}
    row, _ = Registration.objects.get_or_create(pod=pod, repository=name, defaults=defaults)
    lease = acquire(row)
    if lease is None:
        raise Conflict("webhook_busy", f"{name} is being asked just now.", "Reload the page in a minute.")
    with kept(lease):
        try:
            _put(row, pod, hook)
        except (UserError, PlatformError) as error:
            _note_failure(row, error, gone=not row.version)
            raise
        trail.note("webhook.register", by=by, about=pod, repository=name)
    log.info("webhook_registered", pod=pod.pk, host=connection.host, by=by.pk)
    return row


def address_of(pod: Pod, app: str = "") -> str:
    """Of the pod's webhook, or of that of one app."""
    words = {"pod": pod.pk} | ({"app": app} if app else {})
    return settings.BRAINPOD.public_address + reverse("hook-of-app" if app else "hook", kwargs=words)


def tend() -> None:
    """Tell hosts of new secrets, and have them forget what leads to nothing any more."""
    due = Registration.objects.filter(next_at__lte=timezone.now()).order_by("next_at", "pk")
    rows = list(due.select_related("pod__webhook"))
    built = _built_from(Pod.objects.filter(pk__in={row.pod_id for row in rows}))  # after the rows: no row is missed
    until = time.monotonic() + LONGEST
    for row in rows:
        if time.monotonic() > until:
            return
        if _is_over(row, built) or _is_old(row):
            _tend(row.pk, built)


def _tend(pk: int, built: Mapping[str, list[str]]) -> None:
    row = Registration.objects.select_related("pod__webhook").filter(pk=pk).first()
    lease = acquire(row, next_at__lte=timezone.now()) if row else None
    if row is None or lease is None:
        return
    with kept(lease):
        over = _is_over(row, built)
        try:
            if over:
                _take_away(row)
            elif row.pod and _is_old(row):
                _put(row, row.pod, row.pod.webhook)
        except (UserError, PlatformError) as error:
            log.info("webhook_not_tended", registration=row.pk, why=error.code)
            _note_failure(row, error, gone=over and (error.code in HOPELESS or row.tries >= len(DELAYS)))


def _is_over(row: Registration, built: Mapping[str, list[str]]) -> bool:
    return row.pod is None or row.pod.deleting_at is not None or row.repository not in built.get(row.pod.pk, ())


def _is_old(row: Registration) -> bool:
    """Whether the host has another secret or address than the pod."""
    hook: Webhook | None = getattr(row.pod, "webhook", None)
    if row.pod is None or hook is None:
        return False
    return hook.version != row.version or row.address != address_of(row.pod)


def _put(row: Registration, pod: Pod, hook: Webhook) -> None:
    """Have the host know the present key; and forget the address that the platform had before, if it had another."""
    connection, name, address = _asked(row), _path(row), address_of(pod)
    key = store().read(keys.path_of(pod.pk), hook.version)[keys.NEW]
    webhooks.ensure(connection, name, address, key)
    if row.address != address:
        webhooks.remove(connection, name, row.address)
    told = {"version": hook.version, "address": address, "registered_at": timezone.now()}
    _note(row, **told, failed="", tries=0, next_at=timezone.now())


def _take_away(row: Registration) -> None:
    webhooks.remove(_asked(row), _path(row), row.address)
    with transaction.atomic():
        if row.pod:
            trail.note("webhook.unregister", by=None, about=row.pod, repository=row.repository)
        row.delete()
    log.info("webhook_unregistered", registration=row.pk, repository=row.repository)


def _asked(row: Registration) -> Connection:
    connection = teller(row.team_id, row.repository)
    if connection is None:
        words = "No connection of the team may ask the host any more."
        raise UserError("host_refused", words, "Change the webhook there by hand, or add a connection.")
    return connection


def _path(row: Registration) -> str:
    return repository_path(check_url(f"https://{row.repository}", allowed=settings.BRAINPOD.networks))


def _note_failure(row: Registration, error: UserError | PlatformError, *, gone: bool) -> None:
    if gone:
        row.delete()
        return
    delay = DELAYS[-1] if error.code in HOPELESS else DELAYS[min(row.tries, len(DELAYS) - 1)]
    _note(row, failed=str(error)[:500], tries=row.tries + 1, next_at=timezone.now() + delay)


def _note(row: Registration, **fields: object) -> None:
    """If it is still this worker's."""
    Registration.objects.filter(pk=row.pk, fence=row.fence).update(**fields)
    for name, value in fields.items():
        setattr(row, name, value)


def _built_from(pods: QuerySet[Pod]) -> dict[str, list[str]]:
    """By pod, the repositories that its apps are built from."""
    counts = Q(sealed_at=None) | Q(pk=F("pod__live")) | Q(pk=F("pod__head"))
    rows = Resource.objects.filter(kind="App", revision__in=Revision.objects.filter(counts, pod__in=pods))
    found: dict[str, list[str]] = {}
    for pod_id, source in rows.order_by("name").values_list("revision__pod_id", "spec__source"):
        if isinstance(source, dict) and source.get("repo"):
            found.setdefault(pod_id, []).append(source["repo"])
    return {pod_id: repositories(urls) for pod_id, urls in found.items()}
