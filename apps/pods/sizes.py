"""What an instance size means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """`cpu` in cores, `memory` in MB."""

    cpu: float
    memory: int

    @property
    def replicable(self) -> bool:
        """Below one core an app is too small to run more than once."""
        return self.cpu >= 1


SIZES = {
    ".25x": Size(0.25, 256),
    ".5x": Size(0.5, 512),
    "1x": Size(1, 1024),
    "2x": Size(2, 2048),
    "4x": Size(4, 4096),
    "8x": Size(8, 8192),
}
OPTIONS = tuple((name, f"{name}: {size.cpu:g} CPU, {size.memory} MB") for name, size in SIZES.items())  # of a form
