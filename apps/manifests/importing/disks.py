"""Volumes of a service as disks of an app."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from apps.core.errors import Invalid
from apps.manifests.importing.report import Making, as_name
from apps.manifests.nodes import Node, shown
from apps.pods.kinds.mount import Mount, check_mounts
from apps.pods.kinds.words import details_of

SIZE = 10  # GB


def mount(making: Making, file: str, subject: str, app: str, node: Node, spec: dict[str, Any]) -> None:
    """Named volumes become disks of `app`, the app's alone; what is mounted from the host is left."""
    volumes = node.get("volumes")
    mounts: list[dict[str, str]] = []
    for entry in volumes.entries() if volumes else ():
        source, target = _taken_apart(entry)
        at = f"{subject}.volumes"
        if source.startswith((".", "/", "~", "$")):
            words = f"{shown(source)} is a directory of the host: code comes from the repository, files from a Config."
            making.say("left", file, entry, at, words)
        elif not source:
            making.say("left", file, entry, at, "has no name: what is written there is gone with the instance.")
        elif why := _refused(mounts, target):
            making.say("left", file, entry, at, f"{shown(target)} {why}")
        elif as_name(source) in making.resources.get("Disk", {}):
            words = f"{shown(source)} is another service's already, and a disk has one writer."
            making.say("left", file, entry, at, words)
        else:
            disk = making.add("Disk", as_name(source), {"size": SIZE})
            mounts.append({"path": target.rstrip("/"), "disk": disk})
            words = f"becomes the empty disk {disk} of {SIZE} GB; copy what was in the volume."
            making.say("changed", file, entry, at, words)
    if mounts:
        spec["mounts"] = mounts


def _taken_apart(entry: Node) -> tuple[str, str]:
    """Source and target, in either of the two forms."""
    if entry.text is not None:
        parts = entry.text.split(":")
        return ("", parts[0]) if len(parts) == 1 else (parts[0], parts[1])
    words = {key: inner.text or "" for key, inner in entry.items()}
    source = words.get("source", words.get("src", ""))
    kind = words.get("type", "volume")
    return (f"./{source}" if kind == "bind" and not source.startswith(("/", ".", "~")) else source), words.get(
        "target", words.get("dst", words.get("destination", ""))
    )


def _refused(mounts: list[dict[str, str]], target: str) -> str:
    """Why nothing can be mounted there; empty: it can."""
    try:
        made = [*(Mount.model_validate(it) for it in mounts), Mount(path=target, disk="x")]
    except ValidationError as error:
        return details_of(error)[0].message
    except Invalid as error:
        return error.message
    wrong = check_mounts(tuple(made))
    return wrong[0].message if wrong else ""
