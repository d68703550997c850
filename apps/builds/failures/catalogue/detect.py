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
        signs("Both {one:text} and {other:text} are here", "Multiple builders matched", "builders matched"),
        fixes=(
            Fix("Build it as Python", "build.framework", "python"),
            Fix("Build it as Node.js", "build.framework", "node"),
        ),
    ),
    Entry(
        "no_framework_detected",
        "Nothing says how the app is built",
        ("detect",),
        "The app's root directory has none of the files by which a stack is told.",
        "Add the stack's file (package.json, requirements.txt, go.mod …), or set the root directory to where it is.",
        signs("Nothing here says how the app is built", "There is only a Dockerfile", "There is no builder {name}"),
        fixes=(Fix("Look in the repository's root", "source.rootDir", ""),),
    ),
    Entry(
        "no_start_command",
        "Nothing says how the app is started",
        ("detect",),
        "The stack was found, and neither a Procfile, a start script nor a well-known file says what to run.",
        "Set the app's start command, or add a Procfile with a line `web: …`.",
        signs("Nothing says how to start this {what:text}"),
    ),
)
