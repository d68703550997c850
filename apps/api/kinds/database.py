"""Postgres, MariaDB, Valkey: their disk is a reference, their passwords are the platform's."""

from __future__ import annotations

from apps.api.ids import name_in, urn
from apps.api.kinds.base import Given, Json, Place, Shape, refuse
from apps.pods import kinds
from apps.pods.kinds.base import Kind

_SAID = {"disk": "is called diskRef here.", "credentials": "are the platform's: leave them out."}


def _shape(kind: Kind) -> Shape:
    server = kind.server
    assert server is not None
    versions = server.versions

    def shown(spec: Json, place: Place) -> Json:
        made = {name: value for name, value in spec.items() if name not in ("disk", "credentials")}
        if not made.get("server"):
            made.pop("server", None)
        return made | {"diskRef": urn("Disk", spec["disk"]) if spec["disk"] else ""}

    def given(spec: Json, place: Place) -> Given:
        """`version` may be the first number of a release line: the newest of it that there is."""
        refuse(spec, _SAID)
        if "diskRef" in spec:
            spec["disk"] = name_in(spec.pop("diskRef"), "Disk", "diskRef")
        wanted = spec.get("version")
        if isinstance(wanted, str) and wanted not in versions:
            spec["version"] = next((one for one in versions if one.startswith(f"{wanted}.")), wanted)
        return Given(spec)

    return Shape(
        kind=kind.name,
        shown=shown,
        given=given,
        paths={"disk": "diskRef"},
        properties={
            "version": {"type": "string", "enum": list(versions)},
            "diskRef": {"type": "string", "description": "The URN of a Disk, or its name."},
        },
        hidden=("disk", "credentials"),
    )


DATABASES = tuple(_shape(kind) for kind in kinds.DATABASES)
