"""Without a sandbox: a directory per workload that looks like the inside, and the words of a spec turned to it.

Keeps nobody from anything but by file permissions; said loudly by `check`.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from apps.engines.base import APP, LAYERS, RunSpec
from apps.engines.checks import touched
from apps.engines.process.identity import Identity

MEMORY = Path("/dev/shm")
MOST_COPIED = 20_000  # entries; larger trees are linked instead of copied


class View:
    """`root`/app and so on stand for /app inside. Config files are in memory where the system has such a place."""

    def __init__(self, root: Path, spec: RunSpec) -> None:
        self.root = root
        self._spec = spec
        self._files = (MEMORY if os.access(MEMORY, os.W_OK) else root.parent) / f"bp-{root.name}"
        targets = {APP, LAYERS, *(mount.target for mount in spec.mounts), *spec.files}
        longest = sorted(map(re.escape, targets), key=len, reverse=True)
        self._pattern = re.compile(rf"(?<![\w./~-])(?:{'|'.join(longest)})(?![\w.-])")

    def translate(self, text: str) -> str:
        """`text` with every path of the inside replaced by where that is on this host."""
        return self._pattern.sub(lambda found: f"{self.root}{found.group()}", text)

    def make(self, identity: Identity) -> None:
        """Build it anew."""
        self.remove()
        self.root.mkdir(parents=True, mode=0o755)
        for mount in sorted(touched(self._spec), key=lambda mount: mount.target.count("/")):
            here = self._parent(mount.target)
            if mount.mode == "scratch":
                _copy(Path(mount.source), here)
            elif not here.is_symlink():
                here.symlink_to(mount.source)
        self._place_files(identity)
        for at, to in self._spec.links:
            here = self._parent(at)
            if here.is_symlink() or here.is_file():
                here.unlink()
            elif here.is_dir():
                shutil.rmtree(here)
            here.symlink_to(self.translate(to))
        self._parent(self._spec.workdir).mkdir(exist_ok=True)
        if identity.drop:
            for top, directories, names in os.walk(self.root):
                for name in (".", *directories, *names):
                    os.lchown(os.path.join(top, name), identity.uid, identity.gid)

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.rmtree(self._files, ignore_errors=True)

    def _parent(self, inside: str) -> Path:
        here = Path(f"{self.root}{inside}")
        here.parent.mkdir(parents=True, exist_ok=True)
        return here

    def _place_files(self, identity: Identity) -> None:
        if self._spec.files:
            self._files.mkdir(mode=0o700)
            os.chown(self._files, identity.uid, identity.gid)
        for number, (path, content) in enumerate(self._spec.files.items()):
            file = self._files / str(number)
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "wb") as out:
                out.write(content)
            os.chown(file, identity.uid, identity.gid)
            here = self._parent(path)
            here.unlink(missing_ok=True)
            here.symlink_to(file)


def _copy(source: Path, target: Path) -> None:
    entries = sum(len(directories) + len(files) for _, directories, files in os.walk(source))
    if entries <= MOST_COPIED:
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
        return
    target.mkdir(exist_ok=True)
    for entry in source.iterdir():
        (target / entry.name).symlink_to(entry)
