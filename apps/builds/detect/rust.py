"""Rust: the binary of a package, alone or in a Cargo workspace."""

from __future__ import annotations

import re
from fnmatch import fnmatch

from apps.builds.detect.detector import Detector, no_start, several, started
from apps.builds.detect.pins import NONE, pinned
from apps.builds.detect.plan import Overrides, Plan, Versions, caches, within
from apps.builds.detect.project import Project, strings, table

_FRAMEWORKS = {
    "axum": "axum", "actix-web": "actix", "rocket": "rocket", "warp": "warp", "poem": "poem", "salvo": "salvo",
    "tide": "tide", "leptos": "leptos", "loco-rs": "loco",
}  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9_][\w-]*")
_PACKAGES = {"openssl-sys": "libssl-dev", "openssl": "libssl-dev", "pq-sys": "libpq-dev", "diesel": "libpq-dev"}


def _plan(project: Project, overrides: Overrides) -> Plan:
    workspace, member = _place(project)
    package = workspace.beneath(member) if member else project
    wants = {*table(package.cargo.get("dependencies")), *table(workspace.cargo.get("dependencies"))}
    framework = next((name for crate, name in _FRAMEWORKS.items() if crate in wants), "")
    locked = " --locked" if workspace.has("Cargo.lock") else ""
    found: list[str] = []
    if not overrides.build:
        found = [_binary(package)]
    kind, start = started(package, overrides, lambda _: _start(found, framework))
    chosen = f" --bin {found[0]}" if found else ""
    build = (
        f"cargo build --release{locked}{chosen}",
        *(f'install -D "$CARGO_TARGET_DIR/release/{name}" bin/{name}' for name in found),
    )
    note = "There is no Cargo.lock: commit it to get the same versions every time."
    return Plan(
        stack="rust",
        framework=framework,
        kind=kind,
        manager="cargo",
        root=workspace.place,
        member=member,
        versions=_version(package, workspace),
        tools=("cargo",),
        packages=tuple(dict.fromkeys(_PACKAGES[crate] for crate in sorted(wants & _PACKAGES.keys()))),
        install=(f"cargo fetch{locked}",) if wants and locked else (),
        build=tuple(within(member, line) for line in build),
        start=start,
        output="dist" if kind == "static" else "",
        caches=caches("cargo", "cargo-target"),
        notes=() if locked or not wants else (note,),
    )


def _start(found: list[str], framework: str) -> str:
    if not found:
        raise no_start("Rust program that is built by a command of yours", "Set the start command too.")
    told = "ROCKET_ADDRESS=0.0.0.0 ROCKET_PORT=$PORT " if framework == "rocket" else ""
    return f"{told}./bin/{found[0]}"


def _place(project: Project) -> tuple[Project, str]:
    """(the workspace's root or else the project itself, the package's directory beneath it)."""
    for above in project.above:
        if "workspace" in above.cargo:
            inside = project.place.removeprefix(above.place).strip("/")
            own = table(above.cargo["workspace"])
            listed = any(fnmatch(inside, pattern.strip("/")) for pattern in strings(own.get("members")))
            if listed and inside not in strings(own.get("exclude")):
                return above, inside
    if "workspace" not in project.cargo or "package" in project.cargo:
        return project, ""
    programs = [name for name in _members(project) if _binaries(project.beneath(name))]
    if len(programs) == 1:
        return project, programs[0]
    if programs:
        raise several("programs of a Cargo workspace", programs, "Set the root directory of the app to one of them.")
    raise no_start("Cargo workspace: none of its members is a program", "Set the root directory of the app.")


def _members(project: Project) -> list[str]:
    found: dict[str, None] = {}
    own = table(project.cargo["workspace"])
    for pattern in strings(own.get("members"))[:200]:
        if pattern and not pattern.startswith("/") and ".." not in pattern:
            found |= dict.fromkeys(name.rpartition("/")[0] for name in project.files(f"{pattern}/Cargo.toml"))
    return [name for name in found if name not in strings(own.get("exclude"))]


def _binaries(package: Project) -> list[str]:
    own = table(package.cargo.get("package"))
    declared = package.cargo.get("bin")
    named = [str(table(b).get("name", "")) for b in declared] if isinstance(declared, list) else []
    main = [str(own.get("name", ""))] if package.has("src/main.rs") and not named else []
    rest = [name.removeprefix("src/bin/").removesuffix(".rs") for name in package.files("src/bin/*.rs")]
    rest += [name.split("/")[2] for name in package.files("src/bin/*/main.rs")]
    return [name for name in dict.fromkeys((*main, *named, *rest)) if _NAME.fullmatch(name)]


def _binary(package: Project) -> str:
    own = table(package.cargo.get("package"))
    found, default = _binaries(package), own.get("default-run")
    for name in (default, own.get("name"), "server", "web", "api", found[0] if len(found) == 1 else ""):
        if name and name in found:
            return str(name)
    if found:
        raise several("programs", found, "Name one as default-run in Cargo.toml, or set the build and start commands.")
    hint = "Add src/main.rs or a [[bin]], or set the root directory of the app to the package that is the program."
    raise no_start("Rust package: it has no binary", hint)


def _version(package: Project, workspace: Project) -> Versions:
    for place in (package, workspace, *package.above):
        channel = table(place.toml("rust-toolchain.toml").get("toolchain")).get("channel")
        if isinstance(channel, str) and channel:
            return {"rust": (channel, "from rust-toolchain.toml")}
        text = place.text("rust-toolchain")
        if match := re.search(r"""channel\s*=\s*["']([\w.-]+)|^([\w.-]+)$""", text, re.MULTILINE):
            return {"rust": (match[1] or match[2], "from rust-toolchain")}
    for place in (package, workspace):
        own = table(place.cargo.get("package")) or table(table(place.cargo.get("workspace")).get("package"))
        if isinstance(own.get("rust-version"), str):
            return {"rust": (own["rust-version"], "from rust-version in Cargo.toml")}
    return {"rust": pinned(package, "rust") or NONE}


DETECTOR = Detector(
    name="rust",
    title="Rust",
    looks_for="Cargo.toml",
    matches=lambda project: project.has("Cargo.toml"),
    plan=_plan,
)
