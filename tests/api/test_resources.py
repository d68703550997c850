"""Resources through the API: batches, replacing, deleting, and what errors name."""

from __future__ import annotations

from typing import Any

import pytest

from apps.pods.models import HostName, Pod, Resource, Revision
from tests.api import reference
from tests.api.conftest import APP, DATA, FRONT, SETTINGS, WEB, Program, resource

pytestmark = pytest.mark.django_db
AT = "/pods/shop/resources"


def counts() -> tuple[int, ...]:
    return Revision.objects.count(), Resource.objects.count(), HostName.objects.exclude(route="").count()


def test_a_batch_is_made_and_read_back(ask: Program, pod: Pod) -> None:
    made = ask.post(AT, [WEB, FRONT, DATA, SETTINGS])
    assert made.status == 201
    assert [one["urn"] for one in made.said["resources"]] == [
        "urn:brain:app:default:web", "urn:brain:route:default:front", "urn:brain:disk:default:data",
        "urn:brain:config:default:settings",
    ]  # fmt: skip
    assert {one["status"] for one in made.said["resources"]} == {None}, "nothing is live"
    listed = ask.get(AT).said
    assert {one["content"]["metadata"]["name"] for one in listed} == {"web", "front", "data", "settings"}
    head = ask.get("/pods/shop").said["head"]
    assert head["id"] == made.said["revisionId"]
    assert head["status"] == "draft"
    assert ask.get(made.said["_links"]["revision"]["href"]).said["resources"] == listed
    front = ask.get(f"{AT}/Route/default/front").said["content"]["spec"]
    assert front["hostname"].startswith("shop.")
    rule = {"name": "web", "path": "/", "port": 8080, "backendRef": "urn:brain:app:default:web", "strip": False}
    assert front["rules"] == [rule]
    for one in listed:
        assert ask.get(one["_links"]["self"]["href"]).said == one


def test_what_is_read_can_be_written(ask: Program, pod: Pod) -> None:
    mounts = [{"path": "/data", "disk": "data"}, {"path": "/etc-app/a.txt", "file": "a.txt", "config": "settings"}]
    spec = APP | {"mounts": mounts, "startCommand": "run", "env": [{"name": "A", "value": "b"}]}
    database = resource("Postgres", "db", {"version": "16", "instance": "1x", "server": "", "diskRef": "data"})
    route = FRONT | {"spec": FRONT["spec"] | {"domains": ["www.example.com"], "httpsOnly": True}}
    shared = [resource(kind, f"at-{kind.lower()}", {"server": "main"}) for kind in ("Postgres", "MariaDB", "Valkey")]
    assert ask.post(AT, [WEB | {"spec": spec}, route, DATA, SETTINGS, *shared]).status == 201
    for one in ask.get(AT).said:
        assert ask.put(one["_links"]["self"]["href"], one["content"]).said["resources"][0] == one
    assert database["kind"] == "Postgres"


def test_the_published_fields_are_enough(ask: Program, pod: Pod) -> None:
    selector = {"status": "configured", "name": "web", "githubRepo": "team/shop", "refName": "refs/heads/main"}
    spec = {
        "image": "shop/web", "artifactSelector": selector, "env": [], "instance": "1x", "replicas": 2,
        "lifecycle": {"init": {"cmd": "migrate"}}, "checks": {"ready": {"path": "/health", "port": 8080}},
    }  # fmt: skip
    body = [resource("App", "web", spec), FRONT, SETTINGS, DATA]
    reference.check_request("POST", f"/api/v1{AT}", body)
    assert ask.post(AT, body).status == 201
    made = Resource.objects.get(name="web").spec
    assert made["source"]["repo"] == "https://github.com/team/shop"
    assert made["source"]["branch"] == "main"
    assert (made["preStart"], made["healthCheckType"], made["healthCheckPath"]) == ("migrate", "http", "/health")
    for ready, line in (
        ({"cmd": ["sh", "-c", "a || b"]}, "a || b"),
        ({"cmd": ["curl", "-f", "a b"]}, "curl -f 'a b'"),
    ):
        body = resource("App", "web", spec | {"checks": {"ready": ready}})
        assert ask.put(f"{AT}/App/default/web", body).status == 200
        assert Resource.objects.get(name="web").spec["healthCheckCommand"] == line


def test_all_or_nothing(ask: Program, pod: Pod) -> None:
    before = counts()
    wrong = resource("Disk", "big", {"size": 9000})
    said = ask.post(AT, [WEB, FRONT, wrong])
    assert (said.status, said.error, said.paths) == (400, "VALIDATION_ERROR", ["2.spec.size"])
    twice = ask.post(AT, [WEB, FRONT, WEB])
    assert (twice.status, twice.error) == (412, "PRECONDITION_FAILED")
    assert counts() == before


def test_a_dry_run_changes_nothing(ask: Program, pod: Pod) -> None:
    before = counts()
    assert ask.post(f"{AT}?dryRun=true", [WEB, FRONT]).said == {"valid": True}
    assert ask.post(f"{AT}?dryRun=true", [resource("Route", "front", {"rules": []})]).paths == ["0.spec.rules"]
    assert counts() == before
    assert ask.post(AT, [WEB, FRONT]).status == 201
    assert ask.post(f"{AT}?dryRun=true", [WEB]).error == "PRECONDITION_FAILED"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (resource("App", "web", APP | {"nonsense": 1}), "0.spec.nonsense"),
        (resource("App", "web", APP | {"image": "nginx:1.27"}), "0.spec.image"),
        (resource("App", "web", APP | {"artifactSelector": {"status": "pending"}}), "0.spec.artifactSelector"),
        (resource("App", "web", {"artifactSelector": {"status": "pending"}}), "0.spec.artifactSelector.status"),
        (resource("App", "web", APP | {"runtime": {"uid": 1}}), "0.spec.runtime"),
        (resource("App", "web", APP | {"checks": {"ready": {"port": 3000}}}), "0.spec.checks.ready.port"),
        (resource("App", "web", APP | {"checks": {"ready": {"nonsense": 1}}}), "0.spec.checks.ready.nonsense"),
        (resource("App", "web", APP | {"lifecycle": {"init": {"image": "a"}}}), "0.spec.lifecycle.init.image"),
        (resource("App", "web", APP | {"env": [{"name": "1", "value": ""}]}), "0.spec.env.0.name"),
        (resource("App", "web", APP | {"replicas": "many"}), "0.spec.replicas"),
        (resource("App", "Web", APP), "0.metadata.name"),
        (resource("App", "", APP), "0.metadata.name"),
        (resource("Route", "r", {"rules": [{"path": "/"}]}), "0.spec.rules.0.backendRef"),
        (resource("Route", "r", {"rules": [{"backendRef": "urn:brain:disk:default:a"}]}), "0.spec.rules.0.backendRef"),
        (resource("Route", "r", {"rules": [{"backendRef": "A B"}]}), "0.spec.rules.0.backendRef"),
        (resource("Route", "r", {"rules": [{"backendRef": "a", "port": 80}]}), "0.spec.rules.0.port"),
        (resource("Route", "r", {"rules": [{"backendRef": "a"}], "hostname": "a.example.com"}), "0.spec.hostname"),
        (resource("Route", "r", {"rules": [{"backendRef": "a"}], "password": "short"}), "0.spec.password"),
        (resource("Route", "r", {"rules": [{"backendRef": "a"}], "passwordSet": True}), "0.spec.passwordSet"),
        (resource("Config", "c", {"secrets": {"A": 3}}), "0.spec.secrets.A"),
        (resource("Config", "c", {"secrets": {"A": ""}}), "0.spec.secrets.A"),
        (resource("Config", "c", {"secrets": []}), "0.spec.secrets"),
        (resource("Disk", "d", {"size": 1}), "0.spec.size"),
        (resource("Disk", "d", {"size": 10, "volumeHandle": "x"}), "0.spec.volumeHandle"),
        (resource("Postgres", "p", {"version": "9", "diskRef": "d"}), "0.spec.version"),
        (resource("Postgres", "p", {"version": "16"}), "0.spec.diskRef"),
        (resource("Postgres", "p", {"version": "16", "disk": "d"}), "0.spec.disk"),
        (resource("Nonsense", "n", {}), "0.kind"),
        (WEB | {"nonsense": 1}, "0.nonsense"),
        (WEB | {"apiVersion": "v2"}, "0.apiVersion"),
        (WEB | {"metadata": {"name": "web", "namespace": "other"}}, "0.metadata.namespace"),
        (WEB | {"metadata": {"name": "web", "labels": {}}}, "0.metadata.labels"),
        (WEB | {"spec": "text"}, "0.spec"),
        ("text", "0"),
    ],
)  # fmt: skip
def test_errors_name_the_field(ask: Program, pod: Pod, given: Any, path: str) -> None:
    said = ask.post(AT, [given])
    assert (said.status, said.error) == (400, "VALIDATION_ERROR")
    assert path in said.paths, said.said


def test_replacing_is_whole_and_of_what_is_there(ask: Program, pod: Pod) -> None:
    ask.post(AT, [resource("App", "web", APP | {"startCommand": "run"}), DATA])
    at = f"{AT}/App/default/web"
    seen = ask.get(at).headers["ETag"]
    assert ask.put(at, WEB).status == 200
    assert ask.get(at).said["content"]["spec"]["startCommand"] == ""
    assert ask.put(at, WEB, if_match=seen).error == "PRECONDITION_FAILED", "somebody else was faster"
    assert ask.put(at, WEB, if_match=ask.get(at).headers["ETag"]).status == 200
    assert ask.put(f"{AT}/App/default/other", resource("App", "other", APP)).status == 404
    assert ask.put(at, resource("App", "other", APP)).paths == ["metadata.name"]
    assert ask.put(f"{AT}/Disk/default/web", resource("Disk", "web", {"size": 5})).status == 404
    assert ask.put(f"{AT}/Disk/other/data", DATA).status == 404


def test_deleting_takes_it_out_of_the_draft(ask: Program, pod: Pod) -> None:
    ask.post(AT, [DATA])
    said = ask.delete(f"{AT}/Disk/default/data")
    assert (said.status, said.said["resources"]) == (200, [])
    assert ask.delete(f"{AT}/Disk/default/data").status == 404
    assert ask.get(AT).said == []


def test_secrets_come_in_and_never_go_out(ask: Program, pod: Pod, openbao: Any) -> None:
    value = "correct-horse-battery"
    at = f"{AT}/Config/default/settings"
    made = ask.post(AT, [resource("Config", "settings", {"secrets": {"KEY": value, "OTHER": value}})])
    assert made.status == 201, made.said
    guarded = FRONT | {"spec": FRONT["spec"] | {"password": value}}
    assert ask.post(AT, [WEB, guarded]).status == 201
    for path in (AT, at, "/pods/shop/revisions", f"/pods/shop/revisions/{made.said['revisionId']}/diff"):
        assert value not in str(ask.get(path).said)
    shown = ask.get(at).said["content"]
    assert shown["spec"]["secrets"] == {"KEY": {"version": 1}, "OTHER": {"version": 1}}
    assert ask.put(at, shown).said["resources"][0]["content"] == shown
    bare = resource("Config", "settings", {"files": {}})
    assert ask.put(at, bare).said["resources"][0]["content"]["spec"]["secrets"] == shown["spec"]["secrets"]
    changed = resource("Config", "settings", {"secrets": {"KEY": "new-" + value, "OTHER": None}})
    assert ask.put(at, changed).said["resources"][0]["content"]["spec"]["secrets"] == {"KEY": {"version": 2}}
    stale = resource("Config", "settings", {"secrets": {"KEY": {"version": 1}}})
    assert ask.put(at, stale).paths == ["spec.secrets.KEY"]
    front = ask.get(f"{AT}/Route/default/front").said["content"]
    assert front["spec"]["passwordSet"] is True
    assert ask.put(f"{AT}/Route/default/front", front).said["resources"][0]["content"] == front
    removed = front | {"spec": {"rules": front["spec"]["rules"], "password": None}}
    assert ask.put(f"{AT}/Route/default/front", removed).said["resources"][0]["content"]["spec"]["passwordSet"] is False


def test_databases_have_a_disk_by_reference(ask: Program, pod: Pod, openbao: Any) -> None:
    spec = {"version": "11", "instance": "1x", "diskRef": "urn:brain:disk:default:data"}
    assert ask.post(AT, [DATA, resource("MariaDB", "db", spec)]).status == 201
    shown = ask.get(f"{AT}/MariaDB/default/db").said["content"]["spec"]
    assert shown == {"version": "11.8", "instance": "1x", "diskRef": "urn:brain:disk:default:data"}
    assert Resource.objects.get(name="db").spec["credentials"] == 1
    postgres = resource("Postgres", "pg", {"version": "16", "instance": ".5x", "diskRef": "urn:brain:disk:default:d"})
    reference.check_request("POST", f"/api/v1{AT}", [postgres])
    assert ask.post(AT, [resource("Disk", "d", {"size": 5}), postgres]).status == 201
