"""Good practice, as checks of the services there are: each finding holds, or says what to do and where.

What belongs to another part of the platform registers its check from there (`register`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from apps.core.addresses import is_public
from apps.core.errors import PlatformError, UserError
from apps.core.programs import numbers
from apps.engines.base import DATABASE
from apps.infrastructure import credentials, lifecycle, networks, places, workloads
from apps.infrastructure.models import Service

STRONG = 72  # bits: out of reach of whoever gets hold of a server's own digest of it
FULL = 80  # percent of the memory it was given
_CLASSES = ((str.islower, 26), (str.isupper, 26), (str.isdigit, 10))
OTHERS = 20  # signs that passwords may have besides


@dataclass(frozen=True, slots=True)
class Finding:
    """About `service`, by its name. `holds`: None where nobody can tell now. `remedy`: what to do, if it does not.

    `at`: the name of the page where that is done; empty: the service's own.
    """

    service: str
    holds: bool | None
    words: str
    remedy: str = ""
    at: str = ""


Check = Callable[[list[Service]], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Practice:
    title: str
    findings: list[Finding]

    @property
    def holds(self) -> bool:
        return all(one.holds for one in self.findings)


_CHECKS: dict[str, Check] = {}


def register(title: str, check: Check) -> None:
    """Have `check`, which is given the services with rows, looked at under `title`."""
    _CHECKS[title] = check


def every() -> list[Practice]:
    found = list(Service.objects.all())
    return [Practice(title, list(check(found))) for title, check in _CHECKS.items()]


def bits(password: str) -> float:
    """How hard `password` is to guess, letter by letter: those that are not repeated too often, by their classes."""
    classes = sum(size for has, size in _CLASSES if any(map(has, password)))
    classes += OTHERS if any(not letter.isalnum() for letter in password) else 0
    counted = min(len(password), 3 * len(set(password)))
    return counted * math.log2(classes) if classes else 0.0


def _passwords(services: list[Service]) -> Iterable[Finding]:
    for service in services:
        if service.without_credentials:
            yield Finding(service.name, None, "Brainpod has no credentials for it, and knows of no password.")
            continue
        try:
            found = bits(credentials.read(service).admin_password)
        except PlatformError:
            yield Finding(service.name, None, "The secret store does not answer.", "Look again later.")
            continue
        strong = found >= STRONG
        words = f"About {found:.0f} bits to guess" if found else "It has no password"
        remedy = "" if strong else f"Give it one of {STRONG} bits or more: 16 random letters and digits."
        yield Finding(service.name, strong, words, remedy)


def _network(services: list[Service]) -> Iterable[Finding]:
    for service in services:
        if service.managed:
            yield _in_network(service) if service.engine == "docker" else _on_host(service)
            continue
        addresses = places.addresses(service.host, service.port)
        if not addresses:
            yield Finding(service.name, None, f"{service.host} has no address now.", "Is its name right?")
        elif any(map(is_public, addresses)):
            words = f"{service.host} is an address of the internet"
            yield Finding(service.name, False, words, "Reach it by a private network, and close its port to the rest.")
        else:
            yield Finding(service.name, True, "In a private network")


def _in_network(service: Service) -> Finding:
    try:
        problems = [
            f"The network {one.name}: {one.problem}"
            for one in networks.every()
            if one.purpose == DATABASE and one.problem
        ]
    except PlatformError as error:
        return Finding(service.name, None, error.message, "Look again later.")
    if problems:
        return Finding(service.name, False, problems[0], "The list of services says more.", "services")
    words = (
        "Reached only from this host, by the pods that use it, and by containers of yours in the network of databases"
    )
    return Finding(service.name, True, words)


def _on_host(service: Service) -> Finding:
    """It listens on an address that only this host has. Tried, since what forwards to it is nothing Brainpod knows."""
    try:
        _, port = workloads.endpoint(service)
    except PlatformError:
        return Finding(service.name, True, "It does not run: nothing reaches it")
    for address in places.outside():
        if places.answers(address, port):
            words = f"{address}:{port} answers, which others can reach"
            return Finding(service.name, False, words, "End what forwards to it, or close that port.")
    return Finding(service.name, True, "Reached only from this host and by the pods that use it")


def _resources(services: list[Service]) -> Iterable[Finding]:
    for service in services:
        use = lifecycle.use(service)
        if use is None or not service.run:
            continue
        percent = use.memory * 100 // service.memory
        words = f"{use.memory} of {service.memory} MB of memory"
        remedy = "" if percent < FULL else "Give it more memory, or find out what it is used for."
        yield Finding(service.name, percent < FULL, words, remedy)


def _updates(services: list[Service]) -> Iterable[Finding]:
    for service in services:
        if service.external:
            continue
        try:
            newest = workloads.newest(service)
        except UserError as error:
            yield Finding(service.name, None, error.message, error.hint)
            continue
        old = numbers(newest) > numbers(service.version)
        words = f"{service.version}, and there is {newest}" if old else f"{service.version} is the newest there is"
        yield Finding(service.name, not old, words, "Update it: it restarts." if old else "")


register("Strong passwords", _passwords)
register("Network isolation", _network)
register("Resource use", _resources)
register("Updates", _updates)
