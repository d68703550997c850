"""What needs no daemon: Dockerfiles from plans, base images, the choice of the builder, BuildKit's words, archives.

To look at Dockerfiles after a change: `python -m tests.builds.image.test_pure` writes them anew, `git diff` shows what
changed.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shlex
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from apps.builds.detect import detect
from apps.builds.detect.plan import Plan
from apps.builds.image import bases, choice, cli, dockerfile, export, script, steps
from apps.builds.image.progress import Cleaner
from apps.core.errors import Invalid, UserError
from apps.engines.base import Limits
from brainpod import celery

EXAMPLES = Path(__file__).parents[2] / "examples"
GOLDEN = Path(__file__).parent / "golden"
CASES = (
    "bun-hono", "deno-plain", "dotnet-web", "elixir-phoenix", "go-gin", "hugo-modules", "java-gradle-kotlin",
    "java-maven-spring", "jekyll", "monorepo-pnpm", "node-express", "php-laravel", "python-django-with-node",
    "python-fastapi", "ruby-rails", "rust-axum", "vite",
)  # fmt: skip


def rendered(case: str) -> str:
    root = EXAMPLES / case
    plan = detect(root)
    files = tuple(name for name in plan.lockfiles if (root / name).is_file())
    return dockerfile.render(plan, dockerfile.Inputs(bases.of(plan, ""), files, "bp-scope", "inputs"))


@pytest.mark.parametrize("case", CASES)
def test_dockerfile_of_example(case: str) -> None:
    assert rendered(case) == (GOLDEN / f"{case}.Dockerfile").read_text()


def test_every_example_makes_a_dockerfile() -> None:
    made = 0
    for root in sorted(EXAMPLES.iterdir()):
        try:
            plan = detect(root)
        except UserError:
            continue
        if plan.stack == "docker":
            continue
        text = rendered(root.name)
        assert text.count("\nFROM ") >= 4
        assert "# syntax" not in text
        assert plan.kind == "static" or f'CMD ["sh", "-c", {json.dumps(plan.start)}]' in text
        made += 1
    assert made > 100


def test_hostile_words_stay_words() -> None:
    plan = Plan(stack="node", kind="web", install=('echo "a\tb" $X \\', "x # y"), start="it's\t\"so\"",
                env={"A": 'x" $HOME `id`'}, layer="modules", lockfiles=("a b.lock",))  # fmt: skip
    text = dockerfile.render(plan, dockerfile.Inputs(bases.of(plan, ""), ("a b.lock",), "s", "i", ("-rf x", "b'c")))
    assert 'ENV A="x\\" \\$HOME `id`"' in text
    assert json.dumps('echo "a\tb" $X \\') in text
    assert 'COPY ["a b.lock", "./"]' in text
    assert json.dumps("rm -rf -- " + shlex.join(["-rf x", "b'c"])) in text
    assert all(line.split(" ", 1)[0] in _INSTRUCTIONS for line in text.splitlines() if line and line[0] != "#")


_INSTRUCTIONS = {"FROM", "RUN", "COPY", "ENV", "WORKDIR", "EXPOSE", "USER", "ENTRYPOINT", "CMD"}


@pytest.mark.parametrize(
    ("tool", "wanted", "version"),
    [
        ("python", "", "3.13"), ("python", "3.11", "3.11"), ("python", ">=3.10,<3.12", "3.11"),
        ("node", "20", "20"), ("node", "v18.19.0", "18.19.0"), ("node", ">=18", "22"), ("node", "^20.1 || ^16", "20"),
        ("node", "lts/*", "22"), ("php", "^8.1", "8.4"), ("ruby", "~> 3.2.1", "3.2"), ("go", "1.21", "1.21"),
        ("elixir", "~> 1.12", "1.18"), ("elixir", "1.16.2-otp-26", "1.16.2-otp-26"), ("java", "17", "17"),
        ("rust", "", "1"), ("dotnet", "9.0", "9.0"), ("python", "==2.7.*", "2.7"),
    ],
)  # fmt: skip
def test_versions(tool: str, wanted: str, version: str) -> None:
    assert bases.version(tool, wanted) == version


def test_base_images_of_a_mirror() -> None:
    plan = Plan(stack="python", kind="web", versions={"python": ("3.12", "x")}, tools=("python", "node"))
    assert (bases.of(plan, "").build, bases.of(plan, "").run) == ("python:3.12", "python:3.12-slim")
    own = bases.of(plan, "python=r.example:5000/py:{version}-x, *=r.example/hub/{image}")
    assert (own.build, own.run) == ("r.example:5000/py:3.12-x", "r.example:5000/py:3.12-x")
    assert own.more["node"] == "r.example/hub/node:22-slim"
    assert bases.of(plan, "python-build=big,python=small") == bases.Bases("big", "small", bases.of(plan, "").more)
    java = Plan(stack="java", kind="web", versions={"java": ("17", "x")}, tools=("java", "mvn"))
    assert (bases.of(java, "").build, bases.of(java, "").run) == (
        "maven:3-eclipse-temurin-17",
        "eclipse-temurin:17-jre",
    )


BOTH, PROCESS, DOCKER = {"bundle", "image", "static"}, {"bundle", "static"}, {"image", "static"}


@pytest.mark.parametrize(
    ("asked", "runs", "static", "file", "ready", "chosen"),
    [
        ("", PROCESS, False, False, True, "bundle"),
        ("", PROCESS, False, True, True, "bundle"),
        ("", PROCESS, True, True, True, "bundle"),
        ("", DOCKER, False, False, True, "image"),
        ("", DOCKER, False, True, True, "image"),
        ("", DOCKER, True, False, True, "image"),
        ("", DOCKER, False, False, False, "builder_unavailable"),
        ("", BOTH, False, False, True, "bundle"),
        ("", BOTH, False, True, True, "image"),
        ("", BOTH, True, True, True, "bundle"),
        ("image", BOTH, False, False, True, "image"),
        ("image", PROCESS, True, False, True, "image"),
        ("image", PROCESS, True, False, False, "builder_unavailable"),
        ("image", PROCESS, False, False, True, "builder_unavailable"),
        ("image", PROCESS, False, True, True, "dockerfile_needs_docker"),
        ("bundle", DOCKER, False, False, True, "builder_unavailable"),
        ("bundle", DOCKER, True, False, True, "bundle"),
        ("bundle", BOTH, False, True, True, "bundle"),
    ],
)  # fmt: skip
def test_choice(asked: str, runs: set[str], static: bool, file: bool, ready: bool, chosen: str) -> None:
    try:
        found: str = choice.decide(asked, runs, static=static, dockerfile=file, ready=ready)
    except UserError as error:
        found = error.code if error.hint else ""
    assert found == chosen


def test_arguments_name_secrets_and_say_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@proxy")
    request = cli.Request("/src", "/x/Dockerfile", "bp-1", tag="a:1", target="t", labels=("k=v",))
    words = cli.Client("/usr/bin/docker", buildx=False).command(request, {"TOKEN": 7})
    assert words[:3] == ["/usr/bin/docker", "build", "--progress=plain"]
    assert words[-2:] == ["--", "/src"]
    assert {"--secret=id=TOKEN,src=/dev/fd/7", "--build-arg=HTTPS_PROXY", "--target=t", "--tag=a:1"} <= set(words)
    assert "secret@" not in " ".join(words)
    assert cli.environment("tcp://d")["HTTPS_PROXY"] == "http://user:secret@proxy"
    modern = cli.Client("docker", buildx=True).command(request, {})
    assert modern[:4] == ["docker", "buildx", "build", "--provenance=false"]
    assert "--load" in modern


def test_layers_by_the_registry_are_asked_for_by_name() -> None:
    given = {"output": "type=cacheonly", "cache_from": ("r.example/a@sha256:1",), "cache_to": "r.example/a:1-steps"}
    words = cli.Client("docker", buildx=True).command(cli.Request("/src", "/x/Dockerfile", "bp-1", **given), {})
    assert "--cache-from=r.example/a@sha256:1" in words
    [leaves] = [word for word in words if word.startswith("--cache-to=")]
    assert {"--cache-to=type=registry", "ref=r.example/a:1-steps", "mode=max"} <= set(leaves.split(","))
    assert "--load" not in words
    plain = cli.Client("docker", buildx=True).command(cli.Request("/src", "/x/Dockerfile", "bp-1", inline=True), {})
    assert "--build-arg=BUILDKIT_INLINE_CACHE=1" in plain
    assert not [word for word in plain if word.startswith("--cache-to")]


def test_the_client_that_can_build_is_found(tmp_path: Path) -> None:
    says = {
        "new": "exit 1\n",
        "old": 'echo "Docker version 20.10.24, build x"\n',
        "x": "echo github.com/docker/buildx\n",
    }
    says["new"] = '[ "$1" = --version ] && echo "Docker version 28.2.2, build x" || exit 1\n'
    says["old"] = '[ "$1" = --version ] && echo "Docker version 20.10.24, build x" || exit 1\n'
    for name, body in says.items():
        program = tmp_path / name / "docker"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{body}")
        program.chmod(0o755)
    here = str(tmp_path)
    assert cli.find(f"{here}/none:{here}/new") is None
    assert cli.find(f"{here}/new:{here}/old:{here}/x") == cli.Client(f"{here}/old/docker", buildx=False)
    assert cli.find(f"{here}/x:{here}/old") == cli.Client(f"{here}/x/docker", buildx=True)


def test_a_worker_knows_its_client_before_it_forks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """Or the first build of each of its processes would wait for the programs that are asked."""
    program, asked = tmp_path / "docker", tmp_path / "asked"
    program.write_text(f"#!/bin/sh\necho $* >> {asked}\n[ $1 = buildx ] && echo github.com/docker/buildx\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, builds=True, docker_host="unix:///nowhere/docker.sock")
    celery._worker_init()
    assert asked.read_text() == "buildx version\n"
    child = os.fork()
    if not child:
        os._exit(0 if cli.find() == cli.Client(str(program), buildx=True) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert asked.read_text() == "buildx version\n", "and nothing more was started"


@pytest.mark.parametrize("value", ["plain", "it's", "a\nb\n\n", '"$HOME" `id` \\', "ü\u2028\t ", "-n", ""])
def test_values_pass_through_the_script_byte_for_byte(value: str, tmp_path: Path) -> None:
    text = script.assignments({"VALUE": value, "bad name": "x"})
    done = subprocess.run(["sh", "-c", '. /dev/stdin; printf %s "$VALUE"'], input=text, capture_output=True, check=True)
    assert done.stdout.decode() == value


def test_progress_becomes_lines() -> None:
    said = """#1 [internal] load build definition from Dockerfile
#1 sha256:fd3607142cd44401133d5be913bcfe369b244ffafd4bd0d9e6bad145e9e3ee77
#1 transferring dockerfile: 222B done
#1 DONE 0.0s

#4 [stage-0 1/3] FROM docker.io/library/busybox:1
#4 CACHED

#5 [stage-0 2/3] RUN --mount=type=secret,id=env --mount=type=cache,target=/c npm ci
#5 0.282 #5 in a line of its own
#5 0.282
#5 0.284 end

#6 [other 1/1] RUN true
#6 1.300 x

#5 [stage-0 2/3] RUN --mount=type=secret,id=env --mount=type=cache,target=/c npm ci
#5 12.284 later
#5 ERROR: executor failed running [/bin/sh -c npm ci]: exit code: 7
------
 > [stage-0 2/3] RUN npm ci:
#5 12.284 later
------
executor failed running [/bin/sh -c npm ci]: exit code: 7"""
    cleaner = Cleaner()
    lines = [line for raw in said.split("\n") for line in cleaner.feed(raw)]
    assert lines == [
        "[stage-0 1/3] FROM docker.io/library/busybox:1", "[stage-0 2/3] RUN npm ci", "#5 in a line of its own", "",
        "end", "[other 1/1] RUN true", "x", "[stage-0 2/3] RUN npm ci", "later", "The step exited with code 7.",
    ]  # fmt: skip
    assert cleaner.exit_code == 7


def test_steps_that_are_no_dockerfiles_are_said_once() -> None:
    said = (
        "#1 docker-image://r/railpack-frontend:v1\n#2 loading .\n#3 [railpack] secrets hash\n#4 npm ci\n#4 0.1 x\n"
        "#5 mkdir /etc\n#6 copy src\n#4 npm ci\n#4 0.2 y\n#4 DONE 1s\n#6 CACHED\n#7 npm ci\n"
        "#7 ERROR: process \"sh -c 'npm ci'\" did not complete successfully: exit code: 3"
    )
    cleaner = Cleaner()
    lines = [line for raw in said.split("\n") for line in cleaner.feed(raw)]
    assert lines == ["npm ci", "x", "copy src", "y", "copy src: unchanged", "npm ci", "The step exited with code 3."]


def test_an_archive_comes_out_whole(tmp_path: Path) -> None:
    held = {"srv/a/b.txt": b"x", "srv/run.sh": b"#!", "elsewhere": b"y"}
    export.unpack(_archive(tmp_path, held, links={"srv/l": "a/b.txt"}), tmp_path / "out", "srv")
    assert sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*")) == [
        "a", "a/b.txt", "l", "run.sh",
    ]  # fmt: skip
    assert (tmp_path / "out/l").read_text() == "x"


@pytest.mark.parametrize(
    ("files", "links"),
    [
        ({"../x": b""}, {}),
        ({"a/../../x": b""}, {}),
        ({"/etc/x": b""}, {}),
        ({"l/x": b""}, {"l": "/tmp"}),
        ({"l/x": b""}, {"l": ".."}),
    ],
)
def test_an_archive_has_no_way_out(tmp_path: Path, files: dict[str, bytes], links: dict[str, str]) -> None:
    with pytest.raises((Invalid, ValueError)):
        export.unpack(_archive(tmp_path, files, links), tmp_path / "out")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.BLKTYPE])
def test_an_archive_has_no_devices(tmp_path: Path, kind: bytes) -> None:
    place = tmp_path / "a.tar"
    with tarfile.open(place, "w") as archive:
        entry = tarfile.TarInfo("x")
        entry.type = kind
        archive.addfile(entry)
    with pytest.raises(Invalid) as caught:
        export.unpack(place, tmp_path / "out")
    assert caught.value.code == "artifact_escape"


def _archive(place: Path, files: dict[str, bytes], links: dict[str, str]) -> Path:
    with tarfile.open(place / "a.tar", "w") as archive:
        for name, target in links.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return place / "a.tar"


@pytest.mark.parametrize("unified", [True, False])
def test_what_appears_beneath_buildkit_is_bounded(tmp_path: Path, unified: bool) -> None:
    groups = (
        [tmp_path / "docker/buildkit/x"]
        if unified
        else [tmp_path / c / "docker/buildkit/x" for c in ("pids", "memory")]
    )
    names = ("pids.max", "memory.max", "cpu.max") if unified else ("pids.max", "memory.limit_in_bytes")
    weight = "cpu.weight" if unified else "cpu.shares"
    if unified:
        (tmp_path / "cgroup.controllers").touch()
    watch = steps.Watch(Limits(cpu=1.5, memory=100, processes=64), tmp_path)
    watch.look()
    for group in groups:
        group.mkdir(parents=True)
        for name in names:
            (group / name).write_text("max")
        (group.parent / weight).write_text("100" if unified else "1024")
    watch.look()
    said = {name: (groups[0] / name).read_text() for name in names}
    assert said["pids.max"] == "64"
    assert said["memory.max" if unified else "memory.limit_in_bytes"] == str(100 * 1_048_576)
    assert (groups[0].parent / weight).read_text() == ("11" if unified else "110"), "less than the apps' containers"


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name in CASES:
        (GOLDEN / f"{name}.Dockerfile").write_text(rendered(name))
