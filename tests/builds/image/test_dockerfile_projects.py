"""Dockerfiles of the repository's own, built by a real daemon."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from apps.builds.image import images
from apps.builds.stages.room import Interrupted
from apps.core.errors import Invalid, Unavailable, UserError
from apps.core.masking import Mask
from apps.engines.base import Limits
from tests.builds.image.conftest import BUSY, ImageBuilder, configure
from tests.stack.components import wait_for
from tests.stack.docker import BUSYBOX

Make = Callable[[dict[str, str]], Path]
SECRET = "correct horse\nbattery 'staple' \"$HOME\" `id` ü\\n end"
CACHED = f'{BUSY}RUN --mount=type=cache,target=/c ls /c && touch /c/kept\nCMD ["true"]\n'


def test_stages_target_and_dockerignore(builder: ImageBuilder, project: Make) -> None:
    text = f"""FROM {BUSYBOX} AS made
COPY . /app/
RUN ls /app > /listed && echo made of $(cat /app/kept)

FROM {BUSYBOX} AS small
COPY --from=made /listed /listed
CMD ["cat", "/listed"]

FROM small AS other
USER 1000
CMD ["echo", "other"]
"""
    files = {
        "Dockerfile": text,
        "kept": "x",
        "left-out/secret": "y",
        "notes.md": "z",
        ".dockerignore": "left-out\n*.md\n",
    }
    root = project(files)
    whole = builder.build(root)
    assert (builder.run(whole), whole.kind, whole.start) == ("other", "image", "")
    assert whole.size > 1_000_000
    assert whole.image.startswith("sha256:")
    assert "made of x" in builder.lines
    small = builder.build(root, target="small")
    assert builder.run(small).split() == ["Dockerfile", "kept"]
    assert "sha256:" not in "".join(line for line in builder.lines if not line.startswith("Stored"))


def test_a_dockerfile_elsewhere(builder: ImageBuilder, project: Make) -> None:
    root = project({"docker/web.Dockerfile": f'{BUSY}COPY a /a\nENTRYPOINT ["cat", "/a"]\n', "a": "from the root"})
    assert builder.run(builder.build(root, dockerfile="docker/web.Dockerfile")) == "from the root"


@pytest.mark.parametrize("link", ["/etc/hostname", "../../outside"])
def test_a_dockerfile_that_leads_out(builder: ImageBuilder, project: Make, link: str) -> None:
    root = project({"index.html": ""})
    (root / "Dockerfile").symlink_to(link)
    with pytest.raises((Invalid, UserError)) as caught:
        builder.build(root, framework="docker")
    assert caught.value.code in ("invalid", "no_framework_detected")


def test_secrets_are_there_in_the_step_and_nowhere_after_it(builder: ImageBuilder, project: Make) -> None:
    text = f"""{BUSY}RUN --mount=type=secret,id=TOKEN cat /run/secrets/TOKEN
RUN --mount=type=secret,id=env . /run/secrets/env && echo "also: $TOKEN"
RUN sleep 2; ls -A /run/secrets 2>/dev/null; true
CMD ["true"]
"""
    seen: list[str] = []
    done = threading.Event()
    watcher = threading.Thread(target=_processes, args=(seen, done))
    watcher.start()
    try:
        manifest = builder.build(project({"Dockerfile": text}), env={"TOKEN": SECRET})
    finally:
        done.set()
        watcher.join()
    assert builder.log.count(SECRET) == 2, "byte for byte"
    assert SECRET.splitlines()[0] not in Mask([SECRET])(builder.log), "what the pipeline's mask leaves"
    assert any("docker" in line for line in seen)
    assert not [line for line in seen if "battery" in line]
    for held in _everything(builder, manifest.image):
        assert b"battery" not in held
        assert b"correct horse" not in held


def _processes(seen: list[str], done: threading.Event) -> None:
    """Every argument list and environment, again and again."""
    while not done.wait(0.05):
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes() + b" " + (entry / "environ").read_bytes()
                except OSError:
                    continue
                if b"docker" in words:
                    seen.append(words.replace(b"\0", b" ").decode(errors="replace"))


def _everything(builder: ImageBuilder, image: str) -> list[bytes]:
    """The history, the configuration, and every file of every layer."""
    client = builder.daemon.client()
    found = [repr(client.api.history(image)).encode(), repr(client.api.inspect_image(image)).encode()]
    saved = io.BytesIO(b"".join(client.images.get(image).save()))
    with tarfile.open(fileobj=saved) as archive:
        for entry in archive:
            file = archive.extractfile(entry)
            content = file.read() if file else b""
            found.append(content)
    return found


def test_caches_are_kept_for_the_app_and_for_nobody_else(builder: ImageBuilder, project: Make) -> None:
    root = project({"Dockerfile": CACHED})
    builder.build(root)
    assert "kept" not in builder.lines
    (root / "Dockerfile").write_text(CACHED.replace("ls /c", "ls /c/"))
    builder.build(root)
    assert "kept" in builder.lines, "the mount is there again"
    builder.build(root)
    assert "[stage-0 2/2] unchanged" in builder.lines, "the layer is"
    builder.team = "2"
    builder.build(root)
    assert "kept" not in builder.lines
    assert "[stage-0 2/2] unchanged" not in builder.lines
    builder.team = "1"
    builder.build(root, cache=False)
    assert "kept" not in builder.lines
    assert "[stage-0 2/2] unchanged" not in builder.lines


def test_cancelling_ends_everything_at_once(builder: ImageBuilder, project: Make) -> None:
    """In 5 s at most; tried again where the machine is busy."""
    took: list[float] = []
    while len(took) < 3 and (not took or took[-1] > 5):
        mark, asked = f"sleep 98{time.time_ns() % 100000}", []
        builder.cancelled = lambda asked=asked: (
            "started" in builder.lines
            and (  # type: ignore[misc]
                bool(asked) or asked.append(time.monotonic()) is None
            )
        )
        with pytest.raises(Interrupted):
            builder.build(project({"Dockerfile": f"{BUSY}RUN trap '' TERM; echo started; {mark}\n"}))
        wait_for(lambda mark=mark: not _runs(mark), 30, "the step to be dead")  # type: ignore[misc]
        took.append(time.monotonic() - asked[0])
    assert min(took) <= 5


def test_a_step_that_takes_too_long_is_ended(builder: ImageBuilder, project: Make) -> None:
    mark = f"sleep 97{time.time_ns() % 100000}"
    builder.seconds = 3
    with pytest.raises(UserError) as caught:
        builder.build(project({"Dockerfile": f"{BUSY}RUN {mark}\n"}))
    assert caught.value.code == "build_timeout"
    wait_for(lambda: not _runs(mark), 30, "the step to be dead")


def _runs(mark: str) -> bool:
    done = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return any(mark in line for line in done.stdout.splitlines())


def test_endless_output_and_long_lines_are_bounded(builder: ImageBuilder, project: Make) -> None:
    double = "i=0; s=ab; while [ $i -lt 21 ]; do s=$s$s; i=$((i+1)); done; echo $s"
    text = f"{BUSY}RUN {double}; echo end\nCMD true\n"
    builder.build(project({"Dockerfile": text}))
    assert max(map(len, builder.lines)) < 1_000_000
    text = f"{BUSY}RUN i=0; while [ $i -lt 50000 ]; do echo 'the same line over and over'; i=$((i+1)); done\nCMD true\n"
    builder.build(project({"Dockerfile": text}))
    assert len(builder.log) < 10_000_000


def test_an_image_that_says_nothing_to_start(builder: ImageBuilder, project: Make) -> None:
    root = project({"Dockerfile": f"{BUSY}RUN true\n"})
    with pytest.raises(UserError) as caught:
        builder.build(root)
    assert caught.value.code == "no_start_command"
    assert builder.build(root, start="httpd -f").start == "httpd -f"


def test_an_image_that_is_too_large(builder: ImageBuilder, project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.builds.stages.push.LARGEST_MB", 1)
    with pytest.raises(UserError) as caught:
        builder.build(project({"Dockerfile": f'{BUSY}CMD ["true"]\n'}))
    assert caught.value.code == "artifact_too_large"


def test_static_files_of_a_dockerfile(builder: ImageBuilder, project: Make) -> None:
    text = f"{BUSY}RUN mkdir -p /srv/www && echo hi > /srv/www/index.html && ln -s index.html /srv/www/home.html\n"
    manifest = builder.build(project({"Dockerfile": text}), kind="static", output="srv/www")
    stored = builder.store.path(manifest.app)
    assert (stored / "home.html").read_text() == "hi\n"
    assert sorted(path.name for path in stored.iterdir()) == ["home.html", "index.html"]


@pytest.mark.parametrize("what", ["mkfifo /out/x", "ln -s /etc/passwd /out/x", "ln -s ../../etc/passwd /out/x"])
def test_static_output_with_a_way_out(builder: ImageBuilder, project: Make, what: str) -> None:
    text = f"{BUSY}RUN busybox mkdir /out && echo > /out/index.html && busybox {what}\n"
    with pytest.raises(Invalid) as caught:
        builder.build(project({"Dockerfile": text}), kind="static", output="out")
    assert caught.value.code == "artifact_escape"


def test_images_that_nobody_needs_are_removed(
    builder: ImageBuilder, project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = builder.build(project({"Dockerfile": f'{BUSY}RUN echo 1 > /n\nCMD ["true"]\n'})).image
    old = builder.build(project({"Dockerfile": f'{BUSY}RUN echo 2 > /n\nCMD ["true"]\n'})).image
    configure(monkeypatch, docker_host=builder.daemon.host)
    client = builder.daemon.client()
    host = builder.daemon.host
    images.keep_only(host, {needed}, older_than=3600)
    assert client.api.inspect_image(old)
    images.keep_only(host, {needed}, older_than=0)
    left = {row["Id"] for row in client.api.images()}
    assert needed in left
    assert old not in left
    assert client.api.inspect_image(BUSYBOX)["Id"] in left, "only what this installation built"


def test_a_daemon_that_does_not_answer(
    builder: ImageBuilder, project: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configure(monkeypatch, docker_host=f"unix://{tmp_path}/none.sock")
    with pytest.raises(Unavailable) as caught:
        builder.build(project({"Dockerfile": BUSY}))
    assert caught.value.code == "docker_unreachable"
    monkeypatch.setattr("apps.builds.image.stages.check", lambda job: None)
    with pytest.raises(Unavailable):
        builder.build(project({"Dockerfile": BUSY}))


FAILURES = {
    "no such image": ("FROM brainpod-test/nothing-here:1\n", "image_pull_failed"),
    "no instruction": (f"{BUSY}RUNN x\n", "dockerfile_invalid"),
    "empty": ("\n", "dockerfile_invalid"),
    "no such stage": (f"{BUSY}COPY --from=nowhere /a /b\n", "image_pull_failed"),
    "nothing to copy": (f"{BUSY}COPY dist /dist\n", "dockerfile_copy_failed"),
    "a command that fails": (f"{BUSY}RUN echo it is wrong && exit 3\n", "build_failed"),
    "no such program": (f"{BUSY}RUN webpack --mode production\n", "missing_build_tool"),
    "killed": (f"{BUSY}RUN sh -c 'kill -9 $$; true'; exit $?\n", "out_of_memory"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_goes_wrong_is_told_by_its_name(builder: ImageBuilder, project: Make, name: str) -> None:
    text, code = FAILURES[name]
    with pytest.raises(UserError) as caught:
        builder.build(project({"Dockerfile": text}))
    assert caught.value.code == code, builder.log
    assert caught.value.hint
    if code == "build_failed":
        assert "exit code 3: it is wrong" in caught.value.message


def test_a_target_that_is_not_there(builder: ImageBuilder, project: Make) -> None:
    with pytest.raises(UserError) as caught:
        builder.build(project({"Dockerfile": f'{BUSY}CMD ["true"]\n'}), target="nowhere")
    assert caught.value.code == "dockerfile_invalid"


def test_a_fork_bomb_is_bounded(builder: ImageBuilder, project: Make) -> None:
    if not os.access("/sys/fs/cgroup", os.W_OK):
        pytest.skip("control groups cannot be written to")
    mark = f"95{time.time_ns() % 100000}"
    builder.limits = Limits(processes=50)
    bomb = f"sleep 3; i=0; while [ $i -lt 300 ]; do sleep {mark} & i=$((i+1)); done; echo all 300 started; wait"
    builder.seconds = 20
    with pytest.raises(UserError):
        builder.build(project({"Dockerfile": f"{BUSY}RUN {bomb}\n"}))
    assert "all 300 started" not in builder.lines
    wait_for(lambda: not _runs(mark), 30, "all of it to be dead")


def test_files_may_be_read_by_the_user_of_the_image(builder: ImageBuilder, project: Make) -> None:
    """A checkout under the platform's umask is its own alone."""
    root = project(
        {"Dockerfile": f"FROM {BUSYBOX}\nCOPY . /app\nUSER 1000\nCMD cat /app/in/page\n", "in/page": "hello"}
    )
    (root / "in/page").chmod(0o600)
    (root / "in").chmod(0o700)
    assert builder.run(builder.build(root)) == "hello"
