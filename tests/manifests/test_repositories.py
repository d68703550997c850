"""Importing from a repository: cloned by a worker, the first of the files taken, planned like any other."""

from __future__ import annotations

import datetime
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from apps import artifacts, sources
from apps.accounts.models import User
from apps.connections import actions as connections
from apps.core.errors import Conflict, Invalid, UserError
from apps.core.leases import acquire
from apps.deployments import wake
from apps.manifests import fetching
from apps.manifests.models import RepositoryImport
from apps.manifests.reading import parse
from apps.pods.models import Pod
from apps.sources.git import GitSource
from apps.sources.hosted import Hosted
from tests.people import make_team
from tests.sources.conftest import Served, git, served

__all__ = ["served"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("openbao")]
COMPOSE = "services:\n  web: {build: ., ports: ['80']}\n  db: {image: postgres:16}\n"
OWN = """\
version: 1
resources:
  # Said in words.
  Disk:
    data:
      size: 10
    spare:
  Valkey:
    cache:
      disk: data
  App:
    web:
      env:
        WHEN: 'on'
        EMPTY: ''
        RATE: 1.10
    api:
      source:
        rootDir: api
    other:
      source:
        repo: https://github.com/example/other.git
"""


@pytest.fixture(autouse=True)
def woken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    monkeypatch.setattr(wake, "wake", lambda *words, **_: found.append(words))
    return found


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[GitSource]:
    """A source that reaches the host on this machine."""
    settings.BRAINPOD = replace(settings.BRAINPOD, allowed_networks="127.0.0.0/8,::1/128")
    made = GitSource(tmp_path / "hosted", allowed=settings.BRAINPOD.networks)
    monkeypatch.setattr(sources, "source", lambda: made)
    yield made
    left = list(Path(artifacts.artifacts().scratch("probe")).parent.glob("import-*"))
    artifacts.artifacts().discard_scratch("probe")
    assert not left, "clones are gone afterwards"


@pytest.fixture
def put(served: Served, source: GitSource, tmp_path: Path) -> Callable[..., str]:
    """A repository on the host with these files; its address."""

    def made(branch: str = "main", **files: str) -> str:
        work = tmp_path / "work"
        if not work.exists():
            work.mkdir()
            git("init", "--quiet", cwd=work)
        git("symbolic-ref", "HEAD", f"refs/heads/{branch}", cwd=work)
        git("rm", "-r", "--quiet", "--force", "--ignore-unmatch", ".", cwd=work)
        (work / "README").write_text(branch)
        for name, text in files.items():
            (work / name.replace("__", ".").replace("_", "-")).write_text(text)
        git("add", "--all", cwd=work)
        git("commit", "--quiet", "-m", "Some", cwd=work)
        return served.push(work, "app")

    return made


def looked(pod: Pod, repo: str, branch: str = "") -> RepositoryImport:
    row = fetching.ask(pod=pod, repo=repo, branch=branch, by=None)
    fetching.IMPORTS.run(row.pk)
    row.refresh_from_db()
    return row


def test_a_compose_file(pod: Pod, put: Callable[..., str], bob: User, client_of: Callable[..., Client]) -> None:
    repo = put(compose__yaml=COMPOSE, Procfile="web: x\n", app__json="{}")
    client = client_of(bob)
    assert "From a repository" in client.get("/pods/shop/imports/").content.decode()
    sent = client.post("/pods/shop/imports/repositories/", {"repo": repo, "branch": "main"})
    row = RepositoryImport.objects.get()
    where = f"/pods/shop/imports/repositories/{row.pk}/"
    assert (sent.status_code, sent["Location"], row.actor) == (302, where, bob)
    assert "is being looked through" in client.get(where).content.decode()
    assert client.get(f"/pods/shop/imports/?of={row.pk}")["Location"] == where
    for _ in range(2):  # whoever is woken how often
        fetching.IMPORTS.run(row.pk)
    assert client.get(where, headers={"HX-Request": "true"})["HX-Redirect"] == f"/pods/shop/imports/?of={row.pk}"
    page = client.get(f"/pods/shop/imports/?of={row.pk}").content.decode()
    row.refresh_from_db()
    assert (row.state, row.files, len(row.commit)) == ("found", ["compose.yaml"], 40)
    assert f"compose.yaml of {repo}, main at" in page
    assert "Procfile, app.json of the same repository were not read" in page
    assert "services.web.ports" in page
    assert {item["file"] for item in row.report} == {"compose.yaml"}
    web = parse(row.text, team=pod.team.slug).resources
    assert next(one.spec["source"] for one in web if one.name == "web") == {"repo": repo, "branch": "main"}
    assert pod.draft is None
    done = client.post("/pods/shop/imports/", {"text": row.text, "keep": "on", "action": "apply"})
    assert (done.status_code, done["Location"]) == (302, "/pods/shop/draft/")
    pod.refresh_from_db()
    assert pod.draft is not None
    assert {one.name for one in pod.draft.resources.all()} >= {"web", "db"}


def test_its_own_file_comes_first(pod: Pod, put: Callable[..., str]) -> None:
    repo = put(brainpod__yaml=OWN, docker_compose__yml=COMPOSE)
    row = looked(pod, repo)
    assert (row.state, row.files) == ("found", ["brainpod.yaml"]), row.error
    found = {one.name: one.spec for one in parse(row.text, team=pod.team.slug).resources}
    assert found.keys() == {"data", "spare", "cache", "web", "api", "other"}
    assert found["web"]["source"] == {"repo": repo}
    assert found["api"]["source"] == {"repo": repo, "rootDir": "api"}
    assert found["other"]["source"]["repo"] == "https://github.com/example/other.git"
    assert {one["name"]: one["value"] for one in found["web"]["env"]} == {"WHEN": "on", "EMPTY": "", "RATE": "1.10"}
    assert [(it["subject"], it["line"]) for it in row.report] == [
        ("brainpod.yaml", 1), ("resources.App.web.source", 12), ("resources.App.api.source", 17),
    ]  # fmt: skip
    whole = OWN[: OWN.index("    web:")] + OWN[OWN.index("    other:") :]
    row = looked(pod, put(brainpod__yml=whole))
    assert (row.text, row.report) == (whole, []), "there is nothing to add"


def test_a_procfile_of_another_branch(pod: Pod, put: Callable[..., str]) -> None:
    put(compose__yml=COMPOSE)
    repo = put("dev", Procfile="web: x\n\0odd\0\nclock: python clock.py\n", app__json='{"addons": ["heroku-redis"]}')
    row = looked(pod, repo, "dev")
    assert (row.state, row.files) == ("found", ["Procfile", "app.json"]), row.error
    found = {one.name: one.spec for one in parse(row.text).resources}
    assert found["clock"]["source"] == {"repo": repo, "branch": "dev"}
    assert "redis" in found
    assert looked(pod, repo, "main").files == ["compose.yml"]


def test_what_cannot_be_taken_is_said(
    pod: Pod, put: Callable[..., str], served: Served, bob: User, client_of: Callable[..., Client], tmp_path: Path
) -> None:
    row = looked(pod, put())
    assert (row.state, row.error_code) == ("failed", "nothing_to_import")
    page = client_of(bob).get(f"/pods/shop/imports/repositories/{row.pk}/").content.decode()
    assert "has no brainpod.yaml" in page
    assert "nothing has changed" in page
    row = looked(pod, put(brainpod__yaml="a: [\n"))
    assert (row.error_code, row.error.startswith("brainpod.yaml line 2")) == ("file_refused", True), row.error
    assert looked(pod, put(Procfile="web: x\n" * 400_000)).error_code == "nothing_to_import"
    assert looked(pod, f"{served.url}/no-such.git").error_code == "repository_not_found"
    assert looked(pod, put(compose__yml=COMPOSE), "no-such").error_code == "branch_not_found"
    link = tmp_path / "work" / "Procfile"
    link.symlink_to("/etc/passwd")
    git("rm", "--quiet", "compose.yml", cwd=link.parent)
    git("add", "--all", cwd=link.parent)
    git("commit", "--quiet", "-m", "A way out", cwd=link.parent)
    row = looked(pod, served.push(link.parent, "app"))
    assert (row.error_code, row.text) == ("nothing_to_import", "")


def test_a_private_one_needs_its_connection(
    pod: Pod, put: Callable[..., str], served: Served, alice: User, openbao: Any
) -> None:
    repo = put(compose__yml=COMPOSE)
    served.logins["/app.git"] = ("x-token", "let-me-in")
    assert looked(pod, repo).error_code in ("authentication_failed", "repository_not_found")
    host = served.url.removeprefix("https://")
    connections.connect_token(
        team=pod.team, host=host, provider="other", token="let-me-in", username="x-token", by=alice
    )  # fmt: skip
    assert looked(pod, repo).state == "found"


def test_what_is_asked_wrongly_is_refused(
    pod: Pod, bob: User, vera: User, client_of: Callable[..., Client], woken: list[Any]
) -> None:
    make_team("rivals")
    for repo, branch in (("", ""), ("/etc", ""), ("brainpod:rivals/app", ""), ("https://x.org/a", "-x"), ("a b", "")):
        sent = client_of(bob).post("/pods/shop/imports/repositories/", {"repo": repo, "branch": branch})
        assert sent.status_code == 422, (repo, branch)
    with pytest.raises(Invalid) as caught:
        fetching.ask(pod=pod, repo="brainpod:rivals/app", branch="", by=None)
    assert caught.value.details[0].path == "repo"
    assert client_of(vera).post("/pods/shop/imports/repositories/", {"repo": "https://x.org/a"}).status_code == 403
    assert not RepositoryImport.objects.exists()
    assert not woken


def test_how_much_is_asked(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fetching.ask(pod=pod, repo="https://x.org/a", branch="", by=None)
    assert fetching.ask(pod=pod, repo="https://x.org/a", branch="", by=None) == first
    monkeypatch.setattr(fetching, "MOST", 1)
    with pytest.raises(UserError, match="1 times lately"):
        fetching.ask(pod=pod, repo="https://x.org/b", branch="", by=None)
    RepositoryImport.objects.update(created_at=timezone.now() - datetime.timedelta(hours=1))
    second = fetching.ask(pod=pod, repo="https://x.org/b", branch="", by=None)
    held = acquire(first)
    assert held is not None
    fetching.IMPORTS.run(second.pk)
    second.refresh_from_db()
    assert second.is_open, "one a team"
    RepositoryImport.objects.update(deadline=timezone.now() - datetime.timedelta(seconds=1))
    fetching.IMPORTS.tend()
    assert set(RepositoryImport.objects.values_list("state", "error_code")) == {("failed", "import_deadline")}
    Pod.objects.filter(pk=pod.pk).update(deleting_at=timezone.now())
    with pytest.raises(Conflict):
        fetching.ask(pod=pod, repo="https://x.org/a", branch="", by=None)


def test_the_command(pod: Pod, put: Callable[..., str], source: GitSource, tmp_path: Path) -> None:
    out, said = io.StringIO(), io.StringIO()
    call_command("convert", "--repo", put(compose__yml=COMPOSE), "--team", pod.team.slug, stdout=out, stderr=said)
    assert "PostgresDB:" in out.getvalue()
    assert "From compose.yml at" in said.getvalue()
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "Procfile").write_text("web: x\n")
    Hosted(tmp_path / "hosted").commit_tree(pod.team.slug, "app", folder, "One")
    hosted = f"brainpod:{pod.team.slug}/app"
    call_command("convert", "--repo", hosted, "--team", pod.team.slug, stdout=out, stderr=said)
    assert f"repo: {hosted}" in out.getvalue()
    for wrong in (["--repo", hosted], ["--team", pod.team.slug], ["--repo", "brainpod:rivals/x", "--team", "home"]):
        with pytest.raises(CommandError):
            call_command("convert", *wrong, stdout=out, stderr=said)
