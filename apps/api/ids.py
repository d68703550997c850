"""What things are called in the API: revisions by UUIDs, resources by URNs. Pure.

A revision's UUID is its row's number written as one, so that it can be read back and no column is needed. It tells
nobody anything: a revision is looked up through its pod.
"""

from __future__ import annotations

import re
import uuid

from apps.core.errors import Detail, Invalid

_BASE = uuid.UUID("00000000-0000-8000-8000-000000000000").int
_ROOM = 1 << 48
KINDS = {
    "App": "App", "Config": "Config", "Route": "Route", "Postgres": "PostgresDB", "MariaDB": "MariaDB",
    "Valkey": "Valkey", "Disk": "Disk",
}  # fmt: skip
"""The names of kinds in the API, and ours."""
OUTSIDE = {ours: theirs for theirs, ours in KINDS.items()}
_URN = re.compile(r"urn:brain:([a-z]+):default:([^:]+)")


def revision_id(pk: int | None) -> str:
    """None: of the draft that nobody has opened yet."""
    return str(uuid.UUID(int=_BASE | (pk or 0)))


def revision_pk(given: uuid.UUID) -> int:
    """The number of the row; -1 for what is no id of ours."""
    number = given.int ^ _BASE
    return number if 0 <= number < _ROOM else -1


def parse_revision(text: str) -> int:
    """The same of a part of an address."""
    try:
        return revision_pk(uuid.UUID(text)) if len(text) == 36 else -1
    except ValueError:
        return -1


def urn(kind: str, name: str) -> str:
    """Of a resource; `kind` is ours."""
    return f"urn:brain:{OUTSIDE[kind].lower()}:default:{name}"


def parse_urn(text: str) -> tuple[str, str] | None:
    """Our kind and the name; None for what is no URN of a resource."""
    match = _URN.fullmatch(text)
    ours = next((ours for theirs, ours in KINDS.items() if match and theirs.lower() == match[1]), None)
    return (ours, match[2]) if match and ours else None


def name_in(text: object, kind: str, path: str) -> str:
    """The name in a reference to a resource of `kind` (ours): its URN, or the name itself. Raises Invalid."""
    if not isinstance(text, str):
        raise Invalid([Detail(path, "must be text: the URN of a resource.")])
    if not text.startswith("urn:"):
        return text
    found = parse_urn(text)
    if found is None or found[0] != kind:
        raise Invalid([Detail(path, f"must be urn:brain:{OUTSIDE[kind].lower()}:default:<name>.")])
    return found[1]
