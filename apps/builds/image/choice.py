"""Which builder makes an app's artifact: bundle or image."""

from __future__ import annotations

from collections.abc import Set
from typing import Any, Literal

from django.conf import settings

from apps import engines
from apps.builds.detect import DOCKER, DOCKERFILE
from apps.builds.stages.room import Room
from apps.core.errors import UserError
from apps.core.paths import beneath

Builder = Literal["bundle", "image"]
_LET = "Let the builder be found by itself"


def choose(room: Room, spec: dict[str, Any]) -> Builder:
    """The builder for the app `spec` in the checkout. Raises UserError for a choice this installation cannot keep."""
    wanted = spec.get("build", {})
    place = "/".join(
        part for part in (spec["source"].get("rootDir", ""), wanted.get("dockerfile") or DOCKERFILE) if part
    )
    static = spec.get("type") == "static"
    asked = "image" if wanted.get("framework") == DOCKER else wanted.get("builder", "")
    there = beneath(room.source, place, "build.dockerfile").is_file()
    return decide(asked, engines.engine().artifacts, static=static, dockerfile=there, ready=is_ready())


def is_ready() -> bool:
    """Whether a Docker daemon is set up to build images with."""
    return bool(settings.BRAINPOD.docker_address)


def decide(asked: str, runs: Set[str], *, static: bool, dockerfile: bool, ready: bool) -> Builder:
    """`runs`: the kinds of artifacts the engine takes; static files need no engine. `ready`: images can be made."""
    if not asked:
        plain = static and "bundle" in runs  # a site's Dockerfile is for serving it elsewhere
        asked = "image" if "image" in runs and not plain and (dockerfile or "bundle" not in runs) else "bundle"
    if asked == "bundle":
        if "bundle" not in runs and not static:
            raise _unfit("The engine of this installation runs images, no bundles.", f"{_LET}, or choose the image.")
        return "bundle"
    if "image" not in runs and not static:
        if dockerfile:
            hint = "Use an installation whose engine is Docker, or a stack that the bundle builder knows."
            what = "There is a Dockerfile, and this engine makes no images."
            raise UserError("dockerfile_needs_docker", what, hint)
        raise _unfit("The engine of this installation runs no images.", f"{_LET}, or choose the bundle.")
    if not ready:
        hint = "Have an operator start one on the machine that builds, or name it with BRAINPOD_DOCKER_HOST."
        raise _unfit("No Docker daemon is set up to build images with.", hint)
    return "image"


def _unfit(what: str, hint: str) -> UserError:
    return UserError("builder_unavailable", what, hint)
