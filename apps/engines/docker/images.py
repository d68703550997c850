"""What a workload runs in: there already, or pulled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from docker.errors import APIError, ImageNotFound, NotFound

from apps.core.errors import UserError
from apps.engines.docker.daemon import Daemon
from apps.engines.docker.names import READ_ONLY

PULL = 1800.0  # seconds
HINT = "Check the name and the tag or digest; a private image needs credentials in the platform's Docker configuration."


@dataclass(frozen=True, slots=True)
class Image:
    """`user` as the image has it: empty for root, a name or a number, perhaps with a group."""

    id: str
    user: str
    workdir: str
    path: str
    read_only: bool

    @property
    def root(self) -> bool:
        return self.user.partition(":")[0] in ("", "0", "root")


def present(daemon: Daemon, reference: str) -> Image:
    """The image `reference`, pulled if it is not here. Raises UserError("image_pull_failed")."""
    with daemon.asking() as api:
        try:
            return _facts(api.inspect_image(reference))
        except ImageNotFound:
            pass
        try:
            _pull(api, reference)
            return _facts(api.inspect_image(reference))
        except (APIError, NotFound) as error:
            words = f"The image {reference} is not here and cannot be pulled: {error.explanation or error}"
            raise UserError("image_pull_failed", words, HINT) from error


def _pull(api: Any, reference: str) -> None:
    """With the credentials of the Docker configuration of the platform's user, if it has some for that registry."""
    if reference.startswith("sha256:"):
        raise NotFound(f"{reference} is an id of this daemon's, and it has no such image")
    name, _, digest = reference.partition("@")
    last = name.rpartition("/")[2]
    tag = digest or (last.partition(":")[2] if ":" in last else "latest")
    repository = name.removesuffix(f":{tag}")
    before, api.timeout = api.timeout, PULL
    try:
        for said in api.pull(repository, tag=tag, stream=True, decode=True):
            if said.get("error"):
                raise APIError(said["error"], explanation=said["error"])
    finally:
        api.timeout = before


def _facts(found: dict[str, Any]) -> Image:
    config = found.get("Config") or {}
    env = dict(entry.partition("=")[::2] for entry in config.get("Env") or ())
    labels = config.get("Labels") or {}
    return Image(
        id=found["Id"],
        user=config.get("User") or "",
        workdir=config.get("WorkingDir") or "",
        path=env.get("PATH", ""),
        read_only=labels.get(READ_ONLY, "").lower() in ("1", "true", "yes"),
    )
