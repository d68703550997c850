"""Disk: the same there and here."""

from __future__ import annotations

from apps.api.kinds.base import Given, Json, Place, Shape, refuse


def _shown(spec: Json, place: Place) -> Json:
    return spec


def _given(spec: Json, place: Place) -> Given:
    refuse(spec, {"volumeHandle": "is the platform's: leave it out."})
    return Given(spec)


DISK = Shape(kind="Disk", shown=_shown, given=_given, required=("size",))
