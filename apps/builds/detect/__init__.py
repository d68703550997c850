"""Finds out how an app is built: detectors in a fixed order, and one of them makes the plan."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from apps.builds.detect import (
    bun,
    deno,
    dotnet,
    elixir,
    go,
    hugo,
    intermediates,
    java,
    jekyll,
    node,
    php,
    python,
    ruby,
    rust,
    settings,
    shell,
    static,
)  # fmt: skip
from apps.builds.detect.detector import Detector
from apps.builds.detect.plan import Overrides, Plan, within
from apps.builds.detect.project import Project
from apps.core.errors import UserError
from apps.core.paths import check_relative

# The order of Railpack's providers. A site generator comes before the language whose files it borrows.
DETECTORS: tuple[Detector, ...] = (
    hugo.DETECTOR, jekyll.DETECTOR, php.DETECTOR, go.DETECTOR, java.DETECTOR, rust.DETECTOR, ruby.DETECTOR,
    elixir.DETECTOR, python.DETECTOR, deno.DETECTOR, dotnet.DETECTOR, bun.DETECTOR, node.DETECTOR, static.DETECTOR,
    shell.DETECTOR,
)  # fmt: skip
_LAST_RESORTS = (static.DETECTOR, shell.DETECTOR)
DOCKERFILE = "Dockerfile"
DOCKER = "docker"
LONGEST = 20_000  # characters of one command


def detect(root: Path, overrides: Overrides | None = None, *, repository: Path | None = None) -> Plan:
    """How the app in `root` is built and run; `repository` is the checkout that it lies in, if it is not the whole.

    Raises UserError: no_framework_detected, multiple_builders_matched, manifest_invalid, no_start_command, …
    """
    project = Project(root)
    if repository and (place := root.resolve().relative_to(repository.resolve()).as_posix()) != ".":
        project = Project(root, place, repository)
    overrides = settings.apply(project, overrides or Overrides())
    detector = _chosen(project, overrides)
    if detector is None:
        note = "The Dockerfile decides how the image is built and what it runs."
        kind = overrides.kind if overrides.kind in ("worker", "static") else "web"
        return Plan(stack=DOCKER, kind=kind, root=project.place, start=overrides.start, output=overrides.output,
                    notes=(note,))  # fmt: skip
    return _settled(detector.plan(project, overrides), project, overrides)


def _chosen(project: Project, overrides: Overrides) -> Detector | None:
    """None: the Dockerfile."""
    if overrides.framework:
        if overrides.framework == DOCKER and project.has(overrides.dockerfile or DOCKERFILE):
            return None
        for detector in DETECTORS:
            if overrides.framework == detector.name:
                return detector
        names = ", ".join((*(detector.name for detector in DETECTORS), DOCKER))
        what = "Dockerfile here" if overrides.framework == DOCKER else f"builder {overrides.framework[:40]}"
        raise UserError("no_framework_detected", f"There is no {what}.", f"Choose one of {names}.")
    dockerfile = project.has(overrides.dockerfile or DOCKERFILE)
    if dockerfile and overrides.builder == "image":
        return None
    found = _candidates(project)
    if not found and dockerfile:
        return None
    if not found:
        looked = "; ".join(f"{detector.title}: {detector.looks_for}" for detector in DETECTORS)
        hint = (
            "Commit one of these, set the root directory of the app to where it is, or add a Dockerfile. Looked for:"
            f" {looked}."
        )
        raise UserError("no_framework_detected", "Nothing here says how the app is built.", hint)
    if len(found) > 1:
        titles = [detector.title for detector in found]
        hint = (
            f"Set the framework to {' or '.join(detector.name for detector in found)} in the app's build settings"
            ' (or "build": {"framework": …} in brainpod.json), or its root directory to the one you mean.'
        )
        raise UserError("multiple_builders_matched", f"{' and '.join(titles)} both describe an app here.", hint)
    return found[0]


def _candidates(project: Project) -> list[Detector]:
    """Those that stay when tools of others, and what belongs to one of the others by custom, are left out."""
    matching = [detector for detector in DETECTORS if detector.matches(project)]
    matching = [d for d in matching if d not in _LAST_RESORTS] or matching[:1]
    # A package.json of linters beside a page of HTML makes no Node.js app.
    if not any(d.serious(project) for d in matching):
        plain = [d for d in _LAST_RESORTS if d.matches(project)]
        return (plain or matching)[:1]
    matching = [d for d in matching if d.serious(project)]
    carried = {name for d in matching for name in d.carries(project)}
    return [d for d in matching if d.name not in carried]


def _settled(plan: Plan, project: Project, overrides: Overrides) -> Plan:
    """What is the same for every stack: settings win, a member's own commands run in its directory."""
    member = plan.member
    release = overrides.release or project.processes.get("release", "")
    changes: dict[str, object] = {
        "start": within(member, overrides.start or plan.start) if plan.kind != "static" else "",
        "release": within(member, release) if plan.kind != "static" else "",
        "packages": tuple(dict.fromkeys((*plan.packages, *overrides.packages))),
        "versions": plan.versions | overrides.versions,
        "caches": (*plan.caches, *intermediates.directories(plan.framework, plan.kind)),
    }
    if not member and not plan.root:
        changes["root"] = project.place
    if overrides.install:
        kept = plan.install[:1] if plan.stack == "python" else ()  # the environment that is installed into
        changes |= {"install": (*kept, within(member, overrides.install))}
        changes |= {"lockfiles": (".",)}  # the command may read anything
    if overrides.build:
        changes["build"] = (within(member, overrides.build),)
    if plan.kind == "static":
        output = check_relative(overrides.output, "build.outputDir") if overrides.output else plan.output
        base = "" if output.startswith("/") else member
        changes["output"] = "/".join(part for part in (base, output.strip("/")) if part not in ("", ".")) or "."
    notes = (*plan.notes, *overrides.notes)
    if project.has(DOCKERFILE):
        notes = (*notes, "There is a Dockerfile; it is not used.")
    settled = dataclasses.replace(plan, notes=notes, **changes)  # type: ignore[arg-type]
    _check(settled)
    return settled


def _check(plan: Plan) -> None:
    """No plan is kept or run with what neither a database nor a command line can hold."""
    words = [*plan.install, *plan.build, plan.start, plan.release, plan.output, *plan.notes, *plan.packages]
    words += [word for pair in plan.versions.items() for word in (pair[0], *pair[1])]
    for word in words:
        odd = any((ord(c) < 32 and c != "\t") or 0xD800 <= ord(c) < 0xE000 for c in word)
        if odd or len(word) > LONGEST:
            what = "control characters" if odd else f"more than {LONGEST} characters"
            hint = "Mend the manifest, Procfile or brainpod.json that it stands in, and commit it."
            raise UserError(
                "manifest_invalid", f"The files of the repository give a command with {what}: {word[:60]!r}.", hint
            )
