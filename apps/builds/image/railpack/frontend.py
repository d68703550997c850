"""Railpack's plan made ready for its frontend: images from a mirror, secrets by name, caches and layers of one app.

The frontend knows neither build arguments nor files for secrets: all that a step is told are secrets, as variables.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.builds.detect.project import table
from apps.builds.image import bases, cli, script

IMAGE = "ghcr.io/railwayapp/railpack-frontend:v{version}"
_OURS = "ghcr.io/railwayapp/"
_SCOPE, _SCOPE_PATH = "brainpod-scope", "/etc/brainpod-scope"
_CA, _CA_PATH = "brainpod-ca", "/etc/brainpod-ca.pem"


@dataclass(frozen=True, slots=True)
class Inputs:
    """`scope`: whose layers are used. `secrets`: the names that will be given. `images`: BRAINPOD_BASE_IMAGES.

    `certificates`: of the network's own, as text.
    """

    scope: str
    secrets: frozenset[str]
    images: str = ""
    certificates: str = ""


def image(version: str, images: str) -> str:
    """The reference of the frontend, of the version that planned."""
    return bases.named("railpack-frontend", IMAGE.replace("{version}", version), images, version)


def complete(plan: dict[str, Any], given: Inputs) -> dict[str, Any]:
    """The plan that is built. Every step that begins with an image begins with a file that says whose it is, so that
    no layer is taken from another app's build; what a step may see of the secrets, all of its commands see anyway."""
    made: dict[str, Any] = copy.deepcopy(plan)
    made["secrets"] = sorted(given.secrets)
    for step in made.get("steps") or ():
        if step.get("secrets"):
            step["secrets"] = ["*"]  # made anew when any variable changes; a choice of them needs one more image
        else:
            step.pop("secrets", None)
        for layer in (*(step.get("inputs") or ()), *(step.get("commands") or ())):
            _mirrored(layer, given.images)
        if table(((step.get("inputs") or [{}])[:1] or [{}])[0]).get("image"):
            _begun(step, given)
    deploy = table(made.get("deploy"))
    for layer in (table(deploy.get("base")), *(deploy.get("inputs") or ())):
        _mirrored(layer, given.images)
    return made


def secrets(env: Mapping[str, str], certificates: bool) -> dict[str, str]:
    """What the steps are told: the ways to proxies and registries of this machine, over them the app's variables."""
    trusting = dict.fromkeys(script.TRUSTING, _CA_PATH) if certificates else {}
    told = {**trusting, **script.registries(), **cli.proxies(), **env}
    return {name: value for name, value in told.items() if script.NAME.fullmatch(name)}


def certificates(path: str) -> str:
    """What stands in BRAINPOD_BUILD_CA."""
    return Path(path).read_text() if path else ""


def _begun(step: dict[str, Any], given: Inputs) -> None:
    files = {_SCOPE: (_SCOPE_PATH, given.scope)} | ({_CA: (_CA_PATH, given.certificates)} if given.certificates else {})
    step["assets"] = {**table(step.get("assets")), **{name: text for name, (_, text) in files.items()}}
    first = [{"path": path, "name": name, "customName": f"[railpack] {path}"} for name, (path, _) in files.items()]
    step["commands"] = [*first, *(step.get("commands") or ())]


def _mirrored(layer: Any, images: str) -> None:
    """In its place: the image that a layer or a command names, from where the setting says."""
    usual = layer.get("image") if isinstance(layer, dict) else None
    if isinstance(usual, str) and usual:
        name, _, version = usual.removeprefix(_OURS).partition(":")
        layer["image"] = bases.named(name if usual.startswith(_OURS) else "", usual, images, version)
