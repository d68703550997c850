"""What Railpack says while it plans, and BuildKit of its frontend: told by its name, before other images."""

from __future__ import annotations

from apps.builds.failures.entry import Entry, Fix, signs

_FOUND = (Fix("Let the builder be found by itself", "build.builder", ""),)
_STACK = ("Railpack",)

RAILPACK = (
    Entry(
        "railpack_frontend_missing",
        "Railpack's frontend cannot be pulled",
        ("build",),
        "BuildKit reads Railpack's plan by an image, its frontend, and could not get it from its registry.",
        "Deploy again. Where that registry cannot be reached, an operator names another place for railpack-frontend"
        " with BRAINPOD_BASE_IMAGES, or leaves the image in the Docker daemon.",
        signs(
            "failed with build-arg:BUILDKIT_SYNTAX = {*}: failed to resolve source metadata",
            "railpack-frontend{*}: failed to ",
            "railpack-frontend{*}: not found",
        ),
        stacks=_STACK,
        fixes=_FOUND,
    ),
    Entry(
        "railpack_too_old",
        "Railpack is too old",
        ("detect",),
        "The Railpack on the machine that builds is older than what is known to plan safely.",
        "Choose another builder, or have an operator install a newer Railpack.",
        signs("Railpack {version:text} is older than "),
        stacks=_STACK,
        fixes=_FOUND,
    ),
    Entry(
        "railpack_unreachable",
        "Railpack cannot reach what it plans with",
        ("detect",),
        "Railpack fetches mise, and the versions of tools by it, from the network; it was not reached.",
        "Deploy again. Where the network is closed, choose another builder: an operator can put mise where Railpack"
        " looks for it, but it asks servers for the versions of most tools.",
        signs(
            "failed to ensure mise is installed",
            "error sending request for url",
            "An IO error occurred when talking to the server",
            "outcome=failed status=0",
            "Railpack did not answer in ",
        ),
        stacks=_STACK,
        fixes=_FOUND,
    ),
    Entry(
        "railpack_version_not_found",
        "Railpack finds no such version",
        ("detect",),
        "Railpack looked for a version of {name} that fits what the app asks for, and found none.",
        "Ask for a version of {name} that exists: in the app's own files, or by a variable such as"
        " RAILPACK_NODE_VERSION. If it does, its servers may not be reached from the machine that builds.",
        signs("failed to resolve version {*} of {name}", "failed to get latest version for package `{name}` after"),
        stacks=_STACK,
    ),
    Entry(
        "railpack_failed",
        "Railpack could not plan the app",
        ("detect",),
        "Railpack read the app's files and its settings, and could not make a plan of them.",
        "Mend what it says (railpack.json, or the file that it names), or choose another builder.",
        signs("Railpack could not plan this app (exit code "),
        stacks=_STACK,
        fixes=_FOUND,
    ),
)
