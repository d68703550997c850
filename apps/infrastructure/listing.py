"""The services there are: the platform's own, then those with rows."""

from __future__ import annotations

from apps.core.errors import UserError
from apps.infrastructure import builtin
from apps.infrastructure.models import Service


def every() -> list[Service]:
    return [*builtin.services(), *Service.objects.select_related("created_by")]


def named(name: str) -> Service:
    """Raises UserError("infrastructure_unknown") with status 404."""
    found = next((one for one in builtin.services() if one.name == name), None)
    found = found or Service.objects.filter(name=name).first()
    if found is None:
        raise UserError(
            "infrastructure_unknown",
            f"unknown infrastructure service: {name}",
            "The list has those there are.",
            status=404,
        )
    return found
