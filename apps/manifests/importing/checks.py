"""The health check of a service as that of an app."""

from __future__ import annotations

import re
import shlex
from typing import Any

from apps.manifests.importing.report import Making
from apps.manifests.nodes import Node

_URL = re.compile(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::[\w${}]+)?(/[A-Za-z0-9._~/-]*)?")
_COUNT = re.compile(r"[0-9]{1,9}")
_DURATION = re.compile(r"(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m(?!s))?(?:([0-9]{1,9})(?:\.[0-9]{1,9})?s)?(?:[0-9]{1,9}ms)?")
_SECONDS = {"interval": ("healthCheckInterval", 300), "timeout": ("healthCheckAttemptTimeout", 60)}


def health(making: Making, file: str, subject: str, node: Node, spec: dict[str, Any]) -> None:
    """A request to the app itself becomes the path that is asked for, anything else a command."""
    check = node.get("healthcheck")
    if check is None:
        return
    at = f"{subject}.healthcheck"
    test = check.get("test")
    command = _command(test) if test else ""
    disabled = check.get("disable")
    if (disabled and disabled.text == "true") or command == "NONE":
        making.say("left", file, check, at, "cannot be switched off: a new version is live once it answers.")
        return
    url = _URL.search(command)
    if spec["type"] == "web" and url:
        spec["healthCheckPath"] = url[1] or "/"
        making.say("changed", file, test or check, at, f"becomes a request for {spec['healthCheckPath']}.")
    elif command:
        spec |= {"healthCheckType": "command", "healthCheckCommand": command}
        making.say("note", file, test or check, at, "is run beside the app: it needs its tools, and $PORT for a port.")
    for key, inner in check.items():
        if key in _SECONDS and (seconds := _seconds(inner.text or "")):
            field, most = _SECONDS[key]
            spec[field] = min(seconds, most)
        elif key == "retries" and _COUNT.fullmatch(inner.text or ""):
            spec["healthCheckThreshold"] = min(max(int(inner.text or ""), 1), 20)
        elif key not in ("test", "disable", "start_period", "start_interval"):
            making.say("left", file, inner, f"{at}.{key}", "has no counterpart.")


def _command(test: Node) -> str:
    if test.text is not None:
        return test.text
    first, *words = [it.text or "" for it in test.entries()] or [""]
    if first == "CMD-SHELL":
        return " ".join(words)
    return "NONE" if first == "NONE" else shlex.join(words if first == "CMD" else [first, *words])


def _seconds(text: str) -> int:
    match = _DURATION.fullmatch(text)
    hours, minutes, seconds = (int(it or 0) for it in match.groups()) if match else (0, 0, 0)
    return hours * 3600 + minutes * 60 + seconds or (1 if match and text else 0)
