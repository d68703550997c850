"""What users may call things."""

from __future__ import annotations

import re

from apps.core.errors import Detail, Invalid

NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")

# Names that change what the loader, the shell or the interpreter does before the app's own code runs.
REFUSED_VARIABLES = frozenset(
    {"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "BASH_ENV", "ENV", "IFS", "PS4", "SHELLOPTS", "BASHOPTS"}
)
REFUSED_PREFIXES = ("LD_", "DYLD_", "BASH_FUNC_", "GCONV_", "GLIBC_")


def check_name(name: str, path: str = "name", *, longest: int = 63) -> str:
    """A DNS label: it becomes part of host names and directory names. Raises Invalid naming `path`."""
    if len(name) > longest or not NAME.fullmatch(name) or "--" in name:
        message = (
            f"must be 1 to {longest} lower-case letters, digits and single hyphens, start with a letter"
            " and not end with a hyphen."
        )
        raise Invalid([Detail(path, message)])
    return name


def check_variable(name: str, path: str = "name") -> str:
    """The name of an environment variable an app may be given. Raises Invalid naming `path`."""
    if not VARIABLE.fullmatch(name):
        raise Invalid([Detail(path, "must be letters, digits and underscores and not start with a digit.")])
    if name.upper() in REFUSED_VARIABLES or name.upper().startswith(REFUSED_PREFIXES):
        raise Invalid([Detail(path, f"{name} changes how programs are loaded and cannot be set.")])
    return name
