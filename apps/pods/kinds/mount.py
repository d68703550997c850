"""What an app finds at a path: a disk, or a file of a Config."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import StringConstraints, field_validator, model_validator

from apps.core.errors import Detail, Invalid
from apps.pods.kinds.base import Part
from apps.pods.kinds.types import OptionalName, doubles

FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_PATH = re.compile(r"(/[A-Za-z0-9._-]{1,100}){1,10}")
# The sandbox puts things of its own there; a mount would hide them, or could be reached through what the app writes.
TAKEN = ("app", "bin", "dev", "etc", "layers", "lib", "lib32", "lib64", "proc", "run", "sbin", "sys", "tmp", "usr")


class Mount(Part):
    """`{path, disk}`, or `{path, file, config}`: the file of that Config, read-only."""

    path: Annotated[str, StringConstraints(strip_whitespace=True)]
    disk: OptionalName = ""
    file: str = ""
    config: OptionalName = ""

    @field_validator("path")
    @classmethod
    def _path(cls, path: str) -> str:
        path = path.rstrip("/")
        if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
            raise Invalid("must be an absolute path of letters, digits, dots and hyphens, such as /data.")
        if path.split("/")[1] in TAKEN:
            raise Invalid(f"must not be in /{path.split('/')[1]}: choose a directory of its own, such as /data.")
        return path

    @field_validator("file")
    @classmethod
    def _file(cls, name: str) -> str:
        if name and not FILE_NAME.fullmatch(name):
            raise Invalid("must be the name of a file of the Config, such as settings.yaml.")
        return name

    @model_validator(mode="after")
    def _one(self) -> Mount:
        if self.disk and (self.file or self.config):
            raise Invalid([Detail("disk", "stands beside a file: a mount is a disk, or a file of a Config.")])
        if not self.disk and not self.config:
            raise Invalid([Detail("disk", "is required, or a config and its file.")])
        if self.config and not self.file:
            raise Invalid([Detail("file", "is required: which file of the Config to put there.")])
        return self


def check_mounts(mounts: tuple[Mount, ...]) -> list[Detail]:
    """No path twice or inside another, no disk twice."""
    paths = [mount.path for mount in mounts]
    wrong = doubles(paths, "mounts.{}.path", "{} is mounted twice: choose another path.")
    for index, path in enumerate(paths):
        if any(path.startswith(f"{other}/") for other in paths):
            wrong.append(Detail(f"mounts.{index}.path", "lies inside another mount: choose a path beside it."))
    disks: set[str] = set()
    for index, mount in enumerate(mounts):
        if mount.disk in disks:
            wrong.append(Detail(f"mounts.{index}.disk", f"{mount.disk} is mounted twice: remove one of the two."))
        disks |= {mount.disk} - {""}
    return wrong
