"""App. The public API runs images, and we build from git: `source` and what belongs to it stand beside its fields."""

from __future__ import annotations

import re
import shlex
from typing import Any

from apps.api.kinds.base import Given, Json, Place, Shape, fields, refuse, text
from apps.core.errors import Detail, Invalid
from apps.deployments.launch import PORT

_OWNER_AND_NAME = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_SHELL = ["sh", "-c"]
_NOT_HERE = {
    "runtime": "cannot be chosen here: apps run as the user of the platform's own.",
    "buildRef": "is not known here: say source.commit.",
}


def image(place: Place) -> str:
    """What an app's builds are called."""
    return f"{place.pod}/{place.name}"


def shown(spec: Json, place: Place) -> Json:
    mounts = [{name: value for name, value in mount.items() if value} for mount in spec["mounts"]]
    return {"image": image(place)} | spec | {"mounts": mounts}


def given(spec: Json, place: Place) -> Given:
    refuse(spec, _NOT_HERE)
    named = spec.pop("image", None)
    if named not in (None, "", image(place)):
        message = f"must be {image(place)}, or left out: apps are built here from git. Say source.repo."
        raise Invalid([Detail("image", message)])
    if "artifactSelector" in spec:
        _alone("artifactSelector", spec, "source")
        spec["source"] = _source(spec.pop("artifactSelector"))
    if "lifecycle" in spec:
        _alone("lifecycle", spec, "preStart")
        spec["preStart"] = _command(fields(spec.pop("lifecycle"), "lifecycle", "init").get("init", ""))
    if "checks" in spec:
        _alone("checks", spec, "healthCheckType", "healthCheckPath", "healthCheckCommand")
        spec |= _check(fields(spec.pop("checks"), "checks", "ready").get("ready", {}))
    return Given(spec)


def _alone(field: str, spec: Json, *ours: str) -> None:
    if found := [name for name in ours if name in spec]:
        raise Invalid([Detail(field, f"says the same as {found[0]}: leave one of the two out.")])


def _source(given: Any) -> Json:
    path = "artifactSelector"
    selector = fields(given, path, "status", "name", "githubRepo", "refName", "buildRef")
    if selector.get("status") != "configured":
        raise Invalid([Detail(f"{path}.status", "must be configured: say githubRepo and refName with it.")])
    said = {name: text(selector.get(name, ""), f"{path}.{name}") for name in ("githubRepo", "refName", "buildRef")}
    repo = said["githubRepo"]
    if _OWNER_AND_NAME.fullmatch(repo):
        repo = f"https://github.com/{repo}"
    made = {"repo": repo, "branch": said["refName"].removeprefix("refs/heads/")}
    return made | {"commit": said["buildRef"]} if said["buildRef"] else made


def _command(init: Any) -> str:
    if isinstance(init, str):
        return init
    if isinstance(init, dict) and "image" in init:
        raise Invalid(
            [Detail("lifecycle.init.image", "is not known here: a command alone, which the app's build runs.")]
        )
    return text(fields(init, "lifecycle.init", "cmd").get("cmd"), "lifecycle.init.cmd")


def _check(given: Any) -> Json:
    path = "checks.ready"
    ready = fields(given, path, "cmd", "port", "host", "path")
    if "host" in ready:
        raise Invalid([Detail(f"{path}.host", "is not known here: the app itself is asked.")])
    if ready.get("port", PORT) != PORT:
        raise Invalid([Detail(f"{path}.port", f"must be {PORT}, or left out: apps listen on $PORT.")])
    if "cmd" in ready:
        words = ready["cmd"]
        if not (isinstance(words, list) and words and all(isinstance(word, str) for word in words)):
            raise Invalid([Detail(f"{path}.cmd", "must be a list of words.")])
        line = words[2] if words[:2] == _SHELL and len(words) == 3 else shlex.join(words)
        return {"healthCheckType": "command", "healthCheckCommand": line}
    if "path" in ready:
        return {"healthCheckType": "http", "healthCheckPath": text(ready["path"], f"{path}.path")}
    return {"healthCheckType": "tcp"} if "port" in ready else {}


def _object(**properties: Json) -> Json:
    return {"type": "object", "additionalProperties": False, "properties": properties}


_TEXT: Json = {"type": "string"}
_WORDS: Json = {"type": "array", "items": _TEXT}
_PORT: Json = {"type": "integer", "minimum": PORT, "maximum": PORT}

APP = Shape(
    kind="App",
    shown=shown,
    given=given,
    properties={
        "image": {"type": "string", "description": "<pod>/<app>: what its builds are called. Left out on input."},
        "artifactSelector": {
            **_object(status={"const": "configured"}, name=_TEXT, githubRepo=_TEXT, refName=_TEXT, buildRef=_TEXT),
            "description": "Only on input: another way to say source.",
        },
        "lifecycle": {
            **_object(init={"anyOf": [_TEXT, _object(cmd=_TEXT)]}),
            "description": "Only on input: another way to say preStart.",
        },
        "checks": {
            **_object(ready=_object(cmd=_WORDS, port=_PORT, path=_TEXT)),
            "description": "Only on input: another way to say what the fields healthCheck… do.",
        },
    },
)
