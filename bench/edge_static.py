"""`edge_static`: requests a second of a file of 4 KiB, through the edge and through its peers that serve files."""

from __future__ import annotations

from bench import edges
from bench.ground import Ground
from bench.row import Row

LEAST = 0.6


def measure(ground: Ground) -> Row:
    return edges.measured(ground, "edge_static", "/files/page.html", LEAST, without=("traefik",))
