"""A Docker daemon of the tests' own, on a socket and a data directory of its own, with an image made from busybox.

Needs root and Debian's packages docker.io and busybox-static: `.ci/run` installs them, and there they must not be
missing. No image is ever pulled.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest

from apps.infrastructure.embedded import process
from tests.stack.components import wait_for

BUSYBOX = "brainpod-test/busybox:1"
PROGRAMS = ("sh", "ls", "cat", "echo", "env", "id", "sleep", "httpd", "nc", "wget", "mkdir", "touch", "kill", "ps")


@dataclass(slots=True)
class DockerDaemon:
    """`host`: what DOCKER_HOST would be. It has the image BUSYBOX, and can be killed and started again."""

    host: str
    root: Path
    child: subprocess.Popen[bytes] | None = None

    def client(self) -> docker.DockerClient:
        return docker.DockerClient(base_url=self.host, timeout=120)

    def log(self) -> str:
        return (self.root / "log").read_text(errors="replace")[-8000:]

    def start(self) -> None:
        child = self.child = _start(self.root)
        wait_for(lambda: child.poll() is not None or _answers(self), 120, f"dockerd; see {self.root}/log")
        if child.poll() is not None:
            pytest.fail(f"dockerd ended with {child.returncode}:\n{self.log()}")

    @contextmanager
    def runtime(self, name: str, program: Path) -> Iterator[None]:
        """Have it know another one as long as the block lasts; it is started again to forget it."""
        assert self.child is not None
        (self.root / "daemon.json").write_text(json.dumps({"runtimes": {name: {"path": str(program)}}}))
        os.kill(self.child.pid, signal.SIGHUP)
        try:
            wait_for(lambda: name in self.client().info()["Runtimes"], 60, f"the runtime {name}")
            yield
        finally:
            self.stop()
            self.start()

    def stop(self) -> None:
        """In order, as before an upgrade: what ran in it has ended."""
        assert self.child is not None
        _end(self.child)


@pytest.fixture(scope="session")
def docker_daemon() -> Iterator[DockerDaemon]:
    """Started once a session; containers and images left in it go with it."""
    with running_daemon() as daemon:
        yield daemon


@contextmanager
def running_daemon(*, data_mb: int = 0) -> Iterator[DockerDaemon]:
    """One of the caller's own, to be killed and started as it likes. `data_mb`: what it has room for.

    Two at once take each other's rules of the firewall away.
    """
    missing = [name for name in ("dockerd", "containerd", "busybox") if not shutil.which(name, path=_path())]
    if missing or os.geteuid() != 0:
        told = f"needs root and Debian's docker.io and busybox-static; missing: {', '.join(missing) or 'root'}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(told)
    root = Path(tempfile.mkdtemp(prefix="bp-d-", dir="/tmp"))
    daemon = DockerDaemon(f"unix://{root}/docker.sock", root)
    try:
        if data_mb:
            _small_disk(root, data_mb)
        daemon.start()
        _import_busybox(daemon)
        yield daemon
    finally:
        _empty(daemon)
        if daemon.child is not None:
            _end(daemon.child)
        _unmount(root)
        shutil.rmtree(root, ignore_errors=True)


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/bin"


def _start(root: Path) -> subprocess.Popen[bytes]:
    dockerd = shutil.which("dockerd", path=_path())
    assert dockerd is not None
    command = [dockerd, "--host", f"unix://{root}/docker.sock", "--data-root", f"{root}/data"]
    command += ["--exec-root", f"{root}/exec", "--pidfile", f"{root}/pid", "--config-file", f"{root}/daemon.json"]
    (root / "daemon.json").write_text("{}")
    with (root / "log").open("ab") as out:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, "PATH": _path()},
            start_new_session=True, preexec_fn=process.dies_with_parent(),
        )  # fmt: skip


def _small_disk(root: Path, megabytes: int) -> None:
    """A file system of its own where the daemon keeps its data."""
    disk, place = root / "disk", root / "data"
    place.mkdir()
    with disk.open("wb") as file:
        file.truncate(megabytes * 1_048_576)
    for command in (["mkfs.ext4", "-q", "-m", "0", disk], ["mount", "-o", "loop", disk, place]):
        done = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, "PATH": _path()})
        if done.returncode:
            pytest.skip(f"no disk of a file can be had here: {done.stderr.strip()}")


def _answers(daemon: DockerDaemon) -> bool:
    try:
        return bool(daemon.client().ping())
    except (docker.errors.DockerException, OSError):
        return False


def _import_busybox(daemon: DockerDaemon) -> None:
    """A root with busybox under its usual names, two users, and nothing else."""
    busybox = Path(shutil.which("busybox") or "/bin/busybox").read_bytes()
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for name in ("bin", "etc", "tmp", "app"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            archive.addfile(entry)
        files = {"bin/busybox": busybox, "etc/passwd": b"root:x:0:0::/:/bin/sh\napp:x:1000:1000::/app:/bin/sh\n"}
        files["etc/group"] = b"root:x:0:\napp:x:1000:\n"
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755 if name.startswith("bin/") else 0o644
            archive.addfile(entry, io.BytesIO(content))
        for name in PROGRAMS:
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(entry)
    repository, _, tag = BUSYBOX.partition(":")
    daemon.client().api.import_image_from_data(held.getvalue(), repository=repository, tag=tag)


def _empty(daemon: DockerDaemon) -> None:
    try:
        for container in daemon.client().containers.list(all=True):
            container.remove(force=True)
        daemon.client().networks.prune()  # their interfaces would outlive the daemon
    except (docker.errors.DockerException, OSError):
        pass  # it has ended already; its cgroups are ended with it


def _end(child: subprocess.Popen[bytes]) -> None:
    process.end_group(child.pid, signal.SIGTERM)
    try:
        child.wait(60)
    except subprocess.TimeoutExpired:
        process.end_group(child.pid, signal.SIGKILL)
        child.wait(30)


def _unmount(root: Path) -> None:
    """Whatever a daemon that was killed left mounted."""
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for place in sorted((m for m in mounted if m.startswith(f"{root}/")), reverse=True):
        subprocess.run(["umount", "--lazy", place], check=False, capture_output=True)
