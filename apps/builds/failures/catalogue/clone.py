"""What apps.sources says when a repository cannot be had."""

from __future__ import annotations

from apps.builds.failures.entry import Entry, Fix, signs

CLONE = (
    Entry(
        "submodule_failed",
        "A submodule cannot be cloned",
        ("clone",),
        "One of the repository's submodules is private, gone, not declared, or at an address that is refused.",
        "A private one must be on the repository's own host, and an admin of the team gives access to it on the team's"
        " page Git access; one elsewhere must be readable without signing in. Or clone without submodules.",
        signs(
            "Submodule {name}: ",
            "Submodule {name} has no address in .gitmodules",
            "Submodule {name} names a repository hosted here",
            ".gitmodules is not a plain file",
            ".gitmodules cannot be read",
            "The repository has {n:number} submodules",
        ),
        fixes=(Fix("Clone without submodules", "source.submodules", False),),
    ),
    Entry(
        "authentication_failed",
        "The repository asks who is cloning",
        ("clone",),
        "The repository is private, or it is not there: hosts answer the same to strangers.",
        "Check the address. For a private repository, an admin of the team gives access to its host on the team's"
        " page Git access; if there is access already, its secret has expired, was revoked, or does not reach it.",
        signs(
            "The host asks who is cloning",
            "The host does not accept the team's access to it",
            "The host does not accept the GitHub App's key",
            "The GitHub App has no such installation",
        ),
    ),
    Entry(
        "access_revoked",
        "The sign-in at the git host is over",
        ("clone",),
        "Somebody of the team signed in at the host for it, and the host no longer accepts that: it was revoked there,"
        " the person left, or it was not used for so long that it ran out.",
        "An admin of the team presses Reconnect on the connection's page, under Git access of the team.",
        signs("no longer accepts the sign-in of {name}: it was revoked there or has run out"),
    ),
    Entry(
        "repository_not_found",
        "There is no such repository",
        ("clone",),
        "The host has no repository at this address, shows it only to others, or redirects to another address.",
        "Check the address for a typing mistake. A repository that was renamed or moved needs its new address; a"
        " private one needs access, which an admin of the team gives on the team's page Git access.",
        signs(
            "The host has no such repository",
            "The host redirects to another address",
            "The installation of the GitHub App does not reach the repository {name}",
        ),
    ),
    Entry(
        "branch_not_found",
        "There is no such branch or commit",
        ("clone",),
        "The branch was renamed or deleted, or the commit was never pushed.",
        "Check the branch's name, and push the commit.",
        signs("The repository has no such branch or commit", "There is no branch {name}", "has no branch {name}"),
        fixes=(Fix("Use the repository's default branch", "source.branch", ""),),
    ),
    Entry(
        "source_timeout",
        "Cloning took too long",
        ("clone",),
        "The repository is very large, or its host answers slowly.",
        "Take large files out of the repository, or have an operator raise BRAINPOD_CLONE_SECONDS.",
        signs("Cloning took longer than {n:number} s"),
    ),
    Entry(
        "source_too_large",
        "The repository is too large",
        ("clone",),
        "The checkout has more megabytes or files than one build may have.",
        "Take generated and binary files out of the repository, or have an operator raise BRAINPOD_CLONE_MB or"
        " BRAINPOD_CLONE_FILES.",
        signs("The checkout is too large"),
    ),
    Entry(
        "source_unreachable",
        "The repository's host does not answer",
        ("clone",),
        "The host is down, its name does not resolve, its certificate is not valid, or it shows another ssh key.",
        "Try again in a minute; if it stays, check that the host is up.",
        signs(
            "The host shows another ssh key than before",
            "The host of the repository does not answer",
            "The repository could not be cloned",
        ),
    ),
)
