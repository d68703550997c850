"""One resource on its way into a draft: what it becomes, checked against what is there and what is live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.core.errors import Conflict, Detail, Invalid, NotFound
from apps.core.names import check_name, check_variable
from apps.edge.passwords import hashed
from apps.pods import kinds
from apps.pods.environment import KEY, secret_path
from apps.pods.kinds.types import check_value
from apps.pods.models import Pod, Resource, RoutePassword, Snapshot
from apps.secretstore import secrets as secret_store

PASSWORD = "password"
RESERVED = frozenset({"new"})  # parts of addresses
CREDENTIALS = "credentials"  # of a database, among the versions of what was written


def check_resource_name(name: str, *, longest: int = 63) -> str:
    if name in RESERVED:
        raise Invalid([Detail("name", f"{name} is reserved: choose another.")])
    return check_name(name, longest=longest)


def check_current(current: Resource | None, *, name: str, kind: str, create: bool, seen: str | None) -> None:
    """Whether what is there now is what the editor saw."""
    if create and current:
        raise Conflict("name_taken", f"There is a {current.kind} called {name} already.", "Choose another name.")
    if not create and seen is not None and (current is None or current.token != seen):
        message = f"Somebody else {'changed' if current else 'removed'} {name} meanwhile."
        raise Conflict("draft_changed", message, "Look at it again and repeat your change.")
    if not create and current is None:
        raise NotFound(f"resource {name}")
    if current and current.kind != kind:
        raise Invalid([Detail("kind", f"is fixed: {name} is a {current.kind}.")])


def prepare(
    pod: Pod,
    *,
    kind: str,
    name: str,
    spec: Mapping[str, Any],
    current: Resource | None,
    live: Snapshot,
    versions: Mapping[str, int | None],
) -> dict[str, Any]:
    """`spec` in its normal form. `versions`: of the secrets just written, None for those that go."""
    given = dict(spec)
    if kind == "Config":
        kept = dict(current.spec.get("secrets", {})) if current else {}
        given["secrets"] = {key: v for key, v in (kept | dict(versions)).items() if v is not None}
    if kinds.get(kind).server:
        given["credentials"] = (current.spec.get("credentials") if current else versions.get(CREDENTIALS)) or 1
    if kind == "Route":
        given["hostname"] = current.spec.get("hostname", "") if current else ""
        version = versions.get(PASSWORD, current.spec.get(PASSWORD, 0) if current else 0)
        given[PASSWORD] = version or 0
    given = kinds.get(kind).parse(given, team=pod.team.slug)
    if kind == "App" and current:
        given["source"] = _pinned(current.spec.get("source", {}), given["source"], spec.get("source"))
    if name in live and live[name].kind == kind:
        kinds.get(kind).check_change(live[name].spec, given)
    return given


def _pinned(before: Mapping[str, Any], after: dict[str, Any], given: Any) -> dict[str, Any]:
    """The source with the commit it had, unless a new one is given; another repository or branch has none of it."""
    moved = any(before.get(field, "") != after[field] for field in ("repo", "branch"))
    if moved and after["commit"] == before.get("commit", ""):
        return after | {"commit": ""}
    if not moved and not (isinstance(given, Mapping) and "commit" in given):
        return after | {"commit": before.get("commit", "")}
    return after


def check_secrets(kind: str, secrets: Mapping[str, str | None]) -> None:
    """Raises Invalid naming `secrets.<name>`; never repeats a value."""
    if kind == "Route":
        check_password(secrets)
        return
    if secrets and kind != "Config":
        raise Invalid([Detail("secrets", "are kept in a Config: make one and attach it to the app.")])
    wrong: list[Detail] = []
    for name, value in secrets.items():
        path = f"secrets.{name}"
        try:
            check_variable(name, path)
            if value is not None:
                check_value(value)
        except Invalid as error:
            wrong += [Detail(path, detail.message) for detail in error.details]
        if value == "":
            wrong.append(Detail(path, "must not be empty: enter a value, or remove the secret."))
    if wrong:
        raise Invalid(wrong)


def check_password(secrets: Mapping[str, str | None]) -> None:
    """A route has one secret, its password. Raises Invalid; never repeats it."""
    if secrets.keys() - {PASSWORD}:
        raise Invalid([Detail("secrets", "of a route are its password alone: keep others in a Config.")])
    value = secrets.get(PASSWORD)
    if value is not None and not (len(value) >= 8 and len(value.encode()) <= 72 and value.isprintable()):
        raise Invalid([Detail(PASSWORD, "must be 8 to 72 characters on one line.")])


def write_hash(pod: Pod, route: str, secrets: Mapping[str, str | None], versions: Mapping[str, int | None]) -> None:
    """Keep what the edge compares a new password with."""
    value, version = secrets.get(PASSWORD), versions.get(PASSWORD)
    if value is not None and version is not None:
        RoutePassword.objects.get_or_create(pod=pod, route=route, version=version, defaults={"hashed": hashed(value)})


def write_secrets(pod: Pod, config: str, secrets: Mapping[str, str | None]) -> dict[str, int | None]:
    """The version each value was stored as; None stays None. Raises Unavailable."""
    return {
        name: None if value is None else secret_store().write(secret_path(pod.pk, config, name), {KEY: value})
        for name, value in secrets.items()
    }
