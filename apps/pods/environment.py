"""The environment of an app: attached configs in their order, then the app's own variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.core.errors import NotFound, PlatformError
from apps.pods.contents import apps_of, configs_of, databases_of
from apps.pods.databases import PASSWORD, accesses, check_passwords, credentials_path, placeholders
from apps.pods.models import Pod, Revision, Snapshot
from apps.pods.references import References, referenced

KEY = "value"  # under which a secret's value is kept at its path


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where the value of one secret is: `secrets().read(path, version)[key]`."""

    path: str
    version: int
    key: str = KEY


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as written, references and all."""

    text: str


@dataclass(frozen=True, slots=True)
class Environment:
    """`warnings` are sentences for the log: references that stay literal, a PORT that is ignored."""

    values: dict[str, str]
    warnings: tuple[str, ...]


def secret_path(pod_id: str, config: str, name: str) -> str:
    return f"pods/{pod_id}/{config}/{name}"


def sources(snapshot: Snapshot, app: str, pod_id: str) -> dict[str, Literal | SecretRef]:
    """Where each variable of `app` comes from; the last that sets a name wins. PORT is left in."""
    apps, configs = apps_of(snapshot), configs_of(snapshot)
    if app not in apps:
        raise NotFound(f"app {app}")
    found: dict[str, Literal | SecretRef] = {}
    for name in apps[app].configs:
        if name in configs:
            found |= {variable.name: Literal(variable.value) for variable in configs[name].variables}
            found |= {key: SecretRef(secret_path(pod_id, name, key), v) for key, v in configs[name].secrets.items()}
    return found | {variable.name: Literal(variable.value) for variable in apps[app].env}


def secret_references(revision: Revision, app: str) -> dict[str, SecretRef]:
    """The secrets `app` is given, by the name of their variable; those that something overrides are left out."""
    found = sources(revision.snapshot(), app, revision.pod_id)
    return {name: origin for name, origin in found.items() if isinstance(origin, SecretRef) and name != "PORT"}


def password_references(revision: Revision, app: str) -> dict[str, SecretRef]:
    """Where the passwords are of the databases that the values of `app` speak of, by their names."""
    snapshot = revision.snapshot()
    spoken = referenced(snapshot, app)
    return {
        name: SecretRef(credentials_path(revision.pod_id, name), spec.credentials, PASSWORD)
        for name, spec in databases_of(snapshot).items()
        if name in spoken
    }


def environment(
    revision: Revision, app: str, *, secrets: Mapping[str, str], passwords: Mapping[str, str]
) -> Environment:
    """What `app` is started with, beside what the platform itself sets (PORT).

    `secrets`: the values of `secret_references`, by name; `passwords`: those of `password_references`. Raises
    PlatformError("secret_missing") without one of them: an app never starts with less than it was given.
    """
    snapshot = revision.snapshot()
    check_passwords(set(password_references(revision, app)), passwords)
    references, values, warnings = References(snapshot, accesses(revision, passwords)), {}, []
    for name, origin in sources(snapshot, app, revision.pod_id).items():
        if name == "PORT":
            warnings.append("PORT is ignored: the platform sets it. Listen on the port it says.")
        elif isinstance(origin, SecretRef):
            if name not in secrets:
                raise PlatformError("secret_missing", f"The secret {name} was not read.", "Deploy again.")
            values[name] = secrets[name]
        else:
            values[name], problems = references.fill(origin.text)
            warnings += [f"{name}: {problem}" for problem in problems]
    return Environment(values, tuple(warnings))


def started_with(snapshot: Snapshot, app: str) -> dict[str, Any]:
    """All that reaches an instance from other resources, as JSON: a difference means another instance.

    `env` by name: the value with its references filled in, or the config's name and version of a secret. `files` by
    path. Two snapshots with an equal spec of `app` and an equal answer here start the same thing.
    """
    references, configs = References(snapshot, placeholders(snapshot)), configs_of(snapshot)
    mounts = apps_of(snapshot)[app].mounts
    env = {
        name: references.fill(origin.text)[0] if isinstance(origin, Literal) else [origin.path, origin.version]
        for name, origin in sources(snapshot, app, "").items()
        if name != "PORT"
    }
    files = {m.path: configs[m.config].files.get(m.file) for m in mounts if m.config in configs}
    return {"env": env, "files": files}


def secret_paths(pod: Pod) -> set[str]:
    """The paths of every secret that any revision of `pod` names: what goes when the pod goes."""
    found = {secret_path(pod.pk, route, "password") for route in pod.route_passwords.values_list("route", flat=True)}
    for revision in pod.revisions.prefetch_related("resources"):
        snapshot = revision.snapshot()
        found |= {secret_path(pod.pk, name, key) for name, it in configs_of(snapshot).items() for key in it.secrets}
        found |= {credentials_path(pod.pk, name) for name in databases_of(snapshot)}
    return found
