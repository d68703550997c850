"""What runs to its end before the instances of a deployment start: the release command, then the pre-start command.

The release command is the repository's (Procfile, brainpod.json) and runs in the app's own artifact, with what the app
has. The pre-start command is the app's setting and has the app's variables, disks and files, but neither its code nor
its tools: a shell of the host's (process engine) or of a small image, 128 MB and a quarter of a core.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, replace

from django.conf import settings

from apps.builds import failures
from apps.builds.image import bases
from apps.core.failpoints import failpoint
from apps.core.ids import new_id
from apps.deployments import disk_locks, launch
from apps.deployments.recorder import Recorder
from apps.deployments.release import Release
from apps.engines.base import Limits, RunSpec

SMALL = Limits(cpu=0.25, memory=128)
SECONDS = {"release": 900.0, "prestart": 300.0}
TITLES = {"release": "release command", "prestart": "pre-start command"}
TAIL = 200  # lines of output the diagnosis reads


@dataclass(frozen=True, slots=True)
class Before:
    """A command line of one app's; `what`: release | prestart."""

    app: str
    what: str
    line: str


def run(recorder: Recorder, release: Release, app: str) -> None:
    """Run what `app` has to run first. Raises UserError when one of its commands fails: nothing is started then.

    Runs again when whoever ran it was killed before an instance had been started.
    """
    for before in commands(release, app):
        began = time.monotonic()
        recorder.write(f"$ {before.line}  ({TITLES[before.what]})")
        recorder.patiently(lambda before=before: _run(recorder, release, before), "the engine")  # type: ignore[misc]
        recorder.check()
        recorder.write(f"The {TITLES[before.what]} of {app} is done ({time.monotonic() - began:.1f} s)")
        failpoint(f"{before.what}.done", recorder.deployment.pod_id)


def commands(release: Release, app: str) -> list[Before]:
    """Raises PlatformError("artifact_missing")."""
    if release.snapshot[app].kind != "App":
        return []
    lines = {
        "release": launch.manifest(release, app).release,
        "prestart": release.snapshot[app].spec.get("preStart", ""),
    }
    return [Before(app, what, line) for what, line in lines.items() if line]


def _run(recorder: Recorder, release: Release, before: Before) -> None:
    tail: deque[str] = deque(maxlen=TAIL)

    def on_line(line: str) -> None:
        tail.append(line)
        recorder.write(line)

    seconds = SECONDS[before.what]
    with disk_locks.writing(release.revision.pod_id, release.disks(before.app)):
        finished = release.runner.run_once(
            _spec(release, before), on_line=on_line, timeout=seconds, cancelled=recorder.cancelled
        )
    recorder.check()
    if finished.exit_code or finished.killed:
        raise failures.explain(before.what, tuple(tail), finished, seconds=seconds)


def _spec(release: Release, before: Before) -> RunSpec:
    whole = launch.run_spec(release, before.app, id=new_id(), command=("sh", "-c", before.line))
    if before.what == "release":
        return whole
    own = launch.manifest(release, before.app).env  # of its toolchain
    return replace(
        whole,
        env={name: value for name, value in whole.env.items() if own.get(name) != value},
        mounts=tuple(mount for mount in whole.mounts if mount.mode == "write"),
        links=(),
        path=(),
        workdir="/tmp",
        limits=SMALL,
        image=bases.shell(settings.BRAINPOD.base_images) if whole.image else "",
    )
