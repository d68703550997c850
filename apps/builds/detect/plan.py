"""What a build will do, decided from the files alone: data, so that it can be shown, stored and compared."""

from __future__ import annotations

from dataclasses import dataclass, field

Versions = dict[str, tuple[str, str]]
"""Tool → (what is asked for, where that stands): ("3.11", "from .python-version"); ("", "default") when nowhere."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the app's settings say instead of what is found; empty: nothing.

    `kind` web leaves it to the detection whether there is anything to run; static and worker are final.
    """

    kind: str = ""
    framework: str = ""  # python | node | static
    install: str = ""
    build: str = ""
    output: str = ""
    start: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Command lines run by `sh -c` in the app's directory; paths are relative to it.

    `lockfiles` are the files whose content decides the dependency layer; ".": installing runs code of the repository,
    so the layer is made each time. `release` runs before the start of each deployment.
    """

    stack: str  # python | node | static
    kind: str  # web | worker | static
    framework: str = ""
    manager: str = ""
    root: str = ""  # the app's directory within the repository
    versions: Versions = field(default_factory=dict)
    tools: tuple[str, ...] = ()  # programs the machine must have
    install: tuple[str, ...] = ()
    build: tuple[str, ...] = ()
    start: str = ""
    release: str = ""
    output: str = ""
    caches: tuple[str, ...] = ()
    lockfiles: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """One line for people: "Django, Python 3.11, pip"."""
        words = [self.framework or {"static": "static files"}.get(self.stack, self.stack)]
        words += [f"{tool} {version}".strip() for tool, (version, _) in self.versions.items() if tool != words[0]]
        words += [self.manager] if self.manager else []
        return ", ".join(words)

    def lines(self) -> list[str]:
        """The plan for people; also the head of every build's log."""
        said = [f"Builder: {self.stack}" + (f" ({self.framework})" if self.framework else "")]
        for tool, (version, origin) in self.versions.items():
            said.append(f"{tool}: {version or 'any'} ({origin})")
        for name, commands in (("Install", self.install), ("Build", self.build)):
            said += [f"{name}: {command}" for command in commands]
        said += [f"Start ({self.kind}): {self.start}"] if self.start else []
        said += [f"Release: {self.release}"] if self.release else []
        said += [f"Output: {self.output}"] if self.output else []
        return [*said, *(f"Note: {note}" for note in self.notes)]
