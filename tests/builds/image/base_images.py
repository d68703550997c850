"""Images like Docker's official ones, made of this machine's own packages: no image can be pulled here."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import pytest

from tests.stack.docker import DockerDaemon

SHELL = ("dash", "coreutils", "grep")
STACKS = (*SHELL, "ca-certificates", "python3", "python3-pip", "nodejs")
LEFT_OUT = (
    "/usr/share/doc",
    "/usr/share/man",
    "/usr/share/locale",
    "/usr/share/perl",
    "/usr/share/info",
    "/usr/lib/node_modules",
)
LINKS = {
    "bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64", "usr/bin/python": "python3",
    "usr/bin/cc": "gcc",
}  # fmt: skip


def debian(daemon: DockerDaemon) -> str:
    """An image with a shell, Python, pip, Node.js and npm."""
    npm = Path("/usr/lib/node_modules/npm")  # it may be newer than the package that it came with
    return _import(daemon, "debian", STACKS, [npm, *npm.rglob("*")])


def go(daemon: DockerDaemon) -> str:
    """An image with a shell and what of Go compiles a program that imports nothing."""
    program = shutil.which("go")
    if program is None:
        _without("Go is not installed")
    root = Path(_said(program, "env", "GOROOT").strip())
    tools = [tool for name in ("compile", "link", "asm") for tool in root.glob(f"pkg/tool/*/{name}")]
    paths = [root / "bin/go", root / "go.env", root / "VERSION", root / "src/go.mod", *tools]
    packages = _said(program, "list", "-deps", "runtime").split()
    for name in ("pkg/include", "src/runtime/cgo", *(f"src/{package}" for package in packages)):
        paths += [path for path in (root / name).iterdir() if path.is_file() and not path.name.endswith("_test.go")]
    return _import(daemon, "go", SHELL, [p for p in paths if p.exists()], f"ENV PATH={root}/bin:/usr/bin:/bin")


def rust(daemon: DockerDaemon) -> str:
    """An image with a shell, a C compiler to link with, and Rust."""
    program = shutil.which("rustc")
    if program is None:
        _without("Rust is not installed")
    root = Path(_said(program, "--print", "sysroot").strip())
    paths = [path for name in ("bin", "lib") for path in (root / name).rglob("*")]
    return _import(daemon, "rust", (*SHELL, "gcc", "libc6-dev"), paths, f"ENV PATH={root}/bin:/usr/bin:/bin")


def java(daemon: DockerDaemon) -> str:
    """An image with a shell, Debian's JDK and Maven."""
    compiler = shutil.which("javac")
    if compiler is None or not shutil.which("mvn"):
        _without("no JDK, or no Maven")
    home = Path(compiler).resolve().parent.parent
    package = _said("dpkg-query", "-S", str(home / "bin/javac")).partition(":")[0]
    places = [*Path("/etc").glob("java*"), Path("/etc/maven"), Path("/etc/ssl/certs/java")]
    paths = [path for place in places for path in place.rglob("*")]
    change = f"ENV JAVA_HOME={home} PATH={home}/bin:/usr/share/maven/bin:/usr/bin:/bin"
    return _import(daemon, "java", (*SHELL, package, "maven"), paths, change)


def _import(
    daemon: DockerDaemon, name: str, packages: Iterable[str], more: Iterable[Path], change: str = "ENV LANG=C.UTF-8"
) -> str:
    if not shutil.which("dpkg-query"):
        _without("no Debian packages on this machine to make a base image of")
    place = daemon.root / f"{name}.tar"
    with tarfile.open(place, "w") as archive:
        _add_plain(archive)
        for path in [*_files(_with_dependencies(packages)), *map(str, more)]:
            archive.add(path, path.lstrip("/"), recursive=False)
    client = daemon.client()
    client.api.timeout = 600
    client.api.import_image_from_file(str(place), repository=f"brainpod-test/{name}", tag="1", changes=[change])
    place.unlink()
    return f"brainpod-test/{name}:1"


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _without(why: str) -> NoReturn:
    """In CI nothing may be missing."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    raise AssertionError


def _add_plain(archive: tarfile.TarFile) -> None:
    for name in (
        "etc",
        "root",
        "tmp",
        "usr",
        "usr/bin",
        "usr/sbin",
        "usr/lib",
        "usr/lib64",
        "usr/local",
        "usr/local/bin",
    ):
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
        archive.addfile(entry)
    for name, target in LINKS.items():
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        archive.addfile(entry)
    files = {"etc/passwd": b"root:x:0:0::/root:/bin/sh\n", "etc/group": b"root:x:0:\n"}
    for name, content in files.items():
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))


def _files(packages: set[str]) -> list[str]:
    done = subprocess.run(["dpkg-query", "-L", *sorted(packages)], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    # Older packages name files as if /bin and /lib were no links into /usr.
    found = {f"/usr{line}" if line.startswith(("/bin/", "/lib", "/sbin/")) else line for line in lines}
    kept = {path for path in found if path.startswith("/usr/") and not path.startswith(LEFT_OUT)}
    return sorted(path for path in kept - _DIRECTORIES if os.path.lexists(path))


_DIRECTORIES = {"/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/usr/local", "/usr/bin/python"}


def _with_dependencies(names: Iterable[str]) -> set[str]:
    form = "${Package}\t${Pre-Depends}, ${Depends}\t${Provides}\t${db:Status-Abbrev}\n"
    done = subprocess.run(["dpkg-query", "-W", "-f", form], capture_output=True, text=True, check=True)
    needs: dict[str, list[str]] = {}
    provided: dict[str, str] = {}
    for line in done.stdout.splitlines():
        name, depends, provides, status = line.split("\t")
        if status.startswith("ii"):
            needs[name] = [_name(one) for group in depends.split(",") for one in group.split("|")]
            provided |= {_name(one): name for one in provides.split(",")}
    missing = [name for name in names if name not in needs]
    if missing:
        _without(f"Debian packages that are not installed: {', '.join(missing)}")
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        name = name if name in needs else provided.get(name, "")
        if name and name not in found:
            found.add(name)
            todo += needs[name]
    return found


def _name(word: str) -> str:
    return re.sub(r"[\s:(].*", "", word.strip())
