"""secrets: the values an app's environment refers to, read for it and kept in memory alone."""

from __future__ import annotations

from collections.abc import Mapping

from apps import secretstore
from apps.builds.stages.room import Room
from apps.core.errors import PlatformError
from apps.core.failpoints import failpoint
from apps.pods.environment import SecretRef, password_references, secret_references
from apps.pods.models import Revision
from apps.secretstore.base import SecretStore

TERM = 600  # seconds a token lives if its reader is killed before it revokes it: ten minutes, never renewed


def run(room: Room, *, revision: Revision, app: str) -> tuple[dict[str, str], dict[str, str]]:
    """`given`, for the build. Raises Unavailable while the store does not answer."""
    room.check()
    found = given(secretstore.secrets(), revision, app)
    count = sum(map(len, found))
    room.write(f"{count} secret values, read with a token of this pod that ended with the reading.")
    return found


def given(store: SecretStore, revision: Revision, app: str) -> tuple[dict[str, str], dict[str, str]]:
    """The values of `secret_references` and of `password_references`, read with one token. Raises what `read` does."""
    secrets, passwords = secret_references(revision, app), password_references(revision, app)
    prefix = "password of "  # no variable has such a name
    values = read(store, revision.pod_id, secrets | {f"{prefix}{name}": it for name, it in passwords.items()})
    return {name: values[name] for name in secrets}, {name: values[f"{prefix}{name}"] for name in passwords}


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
