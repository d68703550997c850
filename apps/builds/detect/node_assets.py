"""A package.json that only makes the assets of an app in another language: installed, run and taken away again."""

from __future__ import annotations

from apps.builds.detect import node_manager
from apps.builds.detect.plan import within
from apps.builds.detect.project import Project, table


def _is_there(project: Project) -> bool:
    return project.has("package.json") and bool(
        node_manager.dependencies(project) or "build" in table(project.package.get("scripts"))
    )


def tools(project: Project) -> tuple[str, ...]:
    """The programs this needs; none if there is nothing to do."""
    return ("node", node_manager.find(project).name) if _is_there(project) else ()


def cached(project: Project) -> tuple[str, ...]:
    return (node_manager.find(project).name,) if _is_there(project) else ()


def install(project: Project, directory: str = "", *, build: bool = True) -> tuple[str, ...]:
    """Commands that install and, with `build`, run the script of that name, in `directory` of the app."""
    if not _is_there(project):
        return ()
    manager = node_manager.find(project)
    script = build and "build" in table(project.package.get("scripts"))
    installed = node_manager.install(project, manager, needed=False)
    commands = (*installed, *((f"{manager.name} run build",) if script else ()))
    return tuple(within(directory, command) for command in commands)


def away(project: Project) -> tuple[str, ...]:
    """The modules are not shipped: what they made is."""
    return ("rm -rf node_modules",) if _is_there(project) else ()
