"""The git server with a real git: who may push what where, what is kept, and what comes of it."""

from __future__ import annotations

import base64
import dataclasses
import os
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from apps.accounts import tokens
from apps.accounts.models import ApiToken, Team, User
from apps.accounts.policies import DEPLOY_ONLY, READ_ONLY
from apps.accounts.roles import Role
from apps.audit import trail
from apps.deployments import actions as deployments
from apps.deployments.models import Deployment, Trigger
from apps.hooks.models import Receipt
from apps.pods import actions as pods
from apps.pods.children import DatabasePolicy, branch_off
from apps.pods.models import Lineage, Pod
from apps.pods.roles import give_role
from tests.hooks.conftest import finish
from tests.people import make_user
from tests.pushes.conftest import Work

pytestmark = pytest.mark.django_db(transaction=True)


def repositories(state: Path) -> list[str]:
    return sorted(str(path.relative_to(state / "repositories")) for path in state.glob("repositories/*/*/*.git"))


def left(state: Path) -> list[str]:
    """What is in the directory of repositories, whole or half."""
    root = state / "repositories"
    return sorted(path.name for path in root.iterdir() if any(path.iterdir())) if root.exists() else []


def live(name: str) -> Pod:
    """The pod, its newest deployment brought to its end."""
    pod = Pod.objects.get(name=name)
    row = pod.deployments.latest("id")
    finish(row)
    pod.refresh_from_db()
    return pod


def branch_of(pod: Pod, branch: str) -> None:
    """What is live follows another branch from now on."""
    pod.refresh_from_db()
    assert pod.live
    row = pod.live.resources.get(name="web")
    row.spec["source"]["branch"] = branch
    row.save()


def commits(pod: Pod) -> list[str]:
    rows = Deployment.objects.filter(pod=pod).order_by("id")
    return [row.revision.builds.get(app="web").commit for row in rows]


def test_the_first_push_makes_all_there_is_need_of(work: Work, state: Path, alice: User, team: Team, name: str) -> None:
    done = work.push(f"{name}.git")
    assert done.returncode == 0, done.stderr
    assert "Deploying web at" in done.stderr
    head = work.git("rev-parse", "HEAD").stdout.strip()
    pod = Pod.objects.get(name=name)
    assert (pod.team, pod.created_by) == (team, alice)
    row = pod.deployments.get()
    assert (row.trigger, row.actor) == ("push", alice)
    found = row.revision.snapshot()
    url = f"brainpod:{team.slug}/{name}/web"
    assert found["web"].spec["source"]["repo"] == url
    assert (found["web"].spec["source"]["branch"], found["web"].spec["source"]["commit"]) == ("main", head)
    assert found["site"].spec["hostname"] == f"{name}.localhost"
    assert repositories(state) == [f"{team.slug}/{name}/web.git"]
    assert row.revision.summary.endswith(": first")
    assert Receipt.objects.get(pod=pod).deployment == row
    assert trail.request_of("deployment.make", row), "the number of the push, for the worker's lines"


def test_pushes_are_followed_as_those_of_any_host(work: Work, state: Path, name: str) -> None:
    assert work.push(f"{name}.git").returncode == 0
    first = work.git("rev-parse", "HEAD").stdout.strip()
    pod = live(name)
    second = work.commit("second")
    assert f"Deploying web at {second[:7]}" in work.push(f"{name}.git").stderr
    assert commits(pod) == [first, second]
    live(name)
    assert "Everything up-to-date" in work.push(f"{name}.git").stderr
    other = work.push(f"{name}.git", "main:dev").stderr
    assert "Stored dev at" in other
    assert "No app watches branch dev: web watches main." in other
    work.commit("third [skip ci]")
    assert "Skipped, as the commit's message asks." in work.push(f"{name}.git").stderr
    work.git("tag", "v1")
    assert "v1 is a tag" in work.push(f"{name}.git", "v1").stderr
    gone = work.push(f"{name}.git", ":main")
    assert gone.returncode
    assert "deletion of the current branch prohibited" in gone.stderr
    assert work.push(f"{name}.git", ":dev").returncode == 0
    assert work.push(f"{name}.git", "main:trunk").returncode == 0
    branch_of(pod, "trunk")
    assert "deletion of the current branch prohibited" in work.push(f"{name}.git", ":trunk").stderr
    branch_of(pod, "main")
    hidden = work.push(f"{name}.git", "main:refs/hidden/x")
    assert hidden.returncode
    assert "hidden ref" in hidden.stderr
    back = work.push(f"{name}/web.git", f"+{first}:main")
    assert f"Deploying web at {first[:7]}" in back.stderr, "a forced push is a wish like any other"
    assert commits(pod) == [first, second, first]


def staging_of(pod: Pod, by: User) -> Pod:
    """A child that is live as its parent is."""
    name = f"{pod.name}-st"
    given: dict[str, Any] = {"with_secrets": True, "databases": DatabasePolicy.NONE}
    child = branch_off(pod, lineage=Lineage.STAGING, name=name, by=by, **given)
    revision = pods.seal(pod=child, summary="first", by=by)
    deployments.start(pod=child, revision=revision, trigger=Trigger.MANUAL, by=by)
    return live(name)


def test_staging_pods_follow_the_branch_as_with_any_host(
    work: Work, alice: User, bob: User, team: Team, name: str
) -> None:
    assert work.push(f"{name}.git").returncode == 0
    pod = live(name)
    child = staging_of(pod, alice)
    second = work.commit("second")
    told = work.push(f"{name}.git").stderr
    assert f"Deploying web at {second[:7]}. {child.name}: Deploying web at {second[:7]}." in told, told
    assert commits(pod)[-1] == commits(child)[-1] == second
    assert child.deployments.latest("id").actor == alice
    assert Receipt.objects.get(pod=child).provider == "brainpod"
    live(name)
    child = live(child.name)

    branch_of(child, "next")
    third = work.commit("third")
    told = work.push(f"{name}.git", "main:next").stderr
    assert f"No app watches branch next: web watches main. {child.name}: Deploying web at {third[:7]}." in told, told
    assert (commits(pod)[-1], commits(child)[-1]) == (second, third)
    child = live(child.name)

    fourth = work.commit("fourth")
    assert f"Deploying web at {fourth[:7]}" in work.push(f"{child.name}.git", "main:next").stderr
    assert commits(pod)[-1] == second, "pushed to the address of the staging pod: for that one alone"


def test_a_staging_pod_that_the_one_who_pushes_may_not_deploy(
    work: Work, alice: User, bob: User, team: Team, name: str
) -> None:
    assert work.push(f"{name}.git").returncode == 0
    pod = live(name)
    child = staging_of(pod, alice)
    bobs = tokens.make(user=bob, name="laptop", team=team)[1]
    give_role(membership=team.memberships.get(user=bob), pod=child, role=Role.VIEWER, by=alice)
    second = work.commit("second")
    told = work.push(f"{name}.git", token=bobs)
    assert told.returncode == 0
    assert f"Deploying web at {second[:7]}. {child.name}: This needs the role developer" in told.stderr
    live(name)
    statement = {"sid": "s", "effect": "allow", "actions": ["revisions:deploy"], "resources": [f"urn:brain:pod:{name}"]}
    narrow = {"version": "1", "statements": [statement]}
    here = tokens.make(user=alice, name="here", team=team, policy=narrow)[1]
    third = work.commit("third")
    told = work.push(f"{name}.git", token=here)
    assert f"Deploying web at {third[:7]}. {child.name}: The policy of this token does not allow" in told.stderr
    assert child.deployments.count() == 1


def test_whoever_may_not_is_told_so_and_nothing_is_made(
    work: Work, state: Path, team: Team, alice: User, vera: User, charlie: User, name: str
) -> None:
    operator = make_user("operator", is_staff=True)
    old = tokens.make(user=alice, name="old", team=team)[1]
    ApiToken.objects.filter(name="old").update(expires_at="2020-01-01T00:00Z")
    theirs = tokens.make(user=charlie, name="x", team=charlie.memberships.get().team)[1]
    viewers = tokens.make(user=vera, name="x", team=team)[1]
    refused = {
        "bp_wrong": "token_refused",
        old: "token_refused",
        viewers: "forbidden",
        tokens.make(user=operator, name="x", team=None)[1]: "token_scope",
    }
    for token, code in refused.items():
        done = work.push(f"{name}.git", token=token)
        assert done.returncode
        assert f"[{code}]" in done.stderr, done.stderr
    assert work.push("new.git").returncode
    assert work.push(f"{name}.git", "main:refs/tags/v1").returncode == 0, "a tag alone"
    assert not Pod.objects.exists()
    assert left(state) == []

    assert work.push(f"{name}.git").returncode == 0
    taken = work.push(f"{name}.git", token=theirs)
    assert taken.returncode
    assert "[name_taken]" in taken.stderr
    for token, code in ((theirs, "not_found"), ("bp_wrong", "token_refused")):
        cloned = work.git("clone", work.url(f"{name}.git", token), "c", check=False)
        assert cloned.returncode
        assert f"[{code}]" in cloned.stderr
    assert work.git("clone", "--quiet", work.url(f"{name}.git", viewers), "c").returncode == 0
    assert (work.path / "c" / "index.html").read_text() == "<p>first"


def test_the_role_in_the_pod_and_the_tokens_policy_count(
    work: Work, alice: User, bob: User, team: Team, name: str
) -> None:
    assert work.push(f"{name}.git").returncode == 0
    pod = live(name)
    work.commit("second")
    bobs = tokens.make(user=bob, name="laptop", team=team)[1]
    give_role(membership=team.memberships.get(user=bob), pod=pod, role=Role.VIEWER, by=alice)
    assert "[forbidden]" in work.push(f"{name}.git", token=bobs).stderr
    assert work.push(f"{name}x.git", token=bobs).returncode == 0, "of the team bob is a developer"

    reading = tokens.make(user=alice, name="reading", team=team, policy=READ_ONLY)[1]
    deploying = tokens.make(user=alice, name="deploying", team=team, policy=DEPLOY_ONLY)[1]
    assert "[policy_denied]" in work.push(f"{name}.git", token=reading).stderr
    assert work.git("clone", work.url(f"{name}.git", reading), "c", check=False).returncode == 0
    assert work.push(f"{name}.git", token=deploying).returncode == 0
    assert "[policy_denied]" in work.push(f"{name}/other.git", token=deploying).stderr, "an app more is a change"
    assert "[policy_denied]" in work.push(f"{name}y.git", token=deploying).stderr


def test_addresses_that_are_none(work: Work, state: Path, live_server: Any, name: str) -> None:
    assert work.push(f"{name}.git").returncode == 0
    good = {"Authorization": "Basic " + base64.b64encode(f"x:{work.token}".encode()).decode()}
    pack = {"Content-Type": "application/x-git-receive-pack-request"}
    asked = [
        ("GET", f"{name}.git/HEAD", 404), ("GET", f"{name}.git/config", 404), ("GET", f"{name}.git/info/refs", 403),
        ("GET", f"{name}.git/objects/info/packs", 404), ("GET", f"{name}.git/..%2fsecret-key", 404),
        ("GET", f"{name}/..%2f..%2fweb.git/info/refs?service=git-upload-pack", 404),
        ("GET", f"{name}.git/info/refs?service=git-upload-archive", 403), ("GET", "%2e%2e.git/info/refs", 404),
        ("GET", f"{name}.git/info/refs?service=../../bin/sh", 403), ("GET", f"{name}.git/git-upload-pack", 405),
        ("POST", f"{name}.git/git-upload-archive", 404), ("POST", f"{name}.git/git-receive-pack", 415),
        ("GET", f"{name}/none.git/info/refs?service=git-upload-pack", 404),
        ("GET", f"{name}/site.git/info/refs?service=git-receive-pack", 409),
        ("GET", f"{name.upper()}.git/info/refs?service=git-upload-pack", 404), ("GET", "", 404),
        ("GET", f"{name}--x.git/info/refs?service=git-receive-pack", 422),
        ("POST", f"{name}.git/info/refs?service=git-upload-pack", 405),
    ]  # fmt: skip
    there = urlsplit(live_server.url)
    for method, path, status in asked:
        line = socket.create_connection((there.hostname, there.port or 80), timeout=30)
        head = f"{method} /git/{path} HTTP/1.0\r\nHost: localhost\r\nAuthorization: {good['Authorization']}\r\n\r\n"
        line.sendall(head.encode())
        said = line.makefile("rb").read()
        line.close()
        assert said.split(b" ", 2)[1] == str(status).encode(), (path, said[:400])
    anonymous = httpx.get(f"{live_server.url}/git/{name}.git/info/refs?service=git-receive-pack")
    assert anonymous.status_code == 401
    assert anonymous.headers["WWW-Authenticate"].startswith("Basic ")
    broken = httpx.post(f"{live_server.url}/git/{name}.git/git-receive-pack", headers=good | pack, content=b"zzzz")
    assert broken.status_code in (200, 400, 500)
    assert work.commit("after")
    assert work.push(f"{name}.git").returncode == 0


def test_a_push_has_a_largest_size(work: Work, state: Path, settings: Any, name: str) -> None:
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, push_mb=1)
    work.commit("large", large=os.urandom(3_000_000))
    done = work.push(f"{name}.git")
    assert done.returncode
    assert "maximum allowed size" in done.stderr, done.stderr
    work.commit("larger", larger=os.urandom(12_000_000))
    done = work.push(f"{name}.git")
    assert done.returncode
    assert "413" in done.stderr, done.stderr
    assert left(state) == []
    assert not Pod.objects.exists()


def test_a_push_that_ends_half_way_leaves_nothing(work: Work, state: Path, live_server: Any, name: str) -> None:
    there = urlsplit(live_server.url)
    basic = base64.b64encode(f"x:{work.token}".encode()).decode()
    for path in (f"{name}.git", f"{name}.git"):
        line = socket.create_connection((there.hostname, there.port or 80), timeout=30)
        head = (
            f"POST /git/{path}/git-receive-pack HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {basic}\r\n"
            "Content-Type: application/x-git-receive-pack-request\r\nContent-Length: 100000\r\n\r\n"
        )
        moved = _packet(f"{'0' * 40} {'a' * 40} refs/heads/main\0report-status side-band-64k")
        line.sendall(head.encode() + moved + b"0000PACK\0\0\0\2\0\0\0\3")
        time.sleep(0.3)
        line.close()
        deadline = time.monotonic() + 30
        while left(state):
            assert time.monotonic() < deadline, left(state)
            time.sleep(0.05)
    assert not Pod.objects.exists()
    assert work.push(f"{name}.git").returncode == 0
    head = work.commit("next")
    repository = next(state.glob("repositories/*/*/web.git"))
    assert work.push(f"{name}.git").returncode == 0
    tip = subprocess.run(["git", "--git-dir", repository, "rev-parse", "main"], capture_output=True, text=True)
    assert tip.stdout.strip() == head
    assert not list(repository.glob("objects/incoming-*"))


def _packet(line: str) -> bytes:
    return f"{len(line) + 4:04x}{line}".encode()


def test_pushes_at_once(work: Work, state: Path, tmp_path: Path, name: str) -> None:
    works = [work, *(Work(tmp_path / f"w{number}", work.address, work.token) for number in range(3))]
    for number, one in enumerate(works):
        one.commit(f"mine {number}")
    done: list[subprocess.CompletedProcess[str]] = []
    threads = [threading.Thread(target=lambda w=one: done.append(w.push(f"{name}.git"))) for one in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.returncode for one in done].count(0) == 1, [one.stderr for one in done]
    assert all("rejected" in one.stderr for one in done if one.returncode)
    assert Pod.objects.get(name=name).deployments.count() == 1
    assert left(state) == [Pod.objects.get(name=name).team.slug]


def test_a_push_ships_nobodys_draft(work: Work, state: Path, alice: User, team: Team, name: str) -> None:
    pod = pods.create_pod(team=team, name=name, by=alice)
    url = f"brainpod:{team.slug}/{name}/api"
    spec = {"source": {"repo": url, "branch": "trunk"}, "instance": "2x"}
    pods.save_resource(pod=pod, kind="App", name="api", spec=spec, by=alice, create=True)
    wrong = work.push(f"{name}.git")
    assert "the app's branch was not pushed" in wrong.stderr
    assert not pod.deployments.exists()
    assert "Deploying api at" in work.push(f"{name}.git", "main:trunk").stderr, "what was prepared is deployed"
    row = pod.deployments.get()
    assert row.revision.snapshot()["api"].spec["instance"] == "2x"
    live(name)
    assert "Deploying web at" in work.push(f"{name}/web.git").stderr, "another app of a pod without a draft"
    live(name)
    assert "[push_which_app]" in work.push(f"{name}.git").stderr
    pods.save_resource(pod=pod, kind="Config", name="wip", spec={"variables": []}, by=alice, create=True)
    later = work.push(f"{name}/jobs.git")
    assert later.returncode == 0
    assert "which has other changes: review and deploy it there" in later.stderr
    pod.refresh_from_db()
    assert pod.deployments.count() == 2
    assert pod.draft is not None
    assert {"wip", "jobs"} <= set(pod.draft.snapshot())
    work.commit("again")
    assert "jobs is in the draft" in work.push(f"{name}/jobs.git").stderr
    assert "Deploying web at" in work.push(f"{name}/web.git").stderr
