"""What git said, as an error a user can act on."""

from __future__ import annotations

import re

from apps.core.errors import UserError

_CAUSES: tuple[tuple[str, str, str, str], ...] = (
    (
        r"could not read Username|terminal prompts disabled|Authentication failed|error: 401|error: 403"
        r"|Permission denied \(|could not read Password",
        "authentication_failed",
        "The host asks who is cloning: the repository is private, or it is not there.",
        "Check the address; if the repository is private, an admin of the team gives access to its host on the"
        " team's page Git access.",
    ),
    (
        r"[Rr]epository .*not found|does not appear to be a git repository|error: 404|error: 410|no such repository",
        "repository_not_found",
        "The host has no such repository.",
        "Check the address for a typing mistake; a private repository looks the same from outside: an admin of the"
        " team gives access to it on the team's page Git access.",
    ),
    (
        r"error: 30\d|unable to update url base from redirection",
        "repository_not_found",
        "The host redirects to another address, which is not followed.",
        "Use the final address of the repository; it usually ends in .git.",
    ),
    (
        r"[Rr]emote branch .* not found|couldn't find remote ref|not our ref|no such ref|bad object"
        r"|unadvertised object|not a tree object|Not a valid object name",
        "branch_not_found",
        "The repository has no such branch or commit.",
        "Check the branch's name, and that the commit was pushed.",
    ),
    (
        r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED",
        "source_unreachable",
        "The host shows another ssh key than before.",
        "Somebody may stand between. If the host has announced a new key, make a new deploy key on the team's page"
        " Git access; without one, have an operator remove the host from repositories/.known_hosts in the state"
        " directory.",
    ),
    (
        r"Could not resolve host|Failed to connect|Connection (refused|timed out|reset)|SSL|certificate|early EOF"
        r"|unable to access|kex_exchange|hung up|error: 5\d\d|Operation too slow",
        "source_unreachable",
        "The host of the repository does not answer as it should.",
        "Try again in a minute; if it stays, check that the host is up and its certificate is valid.",
    ),
)


_REFUSED = "Its secret may have expired or been revoked, or not reach this repository: check it on the team's page"
_REFUSED += " Git access, and replace it there."


def explain(output: str, *, known: bool = False) -> UserError:
    """The error for what git printed before it gave up. `known`: the host was shown a credential."""
    last = next((line for line in reversed(output.splitlines()) if line.strip()), "git failed without a word")
    for pattern, code, message, hint in _CAUSES:
        if re.search(pattern, output):
            if known and code == "authentication_failed":
                message, hint = "The host does not accept the team's access to it.", _REFUSED
            return UserError(code, message, f"{hint} (git: {last[:300]})")
    return UserError("source_unreachable", "The repository could not be cloned.", f"git: {last[:300]}")


def stopped(why: str, seconds: int) -> UserError:
    """The error for a clone that was ended from here."""
    if why == "cancelled":
        return UserError("cancelled", "Cancelled while cloning.")
    if why == "timeout":
        hint = "Make the repository smaller (its history does not count), or raise BRAINPOD_CLONE_SECONDS."
        return UserError("source_timeout", f"Cloning took longer than {seconds} s.", hint)
    return too_large(why)


def too_large(what: str) -> UserError:
    hint = "Take generated and binary files out of the repository, or raise BRAINPOD_CLONE_MB or BRAINPOD_CLONE_FILES."
    return UserError("source_too_large", f"The checkout is too large: {what}.", hint)
