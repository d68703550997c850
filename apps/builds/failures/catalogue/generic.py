"""What is said when no sign is known: the last line that says anything."""

from __future__ import annotations

from apps.builds.failures.entry import BUILD_ON, INSTALL_ON, RUNNING, Entry

_READ = "The log says why."

GENERIC = {
    "install": Entry(
        "install_failed",
        "Installing failed",
        ("install",),
        "The install command ended with exit code {exit}: {last}",
        _READ,
    ),
    "build": Entry(
        "build_failed",
        "The build command failed",
        ("build", "push"),
        "The build command ended with exit code {exit}: {last}",
        _READ,
    ),
    "release": Entry(
        "release_failed",
        "The release command failed",
        ("release",),
        "The release command ended with exit code {exit}: {last}",
        f"{_READ} What serves keeps running.",
    ),
    "prestart": Entry(
        "prestart_failed",
        "The pre-start command failed",
        ("release",),
        "The pre-start command ended with exit code {exit}: {last}",
        f"{_READ} It has neither the app's code nor its tools: a release command has. What serves keeps running.",
    ),
    "launch": Entry(
        "app_exited",
        "The app ended by itself",
        RUNNING,
        "It ended with exit code {exit}: {last}",
        "A start command has to keep running. Its last lines in the log say why it did not.",
    ),
}
GENERIC["health"] = GENERIC["launch"]

# When no line says more than the exit code does.
BY_EXIT = {
    126: Entry(
        "not_executable",
        "A script is not executable",
        INSTALL_ON,
        "The {stage} calls a file that may not be executed.",
        "Run `git update-index --chmod=+x` for it and commit, or call it through its interpreter.",
    ),
    127: Entry(
        "missing_build_tool",
        "A program is not there",
        (*INSTALL_ON, *BUILD_ON),
        "The {stage} calls a program that is not there.",
        "Add it to the project's dependencies, or have it installed on the machine that builds.",
    ),
}
