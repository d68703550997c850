"""How containers, networks and interfaces are called, and the labels by which they are found again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from apps.core.ids import short

WORKLOAD = "brainpod.workload"  # the workload's id, on what `launch` made
RUN = "brainpod.run"  # the run's id, on what `run_once` made
POD = "brainpod.pod"
INSTANCE = "brainpod.instance"  # which platform: several may share a daemon
PORT = "brainpod.port"  # where it listens inside
ADDRESS = "brainpod.address"  # where it is reached
OWN = "brainpod.own"  # its own address in its pod's network, kept for it while it does not run
UNTIL = "brainpod.until"  # epoch seconds after which nobody can be waiting for a run
FILES = "brainpod.files"  # how many files of Config are mounted from this machine's memory
MEETS = "brainpod.meets"  # the purposes of the shared networks it belongs in, comma-separated
ALIAS = "brainpod.alias"  # what it is called there
PURPOSE = "brainpod.network"  # on a shared network that was made: what for
READ_ONLY = "brainpod.read-only"  # on an image: "true" says that it writes beneath /tmp, /run and its disks only


@dataclass(frozen=True, slots=True)
class Names:
    """`instance` tells the platforms that share a daemon apart."""

    instance: str

    @classmethod
    def of(cls, state: Path) -> Names:
        return cls(short(str(state.resolve())))

    @property
    def bridges(self) -> str:
        """What the names of this platform's interfaces begin with; an interface's has at most 15 characters."""
        return f"bp{self.instance[:4]}-"

    @property
    def labels(self) -> dict[str, str]:
        return {INSTANCE: self.instance}

    def bridge(self, pod: str) -> str:
        return f"{self.bridges}{short(pod)}"

    def network(self, pod: str) -> str:
        return f"brainpod-{pod}"

    def container(self, workload: str) -> str:
        return f"brainpod-{workload}"

    def filters(self, *labels: str) -> dict[str, list[str]]:
        """What finds this platform's containers that have all `labels`."""
        return {"label": [f"{INSTANCE}={self.instance}", *labels]}
