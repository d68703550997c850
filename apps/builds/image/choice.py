"""Which builder makes an app's artifact: bundle or image."""

from __future__ import annotations

from collections.abc import Set
from typing import Any, Literal

from django.conf import settings

from apps import engines
from apps.builds.detect import DOCKER, DOCKERFILE
from apps.builds.image import images
from apps.builds.image.railpack import program
from apps.builds.stages.room import Room
from apps.core.errors import UserError
from apps.core.paths import beneath
from apps.infrastructure.embedded import binaries

Builder = Literal["bundle", "image", "railpack"]
_FRONTENDS = (1, 42)  # Docker 23: takes another frontend than the Dockerfile's by an argument
_LET = "Let the builder be found by itself"
_NO_DAEMON = "No Docker daemon is set up to build images with."
_START = "Have an operator start one on the machine that builds, or name it with BRAINPOD_DOCKER_HOST."


def choose(room: Room, spec: dict[str, Any], engine: str) -> Builder:
    """The builder for the app `spec` in the checkout, to run on `engine`. Raises UserError for a choice this
    installation cannot keep, for Railpack Unavailable too, while the Docker daemon does not answer."""
    wanted = spec.get("build", {})
    place = "/".join(
        part for part in (spec["source"].get("rootDir", ""), wanted.get("dockerfile") or DOCKERFILE) if part
    )
    static = spec.get("type") == "static"
    asked = "image" if wanted.get("framework") == DOCKER else wanted.get("builder", "")
    there = beneath(room.source, place, "build.dockerfile").is_file()
    chosen = decide(asked, engines.named(engine).artifacts, static=static, dockerfile=there, ready=is_ready())
    if chosen == "railpack":
        program.find()
        check_daemon(*images.version(settings.BRAINPOD.docker_address))
    return chosen


def is_ready() -> bool:
    """Whether a Docker daemon is set up to build images with."""
    return bool(settings.BRAINPOD.docker_address)


def decide(asked: str, runs: Set[str], *, static: bool, dockerfile: bool, ready: bool) -> Builder:
    """`runs`: the kinds of artifacts the engine takes; static files need no engine. `ready`: images can be made."""
    if not asked:
        plain = static and "bundle" in runs  # a site's Dockerfile is for serving it elsewhere
        asked = "image" if "image" in runs and not plain and (dockerfile or "bundle" not in runs) else "bundle"
    if asked == "railpack":
        return _railpack(runs, static=static, ready=ready)
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
        raise _unfit(_NO_DAEMON, _START)
    return "image"


def check_daemon(version: str, api: str) -> None:
    """Raises UserError for a Docker daemon that Railpack's plan cannot be given to."""
    if binaries.numbers(api) < _FRONTENDS:
        what = f"The Docker daemon is of version {version}; Railpack's plans need Docker 23 or newer."
        raise program.unfit(what, f"{_LET}, or have an operator install a newer Docker.")


def _railpack(runs: Set[str], *, static: bool, ready: bool) -> Builder:
    if static:
        raise program.unfit("Railpack makes images that run, no static files.", f"{_LET}, or choose the type web.")
    if "image" not in runs:
        raise program.unfit("Railpack makes images, and the engine of this installation runs none.", f"{_LET}.")
    if not ready:
        raise program.unfit(_NO_DAEMON, _START)
    return "railpack"


def _unfit(what: str, hint: str) -> UserError:
    return UserError("builder_unavailable", what, hint)
