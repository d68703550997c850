"""What containers may reach: the public, each other within a pod, the nameservers; not this machine, nothing private.

Docker lets a container open connections to the machine itself and to every private network behind it, the address of
the cloud's metadata included. Two chains of this platform's own say otherwise, replaced as a whole each time: one
before Docker's (DOCKER-USER) for what is passed on, one for what is for this machine.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from apps.engines.docker.names import Names
from apps.engines.docker.networks import Meeting, Network, subnets

PRIVATE = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
)  # fmt: skip
SYSTEM = "/usr/sbin:/sbin:/usr/bin:/bin"
PATIENCE = 30.0  # seconds
WAIT = "10"  # seconds for the lock that iptables has


class Egress:
    def __init__(self, names: Names, allowed: Iterable[Network]) -> None:
        self._forward = f"BRAINPOD-{names.instance}-F"
        self._input = f"BRAINPOD-{names.instance}-I"
        self._bridges = f"{names.bridges}+"
        self._allowed = [net for net in allowed if net.version == 4]

    def impossible(self, here: bool) -> str:
        """Why these rules cannot be made, in words; empty when they can."""
        return impossible(here)

    def apply(self, networks: list[dict[str, Any]], shared: Iterable[Meeting]) -> None:
        """Have the rules, for the pods' `networks` and the shared ones as they are now.

        Raises OSError or SubprocessError.
        """
        own = [net for found in networks for net in subnets(found) if net.version == 4]
        given = self.rules(own, nameservers(), shared)
        _run("iptables-restore", "-w", WAIT, "--noflush", given=given)
        named = (meeting.bridge for meeting in shared if not meeting.bridge.startswith(self._bridges[:-1]))
        for bridge in (self._bridges, *named):
            for chain, target in (("DOCKER-USER", self._forward), ("INPUT", self._input)):
                rule = ("-i", bridge, "-j", target)
                if _run("iptables", "-w", WAIT, "-C", chain, *rule, check=False):
                    _run("iptables", "-w", WAIT, "-I", chain, *rule)

    def rules(self, own: Iterable[Network], servers: Iterable[str], shared: Iterable[Meeting] = ()) -> str:
        """Both chains as iptables-restore reads them."""
        known = "-m conntrack --ctstate ESTABLISHED,RELATED -j RETURN"
        refuse = "-j REJECT --reject-with icmp-admin-prohibited"
        names = [f"-d {server} -p {kind} --dport 53 -j RETURN" for server in servers for kind in ("udp", "tcp")]
        forward = [known, *(f"-s {net} -d {net} -j RETURN" for net in own), *names]
        others = [f"-s {address} -j RETURN" for meeting in shared for address in meeting.free]  # nobody's to rule here
        forward += others
        for meeting in shared:  # apps that meet in one see its services, and not each other
            pairs = [(net, service) for net in meeting.nets for service in meeting.services]
            forward += [f"-s {net} -d {service} -j RETURN" for net, service in pairs]
            forward += [f"-d {net} {refuse}" for net in meeting.nets]
        forward += [f"-d {net} -j RETURN" for net in self._allowed]
        forward += [f"-d {net} {refuse}" for net in PRIVATE]
        lines = ["*filter", f":{self._forward} - [0:0]", f":{self._input} - [0:0]"]
        lines += [f"-A {self._forward} {rule}" for rule in forward]
        lines += [f"-A {self._input} {rule}" for rule in (known, *names, *others, refuse)]
        return "\n".join((*lines, "COMMIT", ""))

    def remove(self) -> None:
        """Leave nothing of it behind."""
        for chain, target in (("DOCKER-USER", self._forward), ("INPUT", self._input)):
            for rule in _said("iptables", "-w", WAIT, "-S", chain).splitlines():
                if rule.endswith(f" -j {target}"):
                    _run("iptables", "-w", WAIT, "-D", *rule.split()[1:], check=False)
            for action in ("-F", "-X"):
                _run("iptables", "-w", WAIT, action, target, check=False)


def impossible(here: bool) -> str:
    """Why no rules can be made, in words; empty when they can. `here`: whether the daemon is on this machine."""
    if not here:
        return "the daemon is on another machine"
    if os.geteuid() != 0:
        return "the platform does not run as root"
    return "" if _program("iptables-restore") else "iptables is not installed"


def nameservers(path: Path = Path("/etc/resolv.conf")) -> list[str]:
    """The ones containers ask, which may well have private addresses."""
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return []
    found = []
    for words in lines:
        if len(words) > 1 and words[0] == "nameserver":
            try:
                address = ipaddress.ip_address(words[1].partition("%")[0])
            except ValueError:
                continue
            if address.version == 4 and not address.is_loopback:
                found.append(str(address))
    return found


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SYSTEM}")


def _run(name: str, *arguments: str, given: str = "", check: bool = True) -> int:
    done = _done(name, *arguments, given=given)
    if check and done.returncode:
        raise OSError(f"{name}: {done.stderr.strip()[-300:]}")
    return done.returncode


def _said(name: str, *arguments: str) -> str:
    return _done(name, *arguments).stdout


def _done(name: str, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [_program(name) or name, *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=PATIENCE, check=False)
