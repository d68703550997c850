"""How the fields of a kind stand in a file where that is not how they stand in a spec.

Lists of names and values are mappings; secrets are a list of names, and a route's password is `true`; what the platform
assigns and counts is left out.
"""

from __future__ import annotations

from apps.pods import kinds

ALIASES = {"Postgres": "PostgresDB"}
ORDER = ("Config", "Disk", "PostgresDB", "MariaDB", "Valkey", "App", "Route")
ALWAYS = ("type", "version", "size")  # said even where it is the default: defaults change with the platform
ASSIGNED = {"hostname": "is assigned by the platform", "credentials": "is counted by the platform"}


def kind_named(name: str) -> str:
    """The kind a file means; empty: there is none of that name."""
    name = ALIASES.get(name, name)
    return name if name in {kind.name for kind in kinds.every()} else ""


def ordered() -> list[str]:
    """The kinds as they follow each other: what others need comes first."""
    names = [kind.name for kind in kinds.every()]
    return sorted(names, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))


def fields(kind: str, widget: str) -> set[str]:
    """The fields of `kind` with that widget; those are at the top of a spec."""
    return {field.path for field in kinds.get(kind).form if field.widget == widget}
