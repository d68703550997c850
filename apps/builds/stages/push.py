"""push: what was built goes into the artifact store, by content, and a manifest says what belongs together."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pathspec

from apps.artifacts.base import Tree
from apps.builds import site, toolchains
from apps.builds.bundle import Manifest
from apps.builds.detect.plan import Plan
from apps.builds.stages import commands, modules, storing
from apps.builds.stages.install import Layer
from apps.builds.stages.room import Room
from apps.core.errors import Detail, Invalid, UserError
from apps.core.paths import beneath

LARGEST_MB = 4096
SMALL = 32_000  # bytes of Python that an app's start compiles sooner than a sandbox is made to do it beforehand
# Run by the app's interpreter, which need not be the platform's; a third of the time that compileall takes to start.
_COMPILE = """
import os, py_compile
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
for base, directories, names in os.walk("."):
    directories[:] = [name for name in directories if name not in ("node_modules", ".venv", "venv")]
    for name in names:
        if name.endswith(".py"):
            try:
                py_compile.compile(os.path.join(base, name), doraise=True, quiet=2, invalidation_mode=mode)
            except (py_compile.PyCompileError, OSError, ValueError, RecursionError, MemoryError):
                pass
"""


def run(room: Room, plan: Plan, layer: Layer | None) -> Manifest:
    """Store the output.

    Raises UserError("no_output_directory" | "artifact_too_large" | "upload_failed"), Invalid("artifact_escape").
    """
    room.check()
    app = room.app(plan.root)
    _drop(app)
    if plan.member:
        _drop(beneath(app, plan.member))
    if layer and plan.layer == "modules":
        modules.link(room, plan, layer.digest)
    if plan.kind == "static":
        return _static(room, plan, app)
    tools = toolchains.find(plan, room.tools)
    if plan.stack == "python" and sum(os.lstat(path).st_size for path in app.rglob("*.py")) > SMALL:
        program = (tools.env["BRAINPOD_PYTHON"], "-I", "-S", "-c", _COMPILE)
        commands.run(room, "push", program, root=plan.root, env={}, tools=tools, mounts=(), quiet=True)
    tree = _adopted(room, app)
    room.write(f"Stored {tree.digest[:19]}: {tree.files} files, {tree.size / 1e6:.1f} MB.")
    return Manifest(
        kind="bundle",
        app=tree.digest,
        deps=layer.digest if layer else None,
        start=plan.start,
        release=plan.release,
        path=tools.run_path,
        prefixes=tools.prefixes,
        env=plan.env,
        size=tree.size,
    )


def _static(room: Room, plan: Plan, app: Path) -> Manifest:
    output = beneath(app, plan.output, "build.outputDir") if plan.output not in ("", ".") else app
    return publish(room, output, plan.output or ".")


def publish(room: Room, output: Path, name: str) -> Manifest:
    """Store static files; `name`: what people call the directory. Raises as `run`."""
    if not output.is_dir() or not any(output.iterdir()):
        hint = "Set the output directory of the app to where its build puts the files."
        raise UserError("no_output_directory", f"The build left nothing in {name}.", hint)
    linked = output / modules.MODULES
    if linked.is_symlink():
        linked.unlink()
    _check_served(output)
    settings = site.read(output, room.write)
    tree = _adopted(room, output)
    room.write(f"Stored {tree.digest[:19]}: {tree.files} files, {tree.size / 1e6:.1f} MB.")
    return Manifest(kind="static", app=tree.digest, size=tree.size, site=settings.as_json())


def _adopted(room: Room, directory: Path) -> Tree:
    size = sum(os.lstat(Path(base, name)).st_size for base, _, names in os.walk(directory) for name in names)
    if size > LARGEST_MB * 1_000_000:
        hint = "Name what need not be shipped in .brainpodignore."
        raise UserError(
            "artifact_too_large", f"The output has {size // 1_000_000} MB, at most {LARGEST_MB} are stored.", hint
        )
    return storing.adopt(room, directory)


def _drop(app: Path) -> None:
    """Take out .git and what .brainpodignore names."""
    if (app / ".git").is_dir() and not (app / ".git").is_symlink():
        shutil.rmtree(app / ".git")
    (app / ".git").unlink(missing_ok=True)
    for path in list(unshipped(app)):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def unshipped(app: Path) -> Iterator[Path]:
    """What .brainpodignore names; of a directory that is named as a whole nothing else."""
    ignore = app / ".brainpodignore"
    if ignore.is_symlink() or not ignore.is_file() or ignore.stat().st_size > 256 * 1024:
        return
    rules = pathspec.GitIgnoreSpec.from_lines(ignore.read_text(errors="replace").splitlines())
    for base, directories, names in os.walk(app):
        inside = Path(base).relative_to(app)
        for name in [*names, *directories]:
            path = Path(base, name)
            real = path.is_dir() and not path.is_symlink()
            if rules.match_file((inside / name).as_posix() + ("/" if real else "")):
                directories[:] = [d for d in directories if d != name]
                yield path


def _check_served(output: Path) -> None:
    """Files served to anybody: a link may lead to another of them and nowhere else."""
    root = os.path.realpath(output)
    for base, directories, names in os.walk(output):
        for name in [*names, *directories]:
            path = Path(base, name)
            if stat.S_ISLNK(path.lstat().st_mode) and not os.path.realpath(path).startswith(f"{root}/"):
                shown = path.relative_to(output).as_posix()
                what = Detail(shown, "links to what is not beneath the output directory.")
                raise Invalid([what], code="artifact_escape", hint="Copy the file instead of linking to it.")
