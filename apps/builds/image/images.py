"""The images of this installation in the Docker daemon: looked at, and removed when nobody needs them."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import re
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass

import docker
import requests
from django.conf import settings

from apps.core.errors import PlatformError, Unavailable

_LABEL = "brainpod.installation"
_SECONDS = 120.0
_AT_ONCE = 5.0  # heartbeats wait for the answer
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\S*?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class Image:
    """`id` is the digest of its configuration; `starts`: whether it says itself what it runs. `size` in bytes."""

    id: str
    size: int
    starts: bool


def labels(*, pod: str) -> tuple[str, ...]:
    """What tells these images from others in the same daemon."""
    return (f"{_LABEL}={_installation()}", f"brainpod.pod={pod}")


def check(host: str) -> None:
    """Raises Unavailable while the daemon does not answer."""
    with asking(host):
        pass  # it was asked for its version


def version(host: str) -> tuple[str, str]:
    """The daemon's, as it says it, and that of its API: ("28.5.1", "1.51")."""
    with asking(host) as client:
        said = client.version()
    return str(said.get("Version", "")), str(said.get("ApiVersion", ""))


def keeps_content(host: str) -> bool:
    """Whether the daemon has containerd's store of images, from which BuildKit can send layers to a registry."""
    with asking(host) as client:
        status = client.api.info().get("DriverStatus") or ()
    return ["driver-type", "io.containerd.snapshotter.v1"] in [list(row) for row in status]


def inspect(host: str, image: str) -> Image:
    """Raises PlatformError("artifact_missing")."""
    with asking(host) as client:
        try:
            found = client.api.inspect_image(image)
        except docker.errors.ImageNotFound:
            raise PlatformError("artifact_missing", f"The image {image[:19]} is gone.", "Deploy again.") from None
    config = found.get("Config") or {}
    return Image(found["Id"], found.get("Size", 0), bool(config.get("Cmd") or config.get("Entrypoint")))


def remove(host: str, image: str) -> None:
    """Whatever its tags; one that is gone, or that something still runs, is no error."""
    with asking(host) as client:
        _remove(client, image)


def identity(host: str) -> str:
    """The ID of the daemon: two addresses with the same one lead to the same images. Soon known, or Unavailable."""
    with asking(host, seconds=_AT_ONCE) as client:
        return str(client.api.info().get("ID", ""))


def keep_only(host: str, needed: Set[str], *, older_than: float) -> int:
    """Remove this installation's images that are not in `needed`, neither by id nor by a name with digest, and were
    made more than `older_than` seconds ago; the number of images removed."""
    removed = 0
    limit = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=older_than)
    with asking(host) as client:
        for row in client.api.images(filters={"label": f"{_LABEL}={_installation()}"}):
            names = {row["Id"], *(row.get("RepoDigests") or ())}
            if not names & needed and _made(client, row["Id"]) < limit:
                removed += _remove(client, row["Id"])
    return removed


def shrink_cache(host: str, *, idle: float, most: int) -> None:
    """Drop what BuildKit has not used for `idle` seconds, then what was used longest ago until `most` bytes are left.

    Layers that an image has as well take no room of their own and stay.
    """
    with asking(host) as client:
        client.api.prune_builds(filters={"until": [f"{idle / 3600:.0f}h"]})
        client.api.prune_builds(keep_storage=most)


def _remove(client: docker.DockerClient, image: str) -> bool:
    try:
        client.api.remove_image(image, force=True)
    except docker.errors.APIError as error:
        if error.status_code not in (404, 409):
            raise
        return False
    return True


def _made(client: docker.DockerClient, image: str) -> datetime.datetime:
    """When a build last led to it: made of known layers only, its own time is that of the first."""
    found = client.api.inspect_image(image)
    times = [found.get("Metadata", {}).get("LastTagTime", ""), found.get("Created", "")]
    read = [datetime.datetime.fromisoformat(m[1] + m[2].replace("Z", "+00:00")) for t in times if (m := _TIME.match(t))]
    return max(read, default=datetime.datetime.now(datetime.UTC))


def _installation() -> str:
    return hmac.new(settings.SECRET_KEY.encode(), b"images", hashlib.sha256).hexdigest()[:16]


@contextmanager
def asking(host: str, *, seconds: float = _SECONDS) -> Iterator[docker.DockerClient]:
    """The daemon; Unavailable if it does not answer as it should."""
    try:
        client = docker.DockerClient(base_url=host, timeout=seconds)
        client.api.trust_env = not host.startswith("unix://")  # as in apps.engines.docker.daemon
        try:
            yield client
        finally:
            client.close()
    except (requests.RequestException, docker.errors.DockerException, OSError) as error:
        hint = "Start the daemon, or correct BRAINPOD_DOCKER_HOST."
        raise Unavailable(
            "docker_unreachable", f"The Docker daemon does not answer as it should: {error}", hint
        ) from error
