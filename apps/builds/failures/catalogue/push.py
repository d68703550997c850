"""Packaging what was built, and storing it."""

from __future__ import annotations

from apps.builds.failures.entry import Entry, Fix, signs

PUSH = (
    Entry(
        "no_output_directory",
        "The build left nothing to publish",
        ("detect", "push"),
        "The directory that is to be published is not there, or empty.",
        "Set the output directory to where the build puts its files; the build's last lines often name it.",
        signs("The build left nothing in {name:text}.", "is no directory."),
        fixes=tuple(Fix(f"Publish {name}", "build.outputDir", name) for name in ("dist", "build", "out", "public")),
    ),
    Entry(
        "artifact_too_large",
        "What was built is too large",
        ("push",),
        "The output has more megabytes than are stored for one deployment.",
        "Name what need not be shipped in .brainpodignore (tests, sources, caches).",
        signs("The output has {n:number} MB, at most"),
    ),
    Entry(
        "artifact_escape",
        "The output links to what is outside of it",
        ("push",),
        "A symbolic link in the output leads out of it, and everything in it would be served to anybody.",
        "Copy the file instead of linking to it.",
        signs("links to what is not beneath the output directory"),
    ),
    Entry(
        "upload_failed",
        "What was built cannot be stored",
        ("push",),
        "The registry of images or the store of artifacts did not take it, although it was tried several times.",
        "Deploy again; if it stays, have an operator look at the store's room and credentials (manage.py doctor says"
        " whether a registry answers and lets the platform in).",
        signs(
            "denied: requested access to the resource is denied",
            "unauthorized: authentication required",
            "received unexpected HTTP status: 5",
            "failed to push ",
            "error uploading layer",
            "{*} did not take what was built: ",
        ),
    ),
)
