"""What Railpack is told: the repository's railpack.json, and over it what the app's settings say.

Of Railpack's own ways to be told, its file beats its flags and variables. So the settings are put into a copy of it.
"""

from __future__ import annotations

import copy
import shlex
from typing import Any

from apps.builds.detect import settings
from apps.builds.detect.plan import Overrides
from apps.builds.detect.project import Project, strings, table

FILE = "railpack.json"
PREFIX = "RAILPACK_"
_FILE_VARIABLE = "RAILPACK_CONFIG_FILE"
# What Railpack calls the stacks that it names otherwise; a Bun app is one of its Node.js apps.
PROVIDERS = {"go": "golang", "static": "staticfile", "bun": "node"}
STACKS = {"golang": "go", "staticfile": "static"}


def config(project: Project, overrides: Overrides) -> dict[str, Any]:
    """The whole file. Raises UserError("manifest_invalid") for one of the repository that cannot be read."""
    given = own(project, overrides)
    said = copy.deepcopy(project.json(overrides.variables.get(_FILE_VARIABLE) or FILE, comments=True))
    said |= {"provider": PROVIDERS.get(given.framework, given.framework)} if given.framework else {}
    for name, command in (("install", given.install), ("build", given.build)):
        if command:
            step = table(table(said.get("steps")).get(name))
            said["steps"] = {**table(said.get("steps")), name: {**step, "commands": _commands(command)}}
    if given.versions:
        said["packages"] = {**table(said.get("packages")), **{tool: v for tool, (v, _) in given.versions.items()}}
    deploy = table(said.get("deploy"))
    deploy |= {"startCommand": given.start} if given.start else {}
    if given.packages:
        said["buildAptPackages"] = _more(strings(said.get("buildAptPackages")), given.packages)
        deploy |= {"aptPackages": _more(strings(deploy.get("aptPackages")), given.packages)}
    return said | ({"deploy": deploy} if deploy else {})


def own(project: Project, overrides: Overrides) -> Overrides:
    """The app's settings, and for what they leave open those of brainpod.json, which Railpack does not know."""
    return settings.apply(project, overrides) if project.has("brainpod.json") else overrides


def variables(overrides: Overrides) -> dict[str, str]:
    """The app's variables that Railpack plans by, but the name of its file, which was read already."""
    found = {n: v for n, v in overrides.variables.items() if n.startswith(PREFIX) and v and n != _FILE_VARIABLE}
    return dict(sorted(found.items()))


def _commands(command: str) -> list[dict[str, str]]:
    """As Railpack itself does it for a command that somebody sets: the whole source first, then a shell."""
    return [{"src": ".", "dest": "."}, {"cmd": f"sh -c {shlex.quote(command)}", "customName": command}]


def _more(there: list[str], packages: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys((*there, *packages)))
