"""Which cluster, and how workloads run on it. Pure; the wiring fills it from the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from apps.core.ids import short
from apps.engines.recovery import LOST_AFTER

Driver = Literal["exec", "raw_exec", "docker"]
Discovery = Literal["nomad", "consul"]
LOCAL = "http://127.0.0.1:4646"


@dataclass(frozen=True, slots=True)
class Cluster:
    """`token` never leaves this object but in a header.

    `datacenters`: the datacenter of a region of the platform; a region that is not there has its own name in Nomad.
    `ca`, `certificate` and `key` are paths of PEM files. `user`: who tasks run as; empty: the driver's.
    `open_files`: at most what the Docker daemons of the nodes may give. `lost_after` and `handover`, how long what is
    sent away goes on serving, in seconds.
    """

    address: str = LOCAL
    token: str = field(default="", repr=False)
    namespace: str = "default"
    region: str = ""
    datacenters: Mapping[str, str] = field(default_factory=dict)
    node_pool: str = ""
    driver: Driver = "exec"
    discovery: Discovery = "nomad"
    user: str = ""
    open_files: int = 65536
    lost_after: int = int(LOST_AFTER)
    handover: int = 180
    ca: str = ""
    certificate: str = ""
    key: str = ""

    def datacenter(self, region: str) -> str:
        return self.datacenters.get(region) or region or "*"


@dataclass(frozen=True, slots=True)
class Names:
    """What jobs and volumes are called; `instance` tells the platforms that share a cluster apart."""

    instance: str

    @classmethod
    def of(cls, state: Path) -> Names:
        return cls(short(str(state.resolve())))

    @property
    def jobs(self) -> str:
        """What the names of all jobs of workloads and of all volumes begin with."""
        return f"brainpod-{self.instance}-"

    @property
    def runs(self) -> str:
        """And those of runs to the end."""
        return f"brainpod-run-{self.instance}-"

    def job(self, workload: str) -> str:
        return f"{self.jobs}{workload}"

    def run(self, run: str) -> str:
        return f"{self.runs}{run}"

    def workload(self, job: str) -> str:
        return job.removeprefix(self.jobs)

    def service(self, pod: str, app: str) -> str:
        """A label of DNS: what else may be in names becomes a hyphen."""
        plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in f"{app}-{pod}".lower())
        return f"brainpod-{plain}"[:63].strip("-")

    def volume(self, source: str) -> str:
        """Of the disk whose content would be at `source` on a single machine."""
        return f"{self.jobs}{short(source, 16)}"
