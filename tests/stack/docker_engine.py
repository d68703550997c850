"""The Docker engine on the tests' own daemon, with its watcher, and an image in which the engines' workloads run.

No image can be pulled, so this one is made from this machine's Python with the libraries it needs, and busybox.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.engines.base import Finished, Handle, LaunchSpec, RunSpec
from apps.engines.docker.client import DockerEngine
from apps.engines.docker.names import PURPOSE
from apps.engines.process.namespaces import die_with_parent
from tests.stack.docker import DockerDaemon

PYTHON = "brainpod-test/python:1"
ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = ("test", "tests", "site-packages", "idlelib", "tkinter", "ensurepip", "lib2to3", "__pycache__", "turtledemo")
ETC = {
    "passwd": "root:x:0:0::/:/bin/sh\napp:x:1000:1000::/tmp:/bin/sh\n",
    "group": "root:x:0:\napp:x:1000:\n",
    "nsswitch.conf": "hosts: files dns\n",
}


class ImageEngine(DockerEngine):
    """For specs written for any engine: their image is the one with Python, where `HOST` says what is reached."""

    def launch(self, spec: LaunchSpec) -> Handle:
        return super().launch(on_image(spec))

    def run_once(self, spec: RunSpec, **given: Any) -> Finished:
        return super().run_once(on_image(spec), **given)


def on_image(spec: Any) -> Any:
    return spec if spec.image else replace(spec, image=PYTHON, env={"HOST": "0.0.0.0", **spec.env})


class Watching:
    """The watcher as a process, ended and started again at will."""

    def __init__(self, daemon: DockerDaemon, state: Path) -> None:
        self._command = [sys.executable, "-m", "apps.engines.docker.watcher", "--state", str(state)]
        self._command += ["--host", daemon.host]
        self._log = state / "watcher.log"
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                self._command, cwd=ROOT, stderr=log, start_new_session=True,
                preexec_fn=lambda: die_with_parent(signal.SIGTERM),
            )  # fmt: skip

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._child is not None:
            self._child.send_signal(number)
            self._child.wait(60)
            self._child = None

    def log(self) -> str:
        return self._log.read_text()


@contextmanager
def engine_on(daemon: DockerDaemon) -> Iterator[tuple[ImageEngine, Watching]]:
    """An engine with a state directory of its own and its watcher running; nothing is left of it."""
    state = Path(tempfile.mkdtemp(prefix="bp-de-", dir="/tmp"))
    engine, watching = ImageEngine(daemon.host, state), Watching(daemon, state)
    try:
        watching.start()
        yield engine, watching
    finally:
        watching.stop()
        for network in engine.starter.networks.unused():
            engine.starter.networks.remove(network)
        for made in daemon.client().api.networks(filters=engine.names.filters(PURPOSE)):
            engine.starter.networks.remove(made["Id"])
        engine.starter.egress.remove()
        shutil.rmtree(engine.starter.files.directory, ignore_errors=True)
        shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(scope="session")
def python_image(docker_daemon: DockerDaemon) -> str:
    """An image with Python and busybox; its user is `app`, 1000."""
    import_python(docker_daemon)
    return PYTHON


@pytest.fixture(scope="session")
def docker_engine(docker_daemon: DockerDaemon, python_image: str) -> Iterator[ImageEngine]:
    with engine_on(docker_daemon) as (engine, _):
        yield engine


def import_python(daemon: DockerDaemon) -> None:
    repository, _, tag = PYTHON.partition(":")
    with tempfile.TemporaryFile() as held:
        with tarfile.open(fileobj=held, mode="w") as archive:
            fill_with_python(archive)
        held.seek(0)
        daemon.client().api.import_image_from_data(held, repository=repository, tag=tag, changes=["USER app"])


def fill_with_python(archive: tarfile.TarFile, users: Mapping[str, str] = ETC) -> None:
    """`users`: the text of files in /etc."""
    for name, mode in (("app", 0o755), ("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777), ("srv", 0o755)):
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        archive.addfile(entry)
    for name, text in (ETC | dict(users)).items():
        add_file(archive, f"etc/{name}", text.encode(), 0o644)
    busybox = Path(shutil.which("busybox") or "/bin/busybox")
    add_file(archive, "bin/busybox", busybox.read_bytes(), 0o755)
    listed = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for name in {*listed} - {"busybox"}:
        _link(archive, f"bin/{name}", "busybox")
    program = Path(os.path.realpath(sys.executable))
    library = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
    archive.add(program, str(program).lstrip("/"))
    _link(archive, "bin/python3", str(program))
    archive.add(library, str(library).lstrip("/"), filter=_wanted)
    for path in libraries([program, *(library / "lib-dynload").glob("*.so")]):
        add_file(archive, path.lstrip("/"), Path(path).read_bytes(), 0o755)


def _wanted(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    name = entry.name.rpartition("/")[2]
    return None if name in LEFT_OUT or name.startswith("config-") or name.endswith(".a") else entry


def libraries(programs: list[Path]) -> set[str]:
    """The shared libraries of all of them, where the loader looks for them."""
    said = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
    words = [line.split() for line in said.splitlines() if "=>" in line or "ld-linux" in line]
    return {word for line in words for word in line if word.startswith("/")}


def add_file(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def _link(archive: tarfile.TarFile, name: str, to: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, to
    archive.addfile(entry)
