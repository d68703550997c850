"""secrets: the values an app's environment refers to, read for it and kept in memory alone."""

from __future__ import annotations

from collections.abc import Mapping

from apps import secretstore
from apps.builds.stages.room import Room
from apps.core.errors import PlatformError
from apps.core.failpoints import failpoint
from apps.pods.environment import SecretRef
from apps.secretstore.base import SecretStore

TERM = 600  # seconds a token lives if its reader is killed before it revokes it: ten minutes, never renewed


def run(room: Room, *, references: Mapping[str, SecretRef]) -> dict[str, str]:
    """Variable → value, for the build. Raises Unavailable while the store does not answer."""
    room.check()
    values = read(secretstore.secrets(), room.pod, references)
    room.write(f"{len(values)} secret values, read with a token of this pod that ended with the reading.")
    return values


def read(store: SecretStore, pod: str, references: Mapping[str, SecretRef]) -> dict[str, str]:
    """Variable → value, with a token that reaches this pod's secrets and nothing else and is revoked afterwards.

    Raises Unavailable, and PlatformError("secret_missing") for a value that is not there: never half an environment.
    """
    if not references:
        return {}
    token = store.token_for(pod, TERM)
    failpoint("secrets.token", pod)
    try:
        wanted = sorted({(reference.path, reference.version) for reference in references.values()})
        held = {place: store.read(*place, token=token) for place in wanted}
    finally:
        store.revoke(token)
    values = {}
    for name, reference in references.items():
        found = held[reference.path, reference.version]
        if reference.key not in found:
            hint = "Set it again under the configuration it comes from."
            raise PlatformError("secret_missing", f"The secret {name} is not in the store.", hint)
        values[name] = found[reference.key]
    return values
