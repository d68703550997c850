"""`edge_proxy`: requests a second of an app behind a unix socket, through the edge and through its peers.

The edge finds the app through the file system, so that a deployment is a rename: no connection to the app is kept.
"""

from __future__ import annotations

from bench import edges
from bench.ground import Ground
from bench.row import Row

LEAST = 0.6


def measure(ground: Ground) -> Row:
    return edges.measured(ground, "edge_proxy", "/", LEAST)
