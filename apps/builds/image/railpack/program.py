"""Railpack's program on this machine."""

from __future__ import annotations

import os
import shutil

from apps.core.errors import Detail, Invalid, PlatformError, UserError
from apps.infrastructure.embedded import binaries
from apps.infrastructure.embedded.binaries import Binary

NAME = "railpack"
FIELD = "build.builder"


def find() -> Binary:
    """Raises Invalid naming build.builder: "builder_unavailable" where there is none, "railpack_too_old"."""
    wanted = ".".join(map(str, binaries.WANTED[NAME].minimum))
    try:
        found = binaries.resolve(NAME)
    except PlatformError as error:
        there = shutil.which(NAME) if not os.environ.get(binaries.WANTED[NAME].setting) else None
        if there:
            version = binaries.version_of(there, binaries.WANTED[NAME].ask) or "of no known version"
            raise _too_old(version, wanted) from None
        what = f"Railpack is not on the machine that builds. {error.message}"
        raise unfit(what, f"Choose another builder, or have an operator install it. {error.hint}") from None
    if found.version and binaries.numbers(found.version) < binaries.WANTED[NAME].minimum:
        raise _too_old(found.version, wanted)
    return found


def unfit(what: str, hint: str) -> UserError:
    return Invalid([Detail(FIELD, what)], code="builder_unavailable", hint=hint)


def _too_old(version: str, wanted: str) -> UserError:
    what = f"Railpack {version} is older than {wanted}, the first that keeps an app's mise configuration inert."
    hint = "Choose another builder, or have an operator install a newer Railpack on the machine that builds."
    return Invalid([Detail(FIELD, what)], code="railpack_too_old", hint=hint)
