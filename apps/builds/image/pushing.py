"""An image on its way to the registry, and what is known of those that were sent."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.utils import timezone

from apps.artifacts.oci import Registry
from apps.builds.image import images
from apps.builds.models import PushedImage
from apps.builds.stages.room import Interrupted, Room
from apps.builds.stages.storing import not_stored
from apps.engines.docker import transfer


def leave_layers(registry: Registry, name: str, *, scope: str, export: Callable[[], None]) -> bool:
    """Have `export` leave the layers of a build as `name`, repository:tag; whether the registry has them then.

    That they are sent is written down before they are, as for an image. Raises what `export` raises, Unavailable if
    the registry does not answer.
    """
    sent, _ = PushedImage.objects.update_or_create(
        name=name, defaults={"pushed_at": timezone.now(), "digest": "", "scope": scope}
    )
    export()
    sent.digest, sent.pushed_at = registry.digest(sent.repository, sent.tag), timezone.now()
    sent.save(update_fields=["digest", "pushed_at"])
    return bool(sent.digest)


def push(room: Room, registry: Registry, name: str, *, scope: str = "") -> str:
    """Push what this daemon knows as `name`, repository:tag; what it is pulled as from now on, repository@digest.

    `scope`: whose later builds may take its layers.
    That it is sent is written down before it is, so that nothing is ever left there that nobody knows of. Raises
    UserError("upload_failed"), Interrupted, Unavailable if the daemon goes away.
    """
    sent, _ = PushedImage.objects.update_or_create(
        name=name, defaults={"pushed_at": timezone.now(), "digest": "", "scope": scope}
    )
    room.write(f"Pushing to {name}")
    host = settings.BRAINPOD.docker_address
    with images.asking(host):
        try:
            digest = transfer.push(
                host, name, registry.login(name), on_line=room.write, stopped=room.cancelled
            )  # fmt: skip
        except transfer.Stopped:
            raise Interrupted from None
        except transfer.Failed as error:
            raise not_stored(f"The registry {registry.host}", str(error)) from error
    sent.digest, sent.pushed_at = digest, timezone.now()
    sent.save(update_fields=["digest", "pushed_at"])
    return sent.reference
