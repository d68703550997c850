"""The secret values that what a revision runs is started with: what no log of it may show."""

from __future__ import annotations

from apps import secretstore
from apps.builds.stages import secrets as secrets_stage
from apps.deployments import databases
from apps.pods.contents import apps_of, databases_of
from apps.pods.models import Revision


def hidden(revision: Revision, name: str) -> list[str]:
    """Those of an app, or of a database, of `revision`. Raises what apps.builds.stages.secrets.read raises."""
    found = databases_of(revision.snapshot()).get(name)
    if found is not None:
        has = databases.credentials(revision, name, found.credentials)
        return [has.password, has.admin_password]
    secrets, passwords = secrets_stage.given(secretstore.secrets(), revision, name)
    return [*secrets.values(), *passwords.values()]


def all_hidden(revision: Revision) -> list[str]:
    snapshot = revision.snapshot()
    return [value for name in (*databases_of(snapshot), *apps_of(snapshot)) for value in hidden(revision, name)]
