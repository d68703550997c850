"""The secret of a pod's webhook, or of the own address of one of its apps: replaced, and the old one ended."""

from __future__ import annotations

import datetime
from typing import Annotated, Any

from ninja import Query, Router
from pydantic import Field

from apps.accounts.roles import Role
from apps.api import places, schemas
from apps.api.door import Request, operation
from apps.hooks import actions
from apps.hooks.models import AppSecret, Webhook
from apps.hooks.registering import address_of
from apps.pods.models import Pod

router = Router(tags=["webhooks"])
ROTATION = "/pods/{pod}/webhook/rotation"
NAME = "^[a-z0-9-]*$"
App = Annotated[str, Query(max_length=63, pattern=NAME)]


class RotationInput(schemas.Strict):
    """`app`: whose own address it is about; empty: the pod's webhook, and with it all its apps' addresses."""

    app: Annotated[str, Field(max_length=63, pattern=NAME)] = ""


class Rotation(schemas.Linked):
    """`oldUntil`: until when the secret before counts too; null: it does not."""

    app: str
    address: str
    rotatedAt: datetime.datetime | None
    oldUntil: datetime.datetime | None


class NewSecret(Rotation):
    secret: str


@operation(router, "POST", ROTATION, "revisions:deploy", role=Role.DEVELOPER, answers={201: NewSecret})
def rotate_webhook_secret(request: Request, pod: str, payload: RotationInput) -> Any:
    """Make a new secret; the present one counts for 24 hours more. Not in the public API."""
    found, app, by = request.auth.pod(pod), payload.app, request.auth.user
    row = actions.rotate_app_key(pod=found, app=app, by=by) if app else actions.rotate_key(pod=found, by=by)
    return 201, _shown(found, app, row) | {"secret": actions.read_key(pod=found, by=by, app=app)}


@operation(router, "DELETE", ROTATION, "revisions:deploy", role=Role.DEVELOPER, answers={200: Rotation})
def end_old_webhook_secret(request: Request, pod: str, app: App = "") -> Any:
    """The secret that was replaced counts no longer, from now on. Not in the public API."""
    found, by = request.auth.pod(pod), request.auth.user
    row = actions.end_old_app_key(pod=found, app=app, by=by) if app else actions.end_old_key(pod=found, by=by)
    return _shown(found, app, row)


def _shown(pod: Pod, app: str, row: AppSecret | Webhook) -> dict[str, Any]:
    return {
        "app": app,
        "address": address_of(pod, app),
        "rotatedAt": row.rotated_at,
        "oldUntil": row.old_until if row.old_counts else None,
        "_links": {"pod": places.pod(pod.name)},
    }
