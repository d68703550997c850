"""Images: what BuildKit and registries of images say."""

from __future__ import annotations

from apps.builds.failures.entry import Entry, signs

_STACK = ("Dockerfile",)

IMAGES = (
    Entry(
        "image_pull_failed",
        "An image cannot be pulled",
        ("install", "build", "launch"),
        "The registry has no such image or tag, does not give it to strangers, or does not answer.",
        "Check the name and the tag (FROM in the Dockerfile); a private image needs credentials. Where no registry can"
        " be reached, an operator names images that can be with BRAINPOD_BASE_IMAGES.",
        signs(
            "pull access denied",
            "manifest unknown",
            "failed to resolve source metadata for",
            "repository does not exist or may require",
            "manifest for {*} not found",
            "no matching manifest for linux/",
            "toomanyrequests: ",
            'failed to do request: Head "https://{*}/v2/',
        ),
        stacks=_STACK,
    ),
    Entry(
        "dockerfile_invalid",
        "The Dockerfile cannot be read",
        ("build",),
        "The Dockerfile has a line that is no instruction, or names a stage or target that is not there.",
        "Mend the line that is named and commit.",
        signs(
            "dockerfile parse error",
            "Dockerfile parse error",
            'target stage "{*}" could not be found',
            "target stage {*} could not be found",
            "the Dockerfile cannot be empty",
            "file with no instructions",
            "unknown instruction: ",
        ),
        stacks=_STACK,
    ),
    Entry(
        "dockerfile_copy_failed",
        "The Dockerfile copies what is not there",
        ("build",),
        "COPY or ADD names a file that is not in the app's directory, or that .dockerignore leaves out.",
        "Correct the path (it is relative to the app's root directory), or take it out of .dockerignore.",
        signs("failed to calculate checksum of ref", "failed to compute cache key: ", "COPY failed: ", "ADD failed: "),
        stacks=_STACK,
    ),
)
