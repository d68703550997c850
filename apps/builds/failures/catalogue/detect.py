"""What detecting says when it cannot tell how an app is built."""

from __future__ import annotations

from apps.builds.failures.entry import Entry, Fix, signs

DETECT = (
    Entry(
        "multiple_builders_matched",
        "Two stacks are in one directory",
        ("detect",),
        "Files of more than one stack are at the app's root, and none of them is known to carry the other.",
        "Say which one it is, or set the app's root directory to the one that is to be deployed.",
        signs(
            "Both {one:text} and {other:text} are here",
            "{both:text} both describe an app here",
            "There are several {what:text} here: ",
        ),
        fixes=(
            Fix("Build it as Python", "build.framework", "python", on="Python"),
            Fix("Build it as Node.js", "build.framework", "node", on="Node"),
        ),
    ),
    Entry(
        "no_framework_detected",
        "Nothing says how the app is built",
        ("detect",),
        "The app's root directory has none of the files by which a stack is told.",
        "Add the stack's file (package.json, requirements.txt, go.mod …), or set the root directory to where it is.",
        signs(
            "Nothing here says how the app is built",
            "There is only a Dockerfile",
            "There is no builder {name}",
            "There is no Dockerfile here",
            "Railpack could not determine how to build the app",
        ),
        fixes=(Fix("Look in the repository's root", "source.rootDir", ""),),
    ),
    Entry(
        "no_start_command",
        "Nothing says how the app is started",
        ("detect",),
        "The stack was found, and neither a Procfile, a start script nor a well-known file says what to run.",
        "Set the app's start command, or add a Procfile with a line `web: …`.",
        signs("Nothing says how to start this {what:text}", "No start command detected. Specify a {what:text}"),
    ),
    Entry(
        "dockerfile_needs_docker",
        "There is only a Dockerfile",
        ("detect",),
        "Nothing but a Dockerfile says how the app is built, and this installation makes no images.",
        "Commit a file by which the stack is told beside it, or use an installation whose engine is Docker.",
        signs("There is only a Dockerfile, and this engine makes no images", "There is a Dockerfile, and this engine"),
    ),
    Entry(
        "builder_unavailable",
        "The chosen builder is not there",
        ("detect",),
        "This installation cannot build with it: images need a Docker daemon, and an engine that runs them.",
        "Let the builder be found by itself, or have an operator set Docker up (BRAINPOD_DOCKER_HOST).",
        signs(
            "No Docker daemon is set up to build images with",
            "The engine of this installation runs no images",
            "The engine of this installation runs images, no bundles",
            "Railpack is not on the machine that builds",
            "Railpack makes images",
            "Railpack's plans need Docker ",
            "Railpack is run in a sandbox only",
        ),
        fixes=(Fix("Let the builder be found by itself", "build.builder", ""),),
    ),
    Entry(
        "missing_toolchain",
        "A toolchain is not on this machine",
        ("detect",),
        "The app needs {name}, which the machine that builds does not have, or not in that version.",
        "Ask for a version that is there, or have it installed on the machine that builds.",
        signs("{name:text} is not on this machine"),
    ),
    Entry(
        "unknown_package_manager",
        "An unknown package manager",
        ("detect",),
        "package.json asks for the package manager {name}, which is not known.",
        "Set packageManager in package.json to npm, pnpm, yarn or bun.",
        signs("package.json asks for the package manager {name}."),
        stacks=("Node",),
    ),
)
