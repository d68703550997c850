"""A disk of what is live, and where on this host everything of it lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from apps import engines
from apps.core.errors import Conflict, NotFound
from apps.deployments.disk_paths import disk_path
from apps.engines.offers import TITLES
from apps.metrics.disks import GB
from apps.pods import kinds
from apps.pods.contents import disks_used, size_of
from apps.pods.models import Pod
from apps.pods.moving import engine_of


@dataclass(frozen=True, slots=True)
class Disk:
    """`size` in GB. `user`: the app or database of the live revision that has it; `database`: whether it is one."""

    pod: Pod
    name: str
    size: int
    user: str
    database: bool

    @property
    def path(self) -> Path:
        """The content; there once something was started with it."""
        return disk_path(self.pod.pk, self.name)

    def beside(self, *parts: str) -> Path:
        """A place of the pod's that no app sees, on the same file system: it goes with the pod."""
        return self.path.parent.parent.joinpath(*parts)

    @property
    def bytes(self) -> int:
        return self.size * GB


def disk_of(pod: Pod, name: str) -> Disk:
    """The disk called `name` of what is live. Raises NotFound, and Conflict("disk_elsewhere" | "pod_deleting")."""
    if pod.deleting_at:
        raise Conflict("pod_deleting", f"{pod.name} is being deleted.", "Nothing on its disks can be reached any more.")
    snapshot = pod.live.snapshot() if pod.live else {}
    found = snapshot.get(name)
    if found is None or found.kind != "Disk":
        raise NotFound("such disk in what is live")
    engine = engine_of(pod.live)
    if engine not in engines.offered() or engines.named(engine).disks != "host":
        raise Conflict(
            "disk_elsewhere",
            f"What is on {name} is on machines of {TITLES[engine]}, where the platform cannot look.",
            "Use a terminal in its app, or what that cluster has for its volumes.",
        )
    user = next((app for app, one in snapshot.items() if name in disks_used(one)), "")
    database = bool(user) and bool(kinds.get(snapshot[user].kind).server)
    return Disk(pod, name, size_of(found), user, database)
