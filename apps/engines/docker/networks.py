"""One network for each pod: its apps see each other by name and nobody else's. Shared ones are the operator's."""

from __future__ import annotations

import fcntl
import ipaddress
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from apps.core.errors import PlatformError
from apps.engines.docker.daemon import Daemon
from apps.engines.docker.names import POD, Names, short

# Docker's own pools are used up after 31 networks.
RANGE = ipaddress.IPv4Network("10.213.0.0/16")
PREFIX = 26  # of a pod's network: 61 containers
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Networks:
    def __init__(self, daemon: Daemon, names: Names, lock: Path, shared: tuple[str, ...] = ()) -> None:
        self._daemon = daemon
        self._names = names
        self._lock = lock
        self.shared = shared

    def ensure(self, pod: str) -> bool:
        """Have the pod's network; whether it had to be made."""
        name = self._names.network(pod)
        with self.locked(), self._daemon.asking() as api:
            if self._find(api, name) is not None:
                return False
            options = {"com.docker.network.bridge.name": self._names.bridge(pod)}
            pool = IPAMPool(subnet=str(self._free(api, pod)))
            api.create_network(
                name, driver="bridge", options=options, ipam=IPAMConfig(pool_configs=[pool]),
                check_duplicate=True, labels={**self._names.labels, POD: pod},
            )  # fmt: skip
            return True

    def release(self, pod: str) -> None:
        """Remove the pod's network if nothing is in it any more."""
        with self.locked(), self._daemon.asking() as api:
            try:
                found = self._find(api, self._names.network(pod))
                # One that ended and will be started again is in no network's list.
                if found is not None and not api.containers(all=True, filters=self._names.filters(f"{POD}={pod}")):
                    api.remove_network(found["Id"])
            except APIError:
                return  # something came in meanwhile

    def join_shared(self, container: str) -> None:
        """Raises PlatformError("network_missing") when a network of the settings is not there."""
        for name in self.shared:
            with self._daemon.asking() as api:
                try:
                    api.connect_container_to_network(container, name)
                except NotFound:
                    hint = f"Make it (docker network create {name}), or take it out of BRAINPOD_DOCKER_NETWORKS."
                    raise PlatformError("network_missing", f"Docker has no network {name}.", hint) from None
                except APIError as error:
                    if "already exists" not in (error.explanation or ""):
                        raise

    def known(self) -> list[dict[str, Any]]:
        """The pods' networks and the shared ones, as `docker network inspect` shows them."""
        with self._daemon.asking() as api:
            own = api.networks(filters=self._names.filters())
            return [*own, *(found for name in self.shared if (found := self._find(api, name)))]

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

    def _find(self, api: Any, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = api.inspect_network(name)
        except NotFound:
            return None
        return found

    def _free(self, api: Any, pod: str) -> Network:
        """A part of RANGE that neither another network nor a route of this machine has."""
        taken = [net for found in api.networks() for net in subnets(found)]
        taken += routes() if self._daemon.here else []
        parts: list[Network] = [*RANGE.subnets(new_prefix=PREFIX)]
        first = int(short(self._names.instance + pod), 16) % len(parts)
        for part in (*parts[first:], *parts[:first]):
            if not any(isinstance(net, ipaddress.IPv4Network) and part.overlaps(net) for net in taken):
                return part
        raise PlatformError("networks_full", f"No part of {RANGE} is free for another pod's network.")


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
