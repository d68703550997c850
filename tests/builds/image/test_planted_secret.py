"""A secret that a build is given, and that its steps print in every form, is sought in all that the build leaves."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest

from apps import artifacts, engines
from apps.builds import pipeline
from apps.builds.actions import carry_builds
from apps.builds.models import Artifact, Build, PushedImage
from apps.core.leases import acquire
from apps.core.masking import MASK, Mask
from apps.deployments import actions
from apps.deployments.hidden import all_hidden
from apps.deployments.models import Deployment, StageRun
from apps.deployments.recorder import Recorder
from apps.logs import reader
from apps.logs.lines import plain
from apps.logs.writer import LogWriter
from apps.pods import actions as pods
from apps.pods.models import Revision
from apps.secretstore.vault import Vault
from apps.sources.git import GitSource
from tests.builds.image.conftest import ImageBuilder, configure
from tests.people import make_team
from tests.stack.at_large import forms_of, unpacked
from tests.stack.docker import BUSYBOX
from tests.stack.registry import RegistryServer

pytestmark = pytest.mark.django_db(transaction=True)  # the log is written by a thread of its own
Project = Callable[[dict[str, str]], Path]
SECRET = 'pl4nted "in/the+build" & <sought> ü everywhere'
OPEN = 'a word/that+is & <no> "secret" ü at all'  # in the same places: who seeks finds it
TELL = r"""
url='s/%/%25/g;s/ /%20/g;s/"/%22/g;s,/,%2F,g;s/+/%2B/g;s/&/%26/g;s/</%3C/g;s/>/%3E/g;s/ü/%C3%BC/g'
for value in "$TOKEN" "$(cat word)"; do
    printf '%s\n' "$value" "$(printf %s "$value" | base64 -w 0)"
    printf '%s\n' "$(printf %s "$value" | sed "$url")" "$(printf %s "$value" | sed 's/"/\\"/g')"
done
"""
DOCKERFILE = """FROM {base}
WORKDIR /app
COPY . .
RUN --mount=type=secret,id=TOKEN TOKEN="$(cat /run/secrets/TOKEN)" sh tell.sh
RUN --mount=type=secret,id=env . /run/secrets/env && echo "and: $TOKEN" && ! test -e /run/secrets/TOKEN
CMD ["cat", "word"]
"""
APPS = {
    "dockerfile": {"Dockerfile": DOCKERFILE},
    "plan": {"package.json": '{"name": "shop", "scripts": {"start": "node main.js"}}', "main.js": ""},
}


@dataclass
class Told:
    """What a build was called, and what of it was stored."""

    image: str
    deployment: Deployment
    build: Build

    @property
    def log(self) -> str:
        return "\n".join(plain(line.text) for line in reader.tail(self.deployment.stream))


@pytest.fixture
def built(
    builder: ImageBuilder, shell: str, registry: RegistryServer, openbao: Vault, project: Project, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str], Told]:  # fmt: skip
    """`built(name)`: the app of that name, by the pipeline and with the ledger of a deployment, as a worker does it."""
    source, ours = GitSource(tmp_path / "repositories"), registry.known()
    monkeypatch.setattr("apps.sources.source", lambda: source)
    monkeypatch.setattr("apps.secretstore.secrets", lambda: openbao)
    monkeypatch.setattr(artifacts, "registry", lambda: ours)
    monkeypatch.setattr(engines, "engine", lambda: SimpleNamespace(artifacts=frozenset({"image"})))

    def build(name: str) -> Told:
        files = {path: text.replace("{base}", shell) for path, text in APPS[name].items()}
        revision = described(source, project({**files, "word": OPEN, "tell.sh": TELL}))
        carry_builds(revision=revision)
        deployment = actions.start(pod=revision.pod, revision=revision, trigger="manual", by=None)
        lease = acquire(deployment)
        assert lease
        with LogWriter.open(deployment.stream, mask=Mask(all_hidden(revision))) as log:
            recorder = Recorder(deployment=deployment, lease=lease, log=log)
            artifact = pipeline.build(revision.builds.get(), recorder)
        return Told(artifact.manifest["image"], deployment, revision.builds.get())

    return build


@pytest.fixture
def shell(builder: ImageBuilder, monkeypatch: pytest.MonkeyPatch) -> str:
    """An image with a shell and its programs, small enough to be looked through; every stack begins with it."""
    text = f"FROM {BUSYBOX}\nRUN busybox --install -s /bin\n"
    made, _ = builder.daemon.client().images.build(fileobj=io.BytesIO(text.encode()), tag="brainpod-test/shell:1")
    configure(monkeypatch, base_images=f"*={made.tags[0]}")
    return str(made.tags[0])


def described(source: GitSource, root: Path) -> Revision:
    team = make_team("acme")
    source.hosted.commit_tree(team.slug, "shop", root, "Sell")
    pod = pods.create_pod(team=team, name="shop", by=None)
    spec = {
        "source": {"repo": f"brainpod:{team.slug}/shop"},
        "configs": ["keys"],
        "build": {"installCommand": "true", "buildCommand": "sh tell.sh"},
    }
    pods.save_resource(pod=pod, kind="Config", name="keys", spec={}, secrets={"TOKEN": SECRET}, by=None, create=True)
    pods.save_resource(pod=pod, kind="App", name="web", spec=spec, by=None, create=True)
    pod.refresh_from_db()
    return pods.seal(pod=pod, summary="", by=None)


def everything(builder: ImageBuilder, registry: RegistryServer, told: Told) -> Iterator[tuple[str, bytes]]:
    """Each place and what is there."""
    client = builder.daemon.client()
    yield "history", json.dumps(client.api.history(told.image)).encode()
    yield "configuration", json.dumps(client.api.inspect_image(told.image), ensure_ascii=False).encode()
    with tarfile.open(fileobj=io.BytesIO(b"".join(client.images.get(told.image).save()))) as saved:
        for entry in saved:
            file = saved.extractfile(entry)
            yield "layers", file.read() if file else b""
    for root, place in ((registry.root / "data", "registry"), (builder.daemon.root / "data/buildkit", "BuildKit")):
        for path in root.rglob("*"):
            if path.is_file() and not path.is_symlink():
                yield place, path.read_bytes()
    for path in builder.home.rglob("*"):
        if path.is_file() and not path.is_relative_to(builder.home / "project"):
            yield "files", path.read_bytes()
    yield "log", told.log.encode()
    for row in (*StageRun.objects.values(), *Build.objects.values(), *Artifact.objects.values()):
        yield "rows", repr(row).encode()
    yield "rows", repr(list(PushedImage.objects.values())).encode()


def written(text: str) -> list[bytes]:
    """The forms it may stand in."""
    plain_json = (json.dumps(text, ensure_ascii=asked)[1:-1].encode() for asked in (True, False))
    return [*forms_of(text), *plain_json, base64.urlsafe_b64encode(text.encode())[:-4], quote(text).encode()]


@pytest.mark.parametrize("app", sorted(APPS))
def test_it_is_nowhere(app: str, built: Callable[[str], Told], builder: ImageBuilder, registry: RegistryServer) -> None:
    told = built(app)
    for form in (
        OPEN,
        base64.b64encode(OPEN.encode()).decode(),
        quote(OPEN, safe=""),
        json.dumps(OPEN, ensure_ascii=False),
    ):
        assert form.strip('"') in told.log, "they were printed"
    assert told.log.count(MASK) >= 4, told.log
    found: dict[str, set[str]] = {"secret": set(), "open": set()}
    read = set()
    for place, content in everything(builder, registry, told):
        read.add(place)
        for text in unpacked(content):
            for name, forms in (("secret", written(SECRET)), ("open", written(OPEN))):
                if any(form in text for form in forms):
                    found[name].add(place)
    assert read == {"history", "configuration", "layers", "registry", "BuildKit", "files", "log", "rows"}
    assert found["secret"] == set()
    assert found["open"] >= {"layers", "registry", "log"}, "who seeks finds"
