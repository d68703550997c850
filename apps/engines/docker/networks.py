"""One network for each pod: its apps see each other by name and nobody else's. What pods share: meeting.py."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from apps.core.errors import PlatformError
from apps.core.ids import short
from apps.engines.docker.daemon import Daemon
from apps.engines.docker.names import OWN, POD, Names

# Docker's own pools are used up after 31 networks.
RANGE = ipaddress.IPv4Network("10.213.0.0/16")
PREFIX = 26  # of a pod's network: 46 instances
RUNS = 28  # of the part at its end that Docker hands out, to what runs once
DEVICES = Path("/sys/class/net")
NEIGHBOURS = Path("/proc/sys/net/ipv4/neigh")
ASK = "100"  # milliseconds between two of three questions who has an address
BRIDGE = "com.docker.network.bridge.name"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Meeting:
    """A network that apps of several pods are in, as it is now (meeting.py).

    Apps may reach its `services`. `free`: who in it is no platform's, and not held to its rules.
    """

    bridge: str
    nets: tuple[Network, ...]
    services: tuple[str, ...]
    free: tuple[str, ...]


class Networks:
    def __init__(self, daemon: Daemon, names: Names, lock: Path) -> None:
        self._daemon = daemon
        self._names = names
        self._lock = lock

    def ensure(self, pod: str) -> bool:
        """Have the pod's network; whether it had to be made."""
        name = self._names.network(pod)
        with self.locked(), self._daemon.asking() as api:
            if find(api, name) is not None:
                return False
            options = {BRIDGE: self._names.bridge(pod)}
            net = self.free(api, pod, PREFIX)
            runs = [*net.subnets(new_prefix=RUNS)][-1]
            pool = IPAMPool(subnet=str(net), iprange=str(runs), gateway=str(net.network_address + 1))
            api.create_network(
                name, driver="bridge", options=options, ipam=IPAMConfig(pool_configs=[pool]),
                check_duplicate=True, labels={**self._names.labels, POD: pod},
            )  # fmt: skip
        self.hasten()
        return True

    def hasten(self) -> None:
        """Have this machine find out fast that nobody has an address of a pod's network: by itself it asks for 3 s,
        in which requests for an app that just ended would wait. Only root can; bridges come anew with the machine."""
        for network in self.known() if self._daemon.here else ():
            with suppress(OSError):
                (NEIGHBOURS / self._names.bridge(network["Labels"][POD]) / "retrans_time_ms").write_text(ASK)

    def near(self, pod: str) -> bool:
        """Whether this machine itself is in the pod's network: not with a daemon elsewhere, in a virtual machine, or
        one without root, which keeps its networks to itself."""
        return self._daemon.here and (DEVICES / self._names.bridge(pod)).exists()

    def address(self, pod: str) -> str:
        """One of the pod's network that no container of the pod's has, whether it runs or not.

        Two who ask at once may be told the same: what is started last is then refused.
        """
        with self._daemon.asking() as api:
            network = api.inspect_network(self._names.network(pod))
            listed = api.containers(all=True, filters=self._names.filters(f"{POD}={pod}", OWN))
        taken = {found["Labels"][OWN] for found in listed}
        taken |= {entry["IPv4Address"].partition("/")[0] for entry in (network.get("Containers") or {}).values()}
        pool = network["IPAM"]["Config"][0]
        net, gateway = ipaddress.ip_network(pool["Subnet"]), pool.get("Gateway") or ""
        runs = ipaddress.ip_network(pool["IPRange"]) if pool.get("IPRange") else None  # those made before have none
        taken.add(gateway.partition("/")[0] or str(net.network_address + 1))
        free = [str(ip) for ip in net.hosts() if str(ip) not in taken and (runs is None or ip not in runs)]
        if not free:
            raise PlatformError("networks_full", f"No address is free in the pod's network, {net}.")
        return secrets.choice(free)

    def unused(self) -> list[str]:
        """The ids of the pods' networks without a container; one that ended and will be started again counts."""
        with self._daemon.asking() as api:
            own = {found["Id"]: found["Name"] for found in api.networks(filters=self._names.filters(POD))}
            listed = api.containers(all=True, filters=self._names.filters(POD))
        kept = {self._names.network(found["Labels"][POD]) for found in listed}
        return [key for key, name in own.items() if name not in kept]

    def remove(self, network: str) -> None:
        """Remove a network by its id, unless something is in it."""
        with self.locked(), self._daemon.asking() as api:
            try:
                api.remove_network(network)
            except APIError:
                return  # something came in meanwhile, or it has gone

    def known(self) -> list[dict[str, Any]]:
        """The pods' networks, as `docker network inspect` shows them."""
        with self._daemon.asking() as api:
            found: list[dict[str, Any]] = api.networks(filters=self._names.filters(POD))
        return found

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One at a time on this machine: Docker makes two networks of one name when asked twice at once."""
        self._lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def free(self, api: Any, key: str, prefix: int) -> Network:
        """A part of RANGE that neither another network nor a route of this machine has; `key`: whom it is for."""
        taken = [net for found in api.networks() for net in subnets(found)]
        taken += routes() if self._daemon.here else []
        parts: list[Network] = [*RANGE.subnets(new_prefix=prefix)]
        first = int(short(self._names.instance + key), 16) % len(parts)
        for part in (*parts[first:], *parts[:first]):
            if not any(isinstance(net, ipaddress.IPv4Network) and part.overlaps(net) for net in taken):
                return part
        raise PlatformError("networks_full", f"No part of {RANGE} is free for another network.")


def find(api: Any, name: str) -> dict[str, Any] | None:
    """The network called `name`, or with that id."""
    try:
        found: dict[str, Any] = api.inspect_network(name)
    except NotFound:
        return None
    return found


def subnets(network: dict[str, Any]) -> list[Network]:
    pools = (network.get("IPAM") or {}).get("Config") or []
    return [ipaddress.ip_network(pool["Subnet"]) for pool in pools if pool.get("Subnet")]


def routes(table: Path = Path("/proc/net/route")) -> list[Network]:
    """Where this machine's packets go by a route other than the default."""
    found: list[Network] = []
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return found
    for line in lines:
        words = line.split()
        destination, mask = (int.from_bytes(bytes.fromhex(words[n])[::-1], "big") for n in (1, 7))
        if mask:
            found.append(ipaddress.ip_network((destination & mask, mask.bit_count())))
    return found
