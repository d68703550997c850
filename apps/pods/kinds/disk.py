"""Disk: storage that outlives restarts and revisions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field as Constraint

from apps.core.errors import Detail
from apps.pods.kinds.base import Field, Kind, Part
from apps.pods.kinds.types import Whole


class Spec(Part):
    """`size` in GB."""

    size: Annotated[Whole, Constraint(ge=5, le=500)] = 5


def _grows(before: Spec, after: Spec) -> list[Detail]:
    if after.size >= before.size:
        return []
    return [Detail("size", f"must be at least {before.size}: a disk grows and never shrinks. Make a new, smaller one.")]


DISK = Kind(
    name="Disk",
    plural="Disks",
    icon="database",
    about="Storage for one app. What is on it is never rolled back.",
    Spec=Spec,
    form=(
        Field(
            "size", "Size", "number", section="Disk", unit="GB", minimum=5, maximum=500,
            hint="It can grow later, and never shrinks.",
        ),
    ),
    change=_grows,
)  # fmt: skip
