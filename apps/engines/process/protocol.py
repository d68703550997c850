"""What client and agent say to each other: a line of JSON each way, on a unix socket of mode 0600.

One connection, one request: `{"op": …}`; then one answer, or for `run` and `stream` a line for each thing that
happens. Text passes through JSON escapes, so an environment arrives byte for byte, undecodable bytes included.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from apps.engines.base import LaunchSpec, Limits, LogLine, Mount, Peer, RunSpec, State, Status

LONGEST_LINE = 64 * 1_048_576  # bytes of a request: Config files travel in it


def encode(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def spec_to_json(spec: RunSpec) -> dict[str, Any]:
    known = {name: getattr(spec, name) for name in ("id", "pod", "workdir", "network", "owner")}
    listening = {"port": spec.port, "grace": spec.grace, "name": spec.name} if isinstance(spec, LaunchSpec) else {}
    return (
        known
        | listening
        | {
            "command": list(spec.command),
            "env": dict(spec.env),
            "mounts": [asdict(mount) for mount in spec.mounts],
            "path": list(spec.path),
            "links": [list(link) for link in spec.links],
            "limits": asdict(spec.limits),
            "peers": [asdict(peer) for peer in spec.peers],
            "files": {path: base64.b64encode(content).decode() for path, content in spec.files.items()},
        }
    )


def _common(raw: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": str(raw["id"]),
        "pod": str(raw["pod"]),
        "command": tuple(raw["command"]),
        "env": dict(raw["env"]),
        "mounts": tuple(Mount(**mount) for mount in raw["mounts"]),
        "path": tuple(raw["path"]),
        "links": tuple((at, to) for at, to in raw["links"]),
        "workdir": raw["workdir"],
        "limits": Limits(**raw["limits"]),
        "network": bool(raw["network"]),
        "owner": str(raw.get("owner", "")),
        "peers": tuple(Peer(**peer) for peer in raw.get("peers", ())),  # one that runs since before there were any
        "files": {path: base64.b64decode(content) for path, content in raw["files"].items()},
    }


def run_spec(raw: dict[str, Any]) -> RunSpec:
    return RunSpec(**_common(raw))


def launch_spec(raw: dict[str, Any]) -> LaunchSpec:
    return LaunchSpec(**_common(raw), port=raw["port"], grace=float(raw["grace"]), name=raw.get("name", ""))


def status_to_json(status: Status) -> dict[str, Any]:
    return {
        "state": status.state.value,
        "restarts": status.restarts,
        "exit_code": status.exit_code,
        "reason": status.reason,
        "since": status.since.timestamp() if status.since else None,
    }


def status_from_json(raw: dict[str, Any]) -> Status:
    since = None if raw["since"] is None else datetime.fromtimestamp(raw["since"], UTC)
    return Status(State(raw["state"]), raw["restarts"], raw["exit_code"], raw["reason"], since)


def line_to_json(line: LogLine) -> list[Any]:
    return [line.seq, line.at.timestamp(), line.stream, line.text]


def line_from_json(raw: list[Any]) -> LogLine:
    return LogLine(raw[0], datetime.fromtimestamp(raw[1], UTC), raw[2], raw[3])
