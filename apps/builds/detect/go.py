"""Go: one module, a workspace of modules, or just main.go; which package is the program."""

from __future__ import annotations

import re
import shlex

from apps.builds.detect.detector import Detector, no_start, several, started
from apps.builds.detect.pins import NONE, number, pinned
from apps.builds.detect.plan import Overrides, Plan, Versions, caches, within
from apps.builds.detect.project import Project

_MAIN = re.compile(r"^package main\b", re.MULTILINE)
_USED = re.compile(r"^\s*(?:use\s+)?(\.?/?[\w][\w./-]*|\./?)\s*(?://.*)?$")
_PREFERRED = ("server", "web", "api", "app", "main")
_FRAMEWORKS = {
    "github.com/gin-gonic/gin": "gin", "github.com/labstack/echo": "echo", "github.com/gofiber/fiber": "fiber",
    "github.com/go-chi/chi": "chi", "github.com/gorilla/mux": "gorilla", "github.com/beego/beego": "beego",
    "github.com/danielgtaylor/huma": "huma", "github.com/pocketbase/pocketbase": "pocketbase",
}  # fmt: skip


def _matches(project: Project) -> bool:
    return project.has("go.mod", "go.work", "main.go")


def _plan(project: Project, overrides: Overrides) -> Plan:
    workspace, member = _place(project, overrides)
    module = workspace.beneath(member) if member else project
    text = module.text("go.mod")
    program = "app" if not module.has_directory("app") else "bin/app"
    fetches = "require" in text and not module.has("vendor/modules.txt") and not workspace.has("vendor/modules.txt")
    package = "" if overrides.build or overrides.start else _package(module, text)
    kind, start = started(module, overrides, lambda _: f"./{program}")
    loose = [name for name in module.files("*.go") if not name.endswith("_test.go")] if not text else []
    build = f"go build -o {program} {shlex.join(loose or [package or '.'])}"
    return Plan(
        stack="go",
        framework=next((name for path, name in _FRAMEWORKS.items() if path in text), ""),
        kind=kind,
        root=workspace.place,
        member=member,
        versions=_version(module, workspace),
        tools=("go",),
        install=(within(member, "go mod download"),) if fetches else (),
        build=(within(member, build),),
        start=start,
        output="public" if kind == "static" else "",
        caches=caches("go"),
        notes=() if text else ("There is no go.mod: run `go mod init` to name the module and its Go version.",),
    )


def _place(project: Project, overrides: Overrides) -> tuple[Project, str]:
    """(where go.work is or else the project itself, the module's directory beneath it)."""
    for above in project.above:
        inside = project.place.removeprefix(above.place).strip("/")
        if above.has("go.work") and inside in _used(above):
            return above, inside
    if not project.has("go.work") or project.files("*.go"):
        return project, ""
    programs = [used for used in _used(project) if _is_program(project.beneath(used))]
    if len(programs) == 1:
        return project, programs[0]
    if programs:
        hint = "Set the root directory of the app to one of them."
        raise several("programs of a Go workspace", programs, hint)
    return project, ""


def _used(project: Project) -> list[str]:
    """The modules that go.work names, beneath it."""
    lines = re.sub(r"\buse\s*\(", "use ", project.text("go.work")).splitlines()
    found = [match[1].removeprefix("./").strip("/") for line in lines if (match := _USED.match(line))]
    kept = [name for name in found if name and ".." not in name and project.has(f"{name}/go.mod")]
    return list(dict.fromkeys(kept))


def _is_program(module: Project) -> bool:
    return _is_main(module, "") or any(_is_main(module, name) for name in _commands(module))


def _is_main(module: Project, directory: str) -> bool:
    names = module.files(f"{directory}/*.go" if directory else "*.go")
    return any(_MAIN.search(module.text(name)[:20_000]) for name in names if not name.endswith("_test.go"))


def _commands(module: Project) -> list[str]:
    found = dict.fromkeys(name.rpartition("/")[0] for name in module.files("cmd/*/*.go"))
    return [name for name in found if _is_main(module, name)]


def _package(module: Project, text: str) -> str:
    """The package to build, as `go build` is told: "." or "./cmd/x"."""
    if _is_main(module, ""):
        return "."
    found = _commands(module)
    if _is_main(module, "cmd"):
        return "./cmd"
    match = re.search(r"^module\s+(\S+)", text, re.MULTILINE)
    own = re.sub(r"/v\d+$", "", match[1]).rpartition("/")[2] if match else ""
    for name in found if len(found) == 1 else [f"cmd/{name}" for name in (own, *_PREFERRED)]:
        if name in found:
            return f"./{name}"
    if found:
        hint = "Set the build command to the one you mean, as `go build -o app ./cmd/server`, and the start to ./app."
        raise several("programs", found, hint)
    raise no_start("Go module: it has no `package main` at its root or in cmd/", "Set the build and start commands.")


def _version(module: Project, workspace: Project) -> Versions:
    for place, name in ((module, "go.mod"), (workspace, "go.work")):
        for word in ("go ", "toolchain go"):
            if match := re.search(rf"^{word}(\d+\.\d+(?:\.\d+)?)", place.text(name), re.MULTILINE):
                return {"go": (match[1], f"from {name}")}
    found = pinned(module, "go", ".go-version")
    return {"go": (number(found[0]), found[1]) if found else NONE}


DETECTOR = Detector(
    name="go", title="Go", looks_for="go.mod, go.work or main.go", matches=_matches, plan=_plan,
    serious=lambda project: project.has("go.mod", "go.work") or bool(_MAIN.search(project.text("main.go"))),
)  # fmt: skip
