"""What this machine has of what the platform needs, in plain words."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connections

from apps.artifacts import registry
from apps.core.errors import PlatformError, UserError
from apps.core.places import SYSTEM, first_closed
from apps.edge import modules
from apps.engines import builder, named
from apps.infrastructure.embedded import binaries, outside
from apps.infrastructure.embedded.finding import Finding, Verdict
from apps.infrastructure.embedded.supervisor import supervisor_pid

ROOM_MB, ROOM_NOTE_MB = 500, 5000


def examine() -> list[Finding]:
    config = settings.BRAINPOD
    running = supervisor_pid(config.state)
    return [
        _python(),
        _state(config.state),
        *_programs(config),
        *([_railpack()] if "docker" in config.offered or config.railpack else []),
        *(_engine(name, config) for name in config.offered if name != "process"),
        *([_sandbox(config, running is not None)] if config.needs_agent else []),
        *_registry(),
        _port(config, running),
        *outside.findings(config),
        _room(config.state),
        *([_disks()] if config.engine != "nomad" else []),
        _database(),
    ]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", "ok" if sys.version_info >= (3, 11) else "missing", f"{version}, {sys.executable}")


def _state(state: Path) -> Finding:
    warning = closed_state(state)
    return Finding("state", "note" if warning else "ok", f"{state}: {warning}" if warning else str(state))


def closed_state(state: Path) -> str:
    """What is wrong with root's state directory beneath a folder that others may not enter; empty: nothing."""
    closed = first_closed(state) if os.geteuid() == 0 else None
    if closed is None:
        return ""
    return (
        f"OTHERS MAY NOT ENTER {closed}, so nginx and, without a sandbox, apps RUN AS ROOT. "
        f"Set BRAINPOD_STATE={SYSTEM} (with what is in {state} moved there), or: chmod o+x {closed}"
    )


def check_port(config: Any) -> None:
    """Raise UserError("port_taken") when nginx could not listen where it is to; one outside listens there already."""
    if config.outside:
        return
    another = 8080 if config.port < 1024 else config.port + 1
    _try_port(config.bind, config.port, f"choose another port: BRAINPOD_PORT={another} make up.")
    if config.https_port:
        another = 8443 if config.https_port < 1024 else config.https_port + 1
        _try_port(
            config.bind,
            config.https_port,
            f"choose another port for https, BRAINPOD_TLS_PORT={another}, or none: BRAINPOD_TLS_PORT=0 make up.",
        )


def _try_port(bind: str, port: int, remedy: str) -> None:
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((bind, port))
            probe.listen()
    except OSError as error:
        raise UserError(
            "port_taken", f"{bind}:{port} cannot be used ({error.strerror}).", f"Stop what uses it, or {remedy}"
        ) from None


def _programs(config: Any) -> Iterator[Finding]:
    needed = ["git", "nginx"]
    needed += [] if config.valkey_url else ["valkey-server"]
    needed += [] if config.vault_addr else ["bao"]
    for name in needed:
        yield _nginx() if name == "nginx" else _program(name)
    found = (
        _program("bwrap") if config.sandbox != "off" else Finding("bwrap", "note", "not used: BRAINPOD_SANDBOX is off")
    )
    optional = found.verdict == "missing" and config.sandbox == "auto"
    yield Finding("bwrap", "note", found.text) if optional else found


def _program(name: str) -> Finding:
    try:
        found = binaries.resolve(name)
    except PlatformError as error:
        return Finding(name, "missing", f"{error.message} {error.hint}")
    version = binaries.version_of(found.path, binaries.WANTED[name].ask)
    if not version:
        return Finding(name, "missing", f"{found.path} does not run on this machine")
    if found.origin == "setting" and binaries.numbers(version) < binaries.WANTED[name].minimum:
        return Finding(name, "note", f"{version} is older than what is known to work, {found.path} (setting)")
    return Finding(name, "ok", f"{version}, from the {found.origin}, {found.path}")


def _nginx() -> Finding:
    """The program, and the modules that the edge's configuration names: without one of them nginx refuses all of it."""
    found = _program("nginx")
    if found.verdict == "missing":
        return found
    path = binaries.resolve("nginx").path
    if lacking := modules.lacking(path):
        words = f"{path} was built without {', '.join(lacking)}: use nginx.org's package, or unset the setting"
        return Finding("nginx", "missing", words)
    return found


def _railpack() -> Finding:
    """Nobody needs it: where it is, apps may be planned by it."""
    found = _program("railpack")
    return Finding("railpack", "note", f"not used: {found.text}") if found.verdict == "missing" else found


def _engine(name: str, config: Any) -> Finding:
    """Whether an engine that runs apps answers; the process engine is told of by its sandbox.

    The platform starts without one that is not the default.
    """
    usual = name == config.engine
    subject = "engine" if usual else f"engine {name}"
    try:
        has = named(name).check()
    except PlatformError as error:
        return Finding(subject, "missing" if usual else "note", f"{name}: {error.message} {error.hint}")
    return Finding(subject, "note" if has.notes else "ok", "; ".join((name, has.version, *has.notes)))


def _registry() -> Iterator[Finding]:
    """Where images travel by one: whether it answers, and lets the platform in."""
    found = registry()
    if found is None:
        return
    try:
        found.check()
    except PlatformError as error:
        yield Finding("registry", "missing", f"{error.message} {error.hint}")
    else:
        who = f"as {found.username}" if found.username else "with Docker's own configuration"
        yield Finding("registry", "ok", f"{found.prefix}, {who}")


def _sandbox(config: Any, running: bool) -> Finding:
    required: Verdict = "missing" if config.sandbox == "required" else "note"
    if config.sandbox == "off":
        return Finding(
            "sandbox", "note", "OFF: builds and apps run as plain process groups with the platform's own rights"
        )
    if running:
        try:
            has = builder().check()
            return Finding(
                "sandbox", "ok" if has.sandbox else required, "; ".join(has.notes) or "builds and apps are isolated"
            )
        except PlatformError as error:
            return Finding("sandbox", "note", f"the engine does not answer: {error}")
    reason = _try_bwrap()
    if not reason:
        return Finding("sandbox", "ok", "bubblewrap can isolate builds and apps here")
    return Finding("sandbox", required, _without(config.sandbox, reason))


def _without(sandbox: str, reason: str) -> str:
    if sandbox == "required":
        return f"NOT POSSIBLE here and required, so nothing will run: {reason}"
    return f"NOT POSSIBLE here, so plain process groups with limits are used; run only code you trust: {reason}"


def _try_bwrap() -> str:
    """Why a sandbox cannot be made here; empty when it can."""
    try:
        bwrap = str(binaries.resolve("bwrap").path)
    except PlatformError as error:
        return error.message
    inside = [
        bwrap,
        "--unshare-all",
        "--die-with-parent",
        "--ro-bind",
        "/",
        "/",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "true",
    ]
    # The engine never starts bwrap as root: it becomes another user first.
    user: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    try:
        done = subprocess.run(inside, capture_output=True, text=True, timeout=20, check=False, cwd="/", **user)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["bwrap failed"])[-1]


def _port(config: Any, running: int | None) -> Finding:
    where = f"{config.bind}:{config.port}"
    if config.outside:
        return Finding("port", "ok", f"{where} is where the nginx outside listens")
    if running:
        return Finding("port", "ok", f"{where}, used by the platform itself (supervisor {running})")
    try:
        check_port(config)
    except UserError as error:
        return Finding("port", "missing", str(error))
    return Finding("port", "ok", f"{where} is free")


def _room(state: Path) -> Finding:
    place = next(path for path in (state, *state.parents) if path.exists())
    free = shutil.disk_usage(place).free // 2**20
    verdict: Verdict = "missing" if free < ROOM_MB else "note" if free < ROOM_NOTE_MB else "ok"
    return Finding(
        "disk", verdict, f"{free / 1024:.1f} GB free for {state}" + ("" if verdict == "ok" else ": that is little")
    )


def _disks() -> Finding:
    return Finding("disks", "ok", "how full apps' disks are is measured; their sizes are not enforced (docs/apps.md)")


def _database() -> Finding:
    connection = connections["default"]
    kind = connection.vendor
    name = connection.settings_dict["NAME"]
    if kind == "sqlite" and not Path(str(name)).exists():
        return Finding("database", "ok", f"sqlite, {name}, is made at the first start")
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return Finding("database", "missing", f"{kind} does not answer: {str(error).strip().splitlines()[0]}")
    finally:
        connection.close()
    return Finding("database", "ok", f"{kind}, {name}")
