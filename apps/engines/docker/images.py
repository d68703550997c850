"""What a workload runs in: there already, or pulled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from docker.errors import ImageNotFound

from apps.core.errors import UserError
from apps.engines.docker import transfer
from apps.engines.docker.daemon import Daemon
from apps.engines.docker.names import READ_ONLY

HINT = (
    "Check that the registry answers, the name and the tag or digest; a private image needs credentials: those of"
    " BRAINPOD_REGISTRY, or the Docker configuration of the platform's user."
)
ELSEWHERE = (
    "Without a registry an image is only where it was built. Have an operator set BRAINPOD_REGISTRY, and deploy once"
    " without the build cache to have it built anew."
)


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


def present(
    daemon: Daemon,
    reference: str,
    login: transfer.Login = lambda _: None,
    *,
    on_line: Callable[[str], None] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
    patient: bool = False,
) -> Image:
    """The image `reference`, pulled if it is not here, tried several times if `patient`.

    Raises UserError("image_pull_failed"), transfer.Stopped.
    """
    with daemon.asking() as api:
        try:
            return _facts(api.inspect_image(reference))
        except ImageNotFound:
            pass
        if reference.startswith("sha256:"):
            words = f"The image {reference} is not in the engine's Docker daemon, and in no registry."
            raise UserError("image_pull_failed", words, ELSEWHERE)
        try:
            who = login(reference)
            transfer.pull(daemon.host, reference, who, on_line=on_line, stopped=stopped, patient=patient)
            return _facts(api.inspect_image(reference))
        except (transfer.Failed, ImageNotFound) as error:
            words = f"The image {reference} is not here and cannot be pulled: {error}."
            raise UserError("image_pull_failed", words, HINT) from error


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
