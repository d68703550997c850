"""ssh to a git host: never as the platform's own user, with a deploy key that is in no file."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apps.core import claims
from apps.core.errors import PlatformError, UserError
from apps.sources.base import Credential
from apps.sources.urls import ParsedUrl

# As the hosts publish them: whoever stands between at the first connection is noticed.
PUBLISHED = {
    "github.com": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
    "gitlab.com": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAfuCHKVTjquxvt6CM6tdG4SLp1Btn/nOeHHE5UOzRdf",
    "bitbucket.org": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIazEu89wgQZ4bqs3d63QSMzYVa0MuJ2e2gKTKqu+UUO",
}
KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
HOST_KEY = re.compile(rf"({'|'.join(KEY_TYPES)}) [A-Za-z0-9+/]{{40,1200}}={{0,2}}")
_SECONDS = 15  # that a host is waited for
_PREFIX = "bp-ssh-"  # in the system's directory: the path of a socket may have 107 bytes


@contextmanager
def command(parsed: ParsedUrl, address: str, credential: Credential | None, known_hosts: Path) -> Iterator[str]:
    """What git runs as ssh (its GIT_SSH_COMMAND), good while the block runs."""
    options = {
        "BatchMode": "yes", "StrictHostKeyChecking": "accept-new", "UserKnownHostsFile": str(known_hosts),
        "GlobalKnownHostsFile": "/dev/null", "HostName": address, "HostKeyAlias": parsed.host,
        "ProxyCommand": "none", "ForwardAgent": "no", "ConnectTimeout": str(_SECONDS), "UpdateHostKeys": "no",
        # Never as the platform's own user: whoever types an address would clone with the operator's keys.
        "IdentityAgent": "none", "IdentityFile": "none", "PubkeyAuthentication": "no", "GSSAPIAuthentication": "no",
        "HostbasedAuthentication": "no", "PreferredAuthentications": "none",
    }  # fmt: skip
    if credential is None:
        yield _words(options)
        return
    with _agent(credential.private_key) as (directory, socket):
        options |= {"IdentityAgent": str(socket), "PubkeyAuthentication": "yes"}
        options |= {"PreferredAuthentications": "publickey"}
        if credential.host_key:
            pinned = directory / "known_hosts"
            pinned.write_text(f"{parsed.host} {credential.host_key}\n")
            options |= {"UserKnownHostsFile": str(pinned), "StrictHostKeyChecking": "yes"}
        yield _words(options)


def _words(options: dict[str, str]) -> str:
    return shlex.join(["ssh", "-F", "/dev/null", *(w for name, v in options.items() for w in ("-o", f"{name}={v}"))])


@contextmanager
def _agent(private_key: str) -> Iterator[tuple[Path, Path]]:
    """A directory of this use alone and the socket of an agent in it that holds `private_key`; both gone afterwards.

    The agent ends with the program it was started for, which ends when we do: none outlives a killed worker.
    """
    directory = claims.claim(Path(tempfile.gettempdir()), _PREFIX)
    socket = directory / "agent"
    env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
    holder = None
    agent = 0
    try:
        holder = subprocess.Popen(
            ["ssh-agent", "-a", str(socket), "sh", "-c", 'echo "$SSH_AGENT_PID"; exec cat'],
            env=env, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        assert holder.stdout is not None
        agent = int(holder.stdout.readline().strip() or 0)
        added = subprocess.run(
            ["ssh-add", "-q", "-"], env=env | {"SSH_AUTH_SOCK": str(socket)}, cwd="/", input=private_key.encode(),
            capture_output=True, check=False, start_new_session=True, timeout=60,
        )  # fmt: skip
        if not agent or added.returncode:
            raise PlatformError("ssh_agent_failed", "The deploy key could not be handed to ssh.", "Replace the key.")
        yield directory, socket
    except FileNotFoundError:
        hint = "An operator installs OpenSSH's client (ssh, ssh-agent, ssh-add)."
        raise PlatformError("ssh_missing", "ssh is not installed on this machine.", hint) from None
    finally:
        if agent:
            _end(agent)
        if holder is not None:
            holder.communicate()
        claims.end(directory)


def sweep() -> int:
    """Remove what killed workers left: empty directories, or ones with a host's public key; how many."""
    return len(claims.sweep(Path(tempfile.gettempdir()), _PREFIX))


def _end(agent: int) -> None:
    try:
        os.kill(agent, signal.SIGTERM)
    except ProcessLookupError:
        pass


def scan(address: str, port: int) -> str:
    """The key that the ssh host at `address` shows, the strongest kind first. Raises source_unreachable."""
    try:
        done = subprocess.run(
            ["ssh-keyscan", "-T", str(_SECONDS), "-p", str(port), "-t", "ed25519,ecdsa,rsa", "--", address],
            capture_output=True, text=True, check=False, start_new_session=True, timeout=4 * _SECONDS, cwd="/",
        )  # fmt: skip
        shown = [line.partition(" ")[2].strip() for line in done.stdout.splitlines() if not line.startswith("#")]
    except FileNotFoundError:
        hint = "An operator installs OpenSSH's client (ssh, ssh-keyscan)."
        raise PlatformError("ssh_missing", "ssh is not installed on this machine.", hint) from None
    except subprocess.TimeoutExpired:
        shown = []
    found = sorted((key for key in shown if HOST_KEY.fullmatch(key)), key=lambda key: KEY_TYPES.index(key.split()[0]))
    if not found:
        hint = "Check the host's name and port, and that ssh is open from here."
        raise UserError("source_unreachable", "The host shows no ssh host key.", hint)
    return found[0]
