"""Networks in which apps of several pods meet what they share, and never each other: egress.py sees to that.

`database` has the infrastructure's services and the apps that have one of them among their peers; `proxy` the
operator's reverse proxies that are containers and, while there is one, everything that listens for an app. Both are
made where they are not there; one that somebody else made is used as it is and never removed. Those of the settings
are the operator's, and everything with a network joins them.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from docker.errors import APIError
from docker.types import IPAMConfig, IPAMPool

from apps.core.errors import PlatformError, Unavailable
from apps.engines.base import DATABASE, PROXY, SERVICES, LaunchSpec, RunSpec, SharedNetwork
from apps.engines.docker import egress
from apps.engines.docker.daemon import Daemon
from apps.engines.docker.names import ALIAS, INSTANCE, MEETS, POD, PURPOSE, Names
from apps.engines.docker.networks import BRIDGE, Meeting, Networks, find, subnets

log = logging.getLogger("brainpod.engine")
PREFIX = 20  # of a network that is made: 4093 containers
BRIDGES = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
DOCKERS = ("bridge", "host", "none")  # Docker's own, in which nobody has a name


class Called(NamedTuple):
    purpose: str  # empty: one of the settings
    name: str


class Meetings:
    """`kept`: where is remembered what the networks are called. `joined`: those of the settings."""

    def __init__(
        self, daemon: Daemon, names: Names, networks: Networks, kept: Path, joined: tuple[str, ...] = ()
    ) -> None:
        self._daemon = daemon
        self._names = names
        self._networks = networks
        self._kept = kept
        self.joined = joined

    def called(self) -> list[Called]:
        """The networks by purpose, those in force first; what is called otherwise now may have apps in it still."""
        with suppress(OSError, ValueError):
            return [Called(*pair) for pair in json.loads(self._kept.read_text())]
        return [Called(DATABASE, DATABASE), Called(PROXY, PROXY)]

    def name(self, purpose: str) -> str:
        return next(called.name for called in self.called() if called.purpose == purpose)

    def call(self, names: Mapping[str, str]) -> None:
        """Have the networks be called so, by purpose, and be there. Raises PlatformError("network_unfit")."""
        new = [Called(purpose, names[purpose]) for purpose in (DATABASE, PROXY)]
        known = [*new, *(called for called in self.called() if called not in new)]
        self._kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = self._kept.with_suffix(f".{os.getpid()}")
        beside.write_text(json.dumps(known))
        beside.replace(self._kept)
        for purpose in (DATABASE, PROXY):
            self.have(purpose)

    def have(self, purpose: str) -> str:
        """The id of the network for `purpose`, which is made if it is not there.

        Raises PlatformError("network_unfit").
        """
        name = self.name(purpose)
        with self._networks.locked(), self._daemon.asking() as api:
            found = _called(api, name)
            if found is not None:
                if why := _unfit(found):
                    raise unfit(purpose, name, why)
                return str(found["Id"])
            key = f"network {name}"
            net = self._networks.free(api, key, PREFIX)
            pool = IPAMPool(subnet=str(net), gateway=str(net.network_address + 1))
            made = api.create_network(
                name, driver="bridge", options={BRIDGE: self._names.bridge(key)}, check_duplicate=True,
                ipam=IPAMConfig(pool_configs=[pool]), labels={**self._names.labels, PURPOSE: purpose},
            )  # fmt: skip
        return str(made["Id"])

    def join(self, container: str, spec: RunSpec) -> bool:
        """Before its start: whether it is in any. Raises PlatformError("network_missing" | "network_unfit" |
        "network_open"); what nobody waits for is done by `gather` later."""
        for name in self.joined:
            self._join_given(container, name)
        purposes, inside = meets(spec), bool(self.joined)
        if DATABASE in purposes and spec.pod != SERVICES:
            self.apart(DATABASE)
            self._connect(container, self.have(DATABASE), alias(spec))
            inside = True
        elif DATABASE in purposes:
            inside = self._tried(container, DATABASE, alias(spec)) or inside
        if PROXY in purposes and not self._why_open() and self._has_others(PROXY):
            inside = self._tried(container, PROXY, alias(spec)) or inside
        return inside

    def gather(self) -> bool:
        """Have what runs in the networks it belongs in, and whether any was not: a proxy may have come since its
        start, or a network be called otherwise."""
        with self._daemon.asking() as api:
            listed = api.containers(filters=self._names.filters(POD))
        done = False
        for purpose in (DATABASE, PROXY):
            name = self.name(purpose)
            missing = [
                found for found in listed
                if purpose in _purposes(found["Labels"]) and name not in found["NetworkSettings"]["Networks"]
            ]  # fmt: skip
            if purpose == PROXY and missing and not self._has_others(PROXY):
                continue
            for found in missing:
                if found["Labels"].get(POD) == SERVICES or not self._why_open():
                    done = self._tried(found["Id"], purpose, self._alias(found)) or done
        return done

    def _alias(self, listed: dict[str, Any]) -> str:
        """What it is called there; a service of an earlier version has no label, but a name in its own network."""
        labels = listed["Labels"]
        if ALIAS in labels:
            return str(labels[ALIAS])
        with self._daemon.asking() as api:
            networks = api.inspect_container(listed["Id"])["NetworkSettings"]["Networks"]
        aliases = (networks.get(self._names.network(labels[POD])) or {}).get("Aliases") or []
        return f"{aliases[0]}.{labels[POD]}" if aliases else ""

    def _tried(self, container: str, purpose: str, name: str) -> bool:
        try:
            self._connect(container, self.have(purpose), name)
        except Unavailable:
            raise
        except PlatformError as error:
            log.warning("%s is not in the network for %s: %s", container[:12], purpose, error)
            return False
        return True

    def _connect(self, container: str, network: str, name: str) -> None:
        with self._daemon.asking() as api:
            try:
                api.connect_container_to_network(container, network, aliases=[name] if name else None)
            except APIError as error:
                if "already exists" not in (error.explanation or ""):
                    raise

    def _join_given(self, container: str, name: str) -> None:
        """Looked for beforehand: to what does not run yet Docker connects any name, and then refuses to start it."""
        with self._daemon.asking() as api:
            there = find(api, name) is not None
        if not there:
            purpose = next((purpose for purpose in (DATABASE, PROXY) if self.name(purpose) == name), "")
            if not purpose:
                hint = f"Make it (docker network create {name}), or take it out of BRAINPOD_DOCKER_NETWORKS."
                raise PlatformError("network_missing", f"Docker has no network {name}.", hint)
            name = self.have(purpose)
        self._connect(container, name, "")

    def apart(self, purpose: str) -> None:
        """Raises PlatformError("network_open") where apps of several pods would see each other in it."""
        if why := self._why_open():
            raise PlatformError(
                "network_open",
                f"Apps of different pods would reach each other in the network {self.name(purpose)}: {why}.",
                "docs/docker.md says what it takes. A database of the pod's own needs no such network.",
            )

    def _why_open(self) -> str:
        no_bridges = "" if asks_firewall() else "this kernel has no br_netfilter loaded"
        return egress.impossible(self._daemon.here) or no_bridges

    def _has_others(self, purpose: str) -> bool:
        """Whether somebody is in it who is no workload of a platform's."""
        with self._daemon.asking() as api:
            found = _called(api, self.name(purpose))
            inside = set((found or {}).get("Containers") or {})
            return bool(inside and inside - {one["Id"] for one in api.containers(filters={"label": [INSTANCE]})})

    def now(self) -> list[Meeting]:
        """All of them that are there, with who is in them."""
        with self._daemon.asking() as api:
            ours = {found["Id"]: found["Labels"] for found in api.containers(filters={"label": [INSTANCE]})}
            found: dict[str, tuple[str, dict[str, Any]]] = {}
            for called in (*(Called("", name) for name in self.joined), *self.called()):
                network = find(api, called.name) if not called.purpose else _called(api, called.name)
                if network is not None:
                    found.setdefault(network["Id"], (called.purpose, network))
        return [_meeting(purpose, network, ours) for purpose, network in found.values()]

    def standing(self) -> list[SharedNetwork]:
        """Those in force, for people."""
        return [self._stands(purpose) for purpose in (DATABASE, PROXY)]

    def _stands(self, purpose: str) -> SharedNetwork:
        name = self.name(purpose)
        with self._daemon.asking() as api:
            found = _called(api, name)
            ours = {one["Id"]: one["Labels"] for one in api.containers(filters={"label": [INSTANCE]})}
        if found is None:
            return SharedNetwork(purpose, name, problem="It is not there yet.")
        ends = found.get("Containers") or {}
        members = [end["Name"] for key, end in ends.items() if key not in ours]
        members += [
            ours[key].get(ALIAS, end["Name"]) for key, end in ends.items() if ours.get(key, {}).get(POD) == SERVICES
        ]
        why, is_open = _unfit(found), self._why_open()
        return SharedNetwork(
            purpose,
            name,
            subnets=tuple(map(str, subnets(found))),
            made=PURPOSE in (found.get("Labels") or {}),
            members=tuple(sorted(members)),
            apps=len([key for key in ends if ours.get(key, {POD: SERVICES}).get(POD) != SERVICES]),
            problem=f"No pod can use it: it {why}." if why else f"No app joins it: {is_open}." if is_open else "",
        )

    def sweep(self) -> None:
        """Remove those that were made here, are called otherwise now, and have nobody in them, running or not."""
        with self._daemon.asking() as api:
            made = api.networks(filters=self._names.filters(PURPOSE))
            listed = api.containers(all=True, filters=self._names.filters()) if made else []
        kept = {name for found in listed for name in found["NetworkSettings"]["Networks"]}
        kept |= {self.name(purpose) for purpose in (DATABASE, PROXY)}
        for found in made:
            if found["Name"] not in kept:
                self._networks.remove(found["Id"])


def meets(spec: RunSpec) -> tuple[str, ...]:
    """For which purposes it meets others."""
    if not spec.network:
        return ()
    if spec.pod == SERVICES or any(peer.pod not in ("", spec.pod) for peer in spec.peers):
        database: tuple[str, ...] = (DATABASE,)
    else:
        database = ()
    listens = isinstance(spec, LaunchSpec) and spec.port is not None and not spec.name
    return (*database, PROXY) if listens else database


def _purposes(labels: Mapping[str, str]) -> list[str]:
    """Of a container; services of an earlier version have no label."""
    return labels.get(MEETS, DATABASE if labels.get(POD) == SERVICES else "").split(",")


def alias(spec: RunSpec) -> str:
    """What it is called in them. No pod can be called like another, or take a service's name."""
    name = (spec.name if isinstance(spec, LaunchSpec) else "") or spec.env.get("BRAINPOD_APP", "")
    return f"{name}.{spec.pod}" if name else ""


def unfit(purpose: str, name: str, why: str) -> PlatformError:
    hint = f"Name another one in infrastructure.yml (default_{purpose}_network)."
    return PlatformError("network_unfit", f"The Docker network {name} cannot be shared by pods: it {why}.", hint)


def asks_firewall() -> bool:
    """Whether the firewall stands between containers on one bridge: only where the kernel is told to ask it."""
    try:
        return BRIDGES.read_text().strip() == "1"
    except OSError:
        return False


def _called(api: Any, name: str) -> dict[str, Any] | None:
    """By its name alone: Docker finds what has an id that begins so, too."""
    found = find(api, name)
    return found if found is not None and found["Name"] == name else None


def _unfit(network: dict[str, Any]) -> str:
    """Why pods cannot be kept apart in it, or meet anybody; empty when they can."""
    if network["Name"] in DOCKERS:
        return "is Docker's own"
    if POD in (network.get("Labels") or {}):
        return "is the network of a pod"
    if network["Driver"] != "bridge":
        return f"is no bridge but {network['Driver']}, and the firewall's rules do not hold there"
    if network.get("EnableIPv6"):
        return "has IPv6, for which there are no rules"
    if (network.get("Options") or {}).get("com.docker.network.bridge.enable_icc") == "false":
        return "lets nobody in it reach anybody (enable_icc=false)"
    return ""


def _meeting(purpose: str, network: dict[str, Any], ours: Mapping[str, Mapping[str, str]]) -> Meeting:
    bridge = (network.get("Options") or {}).get(BRIDGE) or f"br-{network['Id'][:12]}"
    services, free = [], []
    for key, entry in (network.get("Containers") or {}).items():
        address = entry["IPv4Address"].partition("/")[0]
        if address and key not in ours:
            free.append(address)
        if address and purpose != PROXY and (key not in ours or ours[key].get(POD) == SERVICES):
            services.append(address)
    own = tuple(net for net in subnets(network) if net.version == 4)
    return Meeting(str(bridge), own, tuple(sorted(services)), tuple(sorted(free)))
