"""What BuildKit is asked for: Railpack's plan as its frontend's input, the variables as secrets."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

from apps.builds.detect.plan import Plan
from apps.builds.image import cli
from apps.builds.image.railpack import frontend, preparing
from apps.builds.stages.room import Room
from apps.core.errors import PlatformError

_PLAN = "railpack-plan.json"


@dataclass(frozen=True, slots=True)
class Order:
    """`dockerfile`: the plan's path. `inputs`: a digest of the secrets that does not tell their values."""

    dockerfile: str
    image: str
    scope: str
    inputs: str
    secrets: Mapping[str, bytes]


def order(room: Room, plan: Plan, env: Mapping[str, str], *, scope: str) -> Order:
    """The plan that `preparing` left in the room, completed and written beside the checkout."""
    config = settings.BRAINPOD
    stored = preparing.read(room.directory(preparing.WORK) / preparing.PLAN)
    if not stored:
        raise PlatformError("railpack_plan_missing", "Railpack's plan of this build is gone.", "Deploy again.")
    held = frontend.secrets(env, bool(config.build_ca))
    authorities = frontend.certificates(config.build_ca)
    inputs = frontend.Inputs(scope, frozenset(held), config.base_images, authorities)
    path = room.directory("image") / _PLAN
    path.write_text(json.dumps(frontend.complete(stored, inputs)))
    told = json.dumps([scope, sorted(held.items())]).encode()
    return Order(
        dockerfile=str(path),
        image=frontend.image(plan.manager.rpartition(" ")[2], config.base_images),
        scope=scope,
        inputs=hmac.new(settings.SECRET_KEY.encode(), told, hashlib.sha256).hexdigest()[:32],
        secrets={name: value.encode("utf-8", "surrogateescape") for name, value in held.items()},
    )


def request(order: Order, context: str) -> cli.Request:
    """Caches are the app's own by `cache-key`; a step is made anew when a variable changes by `secrets-hash`."""
    return cli.Request(
        context=context, dockerfile=order.dockerfile, scope=order.scope, frontend=order.image,
        arguments=(("cache-key", order.scope), ("secrets-hash", order.inputs)),
    )  # fmt: skip
