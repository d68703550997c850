"""How git reaches a host: at the addresses that were checked, and as whom."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from apps.sources import ssh
from apps.sources.base import Credential
from apps.sources.urls import ParsedUrl

_ASKPASS = Path(__file__).with_name("askpass")


@dataclass(frozen=True, slots=True)
class Way:
    """What a git process is given: configuration, environment, descriptors it inherits."""

    config: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    fds: tuple[int, ...] = ()


def authority(parsed: ParsedUrl) -> str:
    """The host as addresses have it, with the port where that is not the scheme's own."""
    return urllib.parse.urlsplit(parsed.url).netloc.rpartition("@")[2]


def fits(credential: Credential | None, parsed: ParsedUrl) -> Credential | None:
    """`credential`, if it is this very host's and for this way of reaching it."""
    if credential and credential.scheme == parsed.scheme and credential.host == authority(parsed):
        return credential
    return None


@contextmanager
def way(parsed: ParsedUrl, addresses: list[str], credential: Credential | None, known_hosts: Path) -> Iterator[Way]:
    """The way to `parsed` while the block runs. `known_hosts`: where the keys of ssh hosts seen before are kept."""
    credential = fits(credential, parsed)
    if parsed.scheme == "ssh":
        with ssh.command(parsed, addresses[0], credential, known_hosts) as words:
            yield Way(env=(("GIT_SSH_COMMAND", words),))
        return
    bracketed = [f"[{address}]" if ":" in address else address for address in addresses]
    config = (f"http.curloptResolve={parsed.host}:{parsed.port}:{','.join(bracketed)}",)
    if credential is None:
        yield Way(config)
        return
    # In memory, under no name, as often readable as git asks; only what inherits the descriptor can open it.
    descriptor = os.memfd_create("askpass")
    try:
        os.write(descriptor, f"{credential.host}\n{credential.username}\n{credential.password}\n".encode())
        yield Way(config, (("GIT_ASKPASS", str(_ASKPASS)), ("ASKPASS_FD", str(descriptor))), (descriptor,))
    finally:
        os.close(descriptor)
