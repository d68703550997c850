"""What is put into a container before its start: copies, links, files of Config, disks given to its user.

Files of Config may hold secrets, so they lie in this machine's memory (a tmpfs), readable by nobody but the daemon
and its containers, and are mounted read-only one by one. Copies and links go into the container's own layer.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from docker.errors import NotFound

from apps.core.ids import short
from apps.engines import checks
from apps.engines.base import RunSpec
from apps.engines.docker.images import Image
from apps.engines.process import identity

MEMORY = Path("/dev/shm")
SPOOLED = 16 * 1_048_576  # bytes of an archive kept in memory


class Files:
    """Files of Config by workload, in a directory of memory of this platform's own."""

    def __init__(self, instance: str, otherwise: Path) -> None:
        base = MEMORY if os.access(MEMORY, os.W_OK) else otherwise
        self.directory = base / f"brainpod-{os.getuid()}-{instance}"

    def place(self, workload: str) -> Path:
        return self.directory / short(workload, 24)

    def write(self, spec: RunSpec) -> dict[str, str]:
        """Path inside → path here."""
        if not spec.files:
            return {}
        self.directory.mkdir(mode=0o700, exist_ok=True, parents=True)
        place = self.place(spec.id)
        place.mkdir(mode=0o755, exist_ok=True)
        found = {}
        for number, (inside, content) in enumerate(spec.files.items()):
            path = place / str(number)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
            path.chmod(0o444)
            found[inside] = str(path)
        return found

    def forget(self, workload: str) -> None:
        shutil.rmtree(self.place(workload), ignore_errors=True)


def fill(api: Any, container: str, spec: RunSpec, image: Image) -> None:
    """Bring a container that has not started to what `spec` says. May be done twice."""
    scratch = [mount for mount in checks.touched(spec) if mount.mode == "scratch"]
    disks = [mount.source for mount in spec.mounts if mount.mode == "write"]
    if not (scratch or disks or spec.links):
        return
    uid, gid = user(api, container, image)
    if os.geteuid() == 0:
        for disk in disks:
            # What a container of root's finds is left to its entry point, but for what was a process's until now: that
            # it went through other hands has to be seen when it goes back.
            if uid or identity.of_a_pod(os.lstat(disk).st_uid):
                identity.own(disk, identity.Identity(uid, gid, drop=True))

    def owned(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid, entry.gid, entry.uname, entry.gname = uid, gid, "", ""
        return entry

    with tempfile.SpooledTemporaryFile(SPOOLED) as held:
        with tarfile.open(fileobj=held, mode="w") as archive:
            for mount in scratch:
                archive.add(mount.source, mount.target.lstrip("/"), filter=owned)
            for at, to in spec.links:
                entry = tarfile.TarInfo(at.lstrip("/"))
                entry.type, entry.linkname = tarfile.SYMTYPE, to
                archive.addfile(owned(entry))
        if held.tell():
            held.seek(0)
            api.put_archive(container, "/", held)


def user(api: Any, container: str, image: Image) -> tuple[int, int]:
    """The numbers of the image's user; its names are looked up in the container's own /etc/passwd and /etc/group."""
    name, _, group = image.user.partition(":")
    if not name:
        return 0, 0
    known = _table(api, container, "/etc/passwd")
    if name.isdigit():
        uid, gid = int(name), int(next((row[3] for row in known.values() if row[2] == name), "0"))
    else:
        row = known.get(name, [name, "", "0", "0"])
        uid, gid = int(row[2]), int(row[3])
    if group:
        gid = int(group) if group.isdigit() else int(_table(api, container, "/etc/group").get(group, ["", "", "0"])[2])
    return uid, gid


def _table(api: Any, container: str, path: str) -> dict[str, list[str]]:
    try:
        chunks, _ = api.get_archive(container, path)
    except NotFound:
        return {}
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        file = archive.extractfile(archive.next() or tarfile.TarInfo())
        lines = file.read().decode("utf-8", "replace").splitlines() if file else []
    rows = [line.split(":") for line in lines]
    return {row[0]: row for row in rows if len(row) >= 3 and row[2].isdigit()}
