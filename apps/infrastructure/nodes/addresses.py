"""Addresses of stored trees for nodes that have none of them. Whoever has such an address may fetch that one tree.

It does not expire: a cluster moves a workload to another node on any day, and asks nobody before.
"""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.core.signing import BadSignature, Signer

from apps.core.errors import PlatformError

SALT = "nodes.tree"


def address(place: str) -> str:
    """Of the stored tree at `place` on this host. Raises PlatformError("tree_not_stored")."""
    path = Path(place)
    if path.parent != settings.BRAINPOD.state / "artifacts":
        raise PlatformError("tree_not_stored", f"{place} is no stored tree, so nodes cannot fetch it.")
    signature = Signer(salt=SALT, sep="~").signature(path.name)
    return f"{settings.BRAINPOD.nodes_address}/nodes/trees/{path.name}/{signature}/tree.tar.gz"


def signed(tree: str, signature: str) -> bool:
    try:
        Signer(salt=SALT, sep="~").unsign(f"{tree}~{signature}")
    except BadSignature:
        return False
    return True
