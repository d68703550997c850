"""The embedded OpenBao: unsealed by a key file, initialised by its own configuration; no human, no root token."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.core.errors import Unavailable
from apps.core.ports import free_ports
from apps.infrastructure.embedded import binaries, files
from apps.secretstore import policies

CONFIG = """\
ui = false
cluster_name = "brainpod"
api_addr = "http://127.0.0.1:{port}"
cluster_addr = "http://127.0.0.1:{cluster_port}"
log_level = "warn"
storage "raft" {{
  path = {data}
  node_id = "embedded"
  performance_multiplier = 1
}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster_port}"
  tls_disable = true
}}
seal "static" {{
  current_key_id = "1"
  current_key = {key}
}}
initialize "brainpod" {{
{requests}}}
"""
REQUEST = """\
  request "{name}" {{
    operation = "update"
    path = "{path}"
    data = {data}
  }}
"""


@dataclass(frozen=True, slots=True)
class Access:
    """Where a store is and who the platform is there."""

    address: str
    role_id: str
    secret_id: str


def access(state: Path) -> Access:
    """How the platform reaches the embedded store of `state`. Raises Unavailable before its first start."""
    home = state / "bao"
    try:
        ports = json.loads((home / "ports.json").read_text())
        role_id, secret_id = (home / "role_id").read_text(), (home / "secret_id").read_text()
    except FileNotFoundError:
        raise Unavailable(
            "secretstore_unavailable", "The secret store has not been started yet.", "make up starts it."
        ) from None
    return Access(f"http://127.0.0.1:{ports[0]}", role_id, secret_id)


def prepare(state: Path) -> None:
    """Write key, identity and configuration, once; the ports stay the same across restarts.

    A store that was never seen ready may have died half-initialised: nothing can be in it, so it begins anew.
    """
    home = files.directory(state / "bao")
    if not (home / "initialised").exists():
        shutil.rmtree(home / "data", ignore_errors=True)
    files.directory(home / "data")
    if not (home / "seal.key").exists():
        with os.fdopen(os.open(home / "seal.key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "wb") as file:
            file.write(secrets.token_bytes(32))
    files.keep(home / "role_id", secrets.token_urlsafe(24))
    files.keep(home / "secret_id", secrets.token_urlsafe(48))
    ports = json.loads(files.keep(home / "ports.json", json.dumps(free_ports(2))))
    text = CONFIG.format(
        port=ports[0],
        cluster_port=ports[1],
        data=json.dumps(str(home / "data")),
        key=json.dumps(f"file://{home / 'seal.key'}"),
        requests="".join(_requests(home)),
    )
    files.write(home / "bao.hcl", text)


def _requests(home: Path) -> list[str]:
    """What the store does to itself when it is new; an object of HCL is written as JSON is, with `=`."""
    from_file = {
        name: _object(eval_type="string", eval_source="file", path=str(home / name))
        for name in ("role_id", "secret_id")
    }
    requests = [
        (path, _object(**data)) for path, data in policies.setup().items()
    ] + [
        (f"auth/approle/role/{policies.PLATFORM}/role-id", f"{{ role_id = {from_file['role_id']} }}"),
        (f"auth/approle/role/{policies.PLATFORM}/custom-secret-id", f"{{ secret_id = {from_file['secret_id']} }}"),
    ]  # fmt: skip
    return [REQUEST.format(name=f"step-{n}", path=path, data=data) for n, (path, data) in enumerate(requests)]


def _object(**data: object) -> str:
    return "{ " + ", ".join(f"{key} = {_value(value)}" for key, value in data.items()) + " }"


def _value(value: object) -> str:
    return _object(**value) if isinstance(value, dict) else json.dumps(value)


def initialise(state: Path, seconds: float = 90.0) -> bool:
    """Have a store that was never ready set itself up, and end it; False when there was nothing to do.

    For those who start it without asking whether it is `ready`. Raises Unavailable after `seconds`.
    """
    home = files.directory(state / "bao")
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (home / "initialised").exists():
            return False
        with running(state, seconds):
            return True


@contextmanager
def running(state: Path, seconds: float = 90.0, *, quiet: bool = False) -> Iterator[None]:
    """The store while the body runs, for those who know that nobody else has it running. Raises Unavailable."""
    prepare(state)
    said = subprocess.DEVNULL if quiet else None
    child = subprocess.Popen(command(state), stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True)
    try:
        deadline = time.monotonic() + seconds
        while not ready(state):
            if child.poll() is not None or time.monotonic() > deadline:
                raise Unavailable("secretstore_unavailable", "The secret store could not be set up.", "See above.")
            time.sleep(0.1)
        yield
    finally:
        child.terminate()
        child.wait()


def command(state: Path) -> list[str]:
    return [str(binaries.resolve("bao").path), "server", f"-config={state / 'bao' / 'bao.hcl'}"]


def ready(state: Path) -> bool:
    """Whether it is unsealed and lets the platform in; what is left of the first start is done and remembered."""
    way = access(state)
    marker = state / "bao" / "initialised"
    try:
        login = _post(way, "auth/approle/login", {"role_id": way.role_id, "secret_id": way.secret_id})
        if not marker.exists():
            path, data = policies.configuration()
            _post(way, path, data, token=login["auth"]["client_token"])
            files.write(marker, "")
    except (OSError, ValueError, http.client.HTTPException):
        return False
    return True


def _post(way: Access, path: str, data: dict[str, Any], token: str = "") -> Any:
    """The store's answer. Raises ValueError for a refusal. Not by httpx: loading it costs every start 0.2 s."""
    connection = http.client.HTTPConnection(way.address.removeprefix("http://"), timeout=3)
    try:
        connection.request("POST", f"/v1/{path}", json.dumps(data), {"X-Vault-Token": token} if token else {})
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    if answer.status >= 300:
        raise ValueError(f"{path}: {answer.status}")
    return json.loads(text) if text else None
