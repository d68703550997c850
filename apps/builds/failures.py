"""Why a command of a build failed: the cause read from how it ended and what it printed last."""

from __future__ import annotations

import re
from collections.abc import Sequence

from apps.core.errors import UserError
from apps.engines.base import Finished

# (stages, pattern in the last lines, code, message, hint); {0} is the pattern's first group. The first one counts.
_CAUSES: tuple[tuple[str, str, str, str, str], ...] = (
    (
        "install",
        r"npm ci.{0,40}can only install|package-lock\.json .*not in sync|ERR_PNPM_OUTDATED_LOCKFILE"
        r"|lockfile needs to be updated|lockfile would have been (?:modified|created)"
        r"|lockfile had changes, but lockfile is frozen"
        r"|uv\.lock` needs to be updated|lockfile .*needs to be updated"
        r"|pyproject\.toml changed significantly since poetry\.lock|Pipfile\.lock .*out[ -]of[ -]date"
        r"|THESE PACKAGES DO NOT MATCH THE HASHES",
        "lockfile_out_of_sync",
        "The lockfile does not fit what the project asks for.",
        "Run the package manager's install or lock command on your machine and commit the lockfile.",
    ),
    (
        "install",
        r"ERESOLVE|unable to resolve dependency tree|conflicting peer dependency|ERR_PNPM_PEER_DEP_ISSUES"
        r"|No solution found when resolving|ResolutionImpossible|versions have conflicting dependencies",
        "peer_dependency_conflict",
        "Two dependencies ask for versions that do not go together.",
        "Read above which they are, change one of them, update the lockfile and commit.",
    ),
    (
        "install",
        r"404 Not Found.*?((?:@[\w.-]+/)?[\w.-]+)?$|npm (?:ERR!|error) code E404|was not found in the package registry"
        r"|No matching distribution found for (\S+)|ERR_PNPM_FETCH_404|Couldn't find package \"?([\w@/.-]+)",
        "package_not_found",
        "A dependency is not in the registry.",
        "Look above for its name: is it spelled right, published, and not private?",
    ),
    (
        "install build",
        r"ETIMEDOUT|ECONNRESET|ECONNREFUSED|EAI_AGAIN|ENOTFOUND|network timeout|Read timed out|Connection reset by peer"
        r"|Failed to fetch|error sending request|Temporary failure in name resolution|tunnel error|dns error",
        "network_timeout",
        "The network or a package registry did not answer.",
        "Deploy again; if it stays, check the registry's status.",
    ),
    (
        "install build",
        r"JavaScript heap out of memory|MemoryError|Cannot allocate memory|ENOMEM"
        r"|memory allocation of \d+ bytes failed",
        "out_of_memory",
        "The command ran out of memory.",
        "Raise BRAINPOD_BUILD_MEMORY, or make the build smaller (fewer workers, no source maps).",
    ),
    (
        "install build",
        r"[Mm]issing script:? [\"']?([\w:.-]+)|ERR_PNPM_NO_SCRIPT|Command \"([\w:.-]+)\" not found|Script not found",
        "script_not_found",
        "package.json has no such script.",
        "Add it to `scripts`, or change the build command of the app.",
    ),
    (
        "install build release",
        r"(?:sh|bash|/bin/sh): (?:line )?\d*:? ?([\w./+-]+): (?:command )?not found|^([\w./+-]+): not found$"
        r"|gcc.* (?:not found|No such file)|error: command '\S+' failed: No such file",
        "missing_build_tool",
        "A program the build calls is not there.",
        "Add it to the project's dependencies, or install it on the machine that builds.",
    ),
    (
        "install build",
        r"Cannot find module '?\"?([^'\"\s]+)|Can't resolve '([^']+)'|Cannot find package '([^']+)'"
        r"|ModuleNotFoundError: No module named '?([\w.]+)|failed to resolve import \"([^\"]+)\"",
        "module_not_found",
        "The code imports {0}, which is not installed.",
        "Add it to the dependencies and commit the lockfile; mind upper and lower case in file names.",
    ),
)  # fmt: skip
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def explain(stage: str, tail: Sequence[str], finished: Finished, *, seconds: float = 0) -> UserError:
    """The error for a command of `stage` (install, build) that did not end well; `tail` is what it printed last."""
    if finished.killed == "timeout":
        hint = "Make it faster, or raise BRAINPOD_BUILD_SECONDS."
        return UserError("build_timeout", f"The {stage} took longer than {seconds:.0f} s and was ended.", hint)
    if finished.killed == "memory" or finished.exit_code in (137, -9):
        hint = "Raise BRAINPOD_BUILD_MEMORY, or make the build smaller (fewer workers, no source maps)."
        return UserError("out_of_memory", f"The {stage} used more memory than it may and was ended.", hint)
    text = _ESCAPES.sub("", "\n".join(tail))
    for stages, pattern, code, message, hint in _CAUSES:
        if stage in stages.split() and (match := re.search(pattern, text, re.MULTILINE)):
            name = next((group for group in match.groups() if group), "something")
            told = f"{match[0].strip()[:200]}: " if code in ("script_not_found", "missing_build_tool") else ""
            return UserError(code, told + message.format(name[:100]), hint)
    if finished.exit_code == 127:
        hint = "Add it to the project's dependencies, or install it on the machine that builds."
        return UserError("missing_build_tool", f"The {stage} calls a program that is not there.", hint)
    code = "install_failed" if stage == "install" else "build_failed"
    return UserError(code, f"The {stage} command ended with exit code {finished.exit_code}.", "Its last lines say why.")
