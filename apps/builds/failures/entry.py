"""What is known of one kind of failure, as data: how to tell it, why it happens, what helps."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.builds.failures.signs import Sign

Spec = Mapping[str, Any]

INSTALL_ON = ("install", "build", "release")  # what installing says, a build or pre-start command may say as well
BUILD_ON = ("build", "release")
RUNNING = ("launch", "health")
COMMANDS = ("install", "build", "release", "launch", "health")
STAGE_NAMES = {
    "clone": "clone",
    "detect": "detect",
    "install": "install",
    "build": "build",
    "push": "package and push",
    "release": "release or pre-start",
    "launch": "launch",
    "health": "health check",
}


@dataclass(frozen=True, slots=True)
class Fix:
    """A change of the App's spec that mends the failure: `value` at the dotted `path`, `env.NAME` for a variable.

    `on`: offered only if the line that shows the failure contains it. `stages`: only where one of these failed.
    """

    label: str
    path: str
    value: str | int | bool
    on: str = ""
    stages: tuple[str, ...] = ()

    def suits(self, line: str, spec: Spec, stage: str = "") -> bool:
        """Whether it is of use: not when the spec says so already; a number is only ever raised."""
        if self.stages and stage not in self.stages:
            return False
        present = self._present(spec)
        if isinstance(self.value, int) and not isinstance(self.value, bool) and isinstance(present, int):
            return self.on in line and present < self.value
        return self.on in line and present != self.value

    def _present(self, spec: Spec) -> Any:
        head, _, rest = self.path.partition(".")
        if head == "env":
            return next((v["value"] for v in spec.get("env", ()) if v["name"] == rest), None)
        return spec.get(head, {}).get(rest) if rest else spec.get(head)

    def applied(self, spec: Spec) -> dict[str, Any]:
        """`spec` with the change; everything else stays as it was."""
        changed = copy.deepcopy(dict(spec))
        head, _, rest = self.path.partition(".")
        if head == "env":
            others = [v for v in changed.get("env", ()) if v["name"] != rest]
            changed["env"] = [*others, {"name": rest, "value": self.value}]
        elif rest:
            changed[head] = {**changed.get(head, {}), rest: self.value}
        else:
            changed[head] = self.value
        return changed


@dataclass(frozen=True, slots=True)
class Entry:
    """`signs`: lines of a log that show it, the surest first. `endings`: exit codes, or why the engine ended it.

    `stages` and `stacks` say where it occurs (no stacks: anywhere). `cause` and `remedy` may use, in braces, the names
    that all of the signs have, and `stage`, `exit`, `seconds` and `last`, the last line that says anything.
    """

    code: str
    title: str
    stages: tuple[str, ...]
    cause: str
    remedy: str
    signs: tuple[Sign, ...] = ()
    endings: tuple[int | str, ...] = ()
    stacks: tuple[str, ...] = ()
    fixes: tuple[Fix, ...] = ()


def signs(*templates: str) -> tuple[Sign, ...]:
    return tuple(Sign(template) for template in templates)
