"""The API as others' programs use it: by a client that a generator made of the served description, over HTTP.

Nothing of the platform is imported by the client; what it cannot say or read is wrong in the description.
"""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from apps.accounts import tokens
from apps.accounts.models import User
from apps.accounts.policies import READ_ONLY
from apps.api import pages
from apps.edge.access_log import Served
from apps.metrics import store
from apps.metrics.steps import Batch
from apps.pods.models import Pod
from tests.api.conftest import Program
from tests.api.test_revisions import went_live
from tests.dashboard.access_matrix import API_V1

PACKAGE = "brainpod_api_client"
Client = Any


@pytest.fixture(scope="module")
def document() -> bytes:
    return json.dumps(pages.schema()).encode()


@pytest.fixture(scope="module")
def sdk(document: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sdk]:
    folder = tmp_path_factory.mktemp("client")
    (folder / "openapi.json").write_bytes(document)
    (folder / "config.yml").write_text("post_hooks: []\n")  # formatting, which nobody will read
    command = [
        str(Path(sys.executable).parent / "openapi-python-client"), "generate", "--path=openapi.json", "--meta=none",
        "--config=config.yml", f"--output-path={PACKAGE}", "--fail-on-warning",
    ]  # fmt: skip
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    assert "warning" not in (made.stdout + made.stderr).lower()
    sys.path.insert(0, str(folder))
    try:
        yield Sdk(folder / PACKAGE)
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]


class Sdk:
    """The generated package: an operation is asked for by the name of its module, a model by its own."""

    def __init__(self, root: Path) -> None:
        self.operations = {
            path.stem: f"{PACKAGE}.api.{path.parent.name}.{path.stem}"
            for path in root.glob("api/*/*.py")
            if path.stem != "__init__"
        }
        self.models = importlib.import_module(f"{PACKAGE}.models")
        self.root = importlib.import_module(PACKAGE)

    def module(self, operation: str) -> ModuleType:
        return importlib.import_module(self.operations[operation])

    def client(self, url: str, token: str) -> Client:
        made = self.root.AuthenticatedClient(base_url=url, token=token, raise_on_unexpected_status=True)
        return made.with_timeout(httpx.Timeout(60))

    def ask(self, client: Client, operation: str, *path: Any, status: int = 200, **given: Any) -> Any:
        """What the client made of the answer."""
        answer = self.module(operation).sync_detailed(*path, client=client, **given)
        assert answer.status_code == status, answer.content
        return answer.parsed

    def refused(self, client: Client, operation: str, *path: Any, **given: Any) -> tuple[int, str, list[str]]:
        """Status, code and paths of an error, read through the client's own models."""
        answer = self.module(operation).sync_detailed(*path, client=client, **given)
        assert isinstance(answer.parsed, self.models.ErrorResponse), answer.content
        error = answer.parsed.error
        assert error.message
        assert error.request_id == answer.headers["x-request-id"]
        return int(answer.status_code), error.code.value, [one.path for one in error.details or []]


def test_no_operation_and_no_answer_is_left_out(sdk: Sdk) -> None:
    assert {name.replace("_", "").lower() for name in sdk.operations} == {name.lower() for name in API_V1}
    for name in sdk.operations:
        answer = str(inspect.signature(sdk.module(name).sync_detailed).return_annotation)
        assert "ErrorResponse" in answer, name
        assert answer.count("|") >= 1, f"{name} answers nothing that has a shape"
        assert "Any" not in answer, name


@pytest.fixture
def api(sdk: Sdk, live_server: Any, program: Callable[..., Program], alice: User) -> Client:
    return sdk.client(live_server.url, program(alice).token)


def contents(models: Any) -> list[Any]:
    """An app, its route, a disk, a database on it and a config with a secret, as the client's models."""

    def one(kind: str, name: str, spec: Any) -> Any:
        metadata = models.Metadata(name=name)
        made = getattr(models, f"{kind}Content")
        return made(api_version="pod.brainpod.io/v1alpha1", kind=kind, metadata=metadata, spec=spec)

    variable = models.AppSpecVariable(name="GREETING", value="hello")
    source = models.AppSpecSource(repo="https://git.example.com/team/orders.git", branch="main")
    rule = models.RouteSpecRulesItem(backend_ref="urn:brain:app:default:web")
    secrets = models.ConfigSpecSecrets.from_dict({"KEY": "v3ry-secret"})
    return [
        one("App", "web", models.AppSpec(source=source, env=[variable], replicas=2)),
        one("Route", "front", models.RouteSpec(rules=[rule])),
        one("Disk", "data", models.DiskSpec(size=10)),
        one("Postgres", "db", models.PostgresSpec(disk_ref="urn:brain:disk:default:data")),
        one("Config", "settings", models.ConfigSpec(secrets=secrets)),
    ]


@pytest.mark.django_db(transaction=True)
def test_a_whole_task(sdk: Sdk, api: Client, live_server: Any, document: bytes, openbao: object) -> None:
    """From nothing to a deployed pod with a history: made, planned, deployed, changed, rolled back to, deleted."""
    assert httpx.get(f"{live_server.url}/api/v1/openapi.json").content == document
    first, urns = make_and_deploy(sdk, api)
    for number in (2, 3, 4):
        change_and_deploy(sdk, api, number)
    assert paged(sdk, api) == [
        [(4, "deployed", True), (3, "deployed", False), (2, "deployed", False)],
        [(1, "deployed", False)],
    ]
    older = sdk.ask(api, "get_revision", "orders", first)
    assert {one.urn for one in older.resources} == urns
    confirmed = sdk.models.RollbackInput(confirmed=True)
    back = sdk.ask(api, "deploy_revision", "orders", str(older.id), status=202, body=confirmed)
    assert back.revision_id == older.id
    assert [one.trigger.value for one in sdk.ask(api, "list_deployments", "orders", limit=1).items] == ["rollback"]

    stream = sdk.ask(api, "watch_pod_events", "orders", resource="urn:brain:app:default:web", duration=1)
    assert "event: end" in stream
    assert sdk.ask(api, "delete_pod", "orders", status=202, confirmation="orders").name == "orders"


def make_and_deploy(sdk: Sdk, api: Client) -> tuple[str, set[str]]:
    """The id of the first revision, and the URNs of what is in it."""
    models = sdk.models
    assert sdk.ask(api, "get_current_user").email
    made = sdk.ask(api, "create_pod", status=201, body=models.PodCreateInput(name="orders"))
    assert (made.name, made.head.version, made.deployed) == ("orders", 1, None)
    wanted = contents(models)
    assert sdk.ask(api, "create_resources", "orders", body=wanted, dry_run=True).valid is True
    assert sdk.ask(api, "list_resources", "orders") == []
    batch = sdk.ask(api, "create_resources", "orders", status=201, body=wanted)
    assert [type(one.content) for one in batch.resources] == [type(one) for one in wanted]
    plan = sdk.ask(api, "get_plan", "orders")
    assert {(one.name, one.action.value) for one in plan.lines} >= {("web", "create"), ("data", "create")}
    diff = sdk.ask(api, "get_revision_diff", "orders", str(plan.revision_id))
    assert {(one.name, one.change_type.value) for one in diff.entries} == {
        (name, "create") for name in ("web", "front", "data", "db", "settings")
    }
    assert "v3ry-secret" not in repr((batch, plan, diff))
    order = models.DeployInput(summary="first", plan=plan.token)
    accepted = sdk.ask(api, "deploy_pod", "orders", status=202, body=order)
    assert (accepted.revision_id, accepted.state.value) == (plan.revision_id, "pending")
    pod = Pod.objects.get()
    pod.deployments.all().delete()
    went_live(pod, pod.revisions.get())
    return str(plan.revision_id), {one.urn for one in batch.resources}


def change_and_deploy(sdk: Sdk, api: Client, number: int) -> None:
    """What is read is changed and written back, as others may have changed it meanwhile."""
    models, pod = sdk.models, Pod.objects.get()
    here = ("orders", models.GetResourceKind.APP, "default", "web")
    read = sdk.module("get_resource").sync_detailed(*here, client=api)
    content, seen = read.parsed.content, read.headers["etag"]
    content.spec.start_command = f"run {number}"
    there = ("orders", models.ReplaceResourceKind.APP, *here[2:])
    changed = sdk.ask(api, "replace_resource", *there, body=content, if_match=seen)
    assert changed.resources[0].content.spec.start_command == f"run {number}"
    assert sdk.refused(api, "replace_resource", *there, body=content, if_match=seen)[:2] == (
        412, "PRECONDITION_FAILED",
    )  # fmt: skip
    sdk.ask(api, "deploy_pod", "orders", status=202, body=models.DeployInput(summary=f"number {number}"))
    pod.refresh_from_db()
    pod.deployments.filter(state="pending").delete()
    went_live(pod, pod.revisions.get(version=number))


def paged(sdk: Sdk, api: Client) -> list[list[tuple[int, str, bool]]]:
    """All revisions, three at a time."""
    versions, cursor = [], None
    while True:
        page = sdk.module("list_revisions").sync_detailed("orders", client=api, limit=3, cursor=cursor)
        versions.append([(one.version, one.state.value, one.is_deployed) for one in page.parsed.items])
        if (cursor := page.headers.get("x-next-cursor")) is None:
            break
    assert page.parsed.field_links["next"] is None
    return versions


@pytest.mark.django_db(transaction=True)
def test_what_is_measured(sdk: Sdk, api: Client, pod: Pod) -> None:
    models = sdk.models
    sdk.ask(api, "create_resources", "shop", status=201, body=contents(models)[:3])
    at, batch = time.time() - 60, Batch()
    batch.at("", "", at).looks += 1
    batch.count(Served(pod.pk, "web", at, 200, 20, 100, 2000, "front"), at)
    batch.count(Served(pod.pk, "", at, 301, 1, 100, 200, "front"), at)
    store.write(store.reading("host"), {}, batch.buckets())
    for name, operation, ranges, redirected in (
        ("web", "get_app_metrics", models.GetAppMetricsRange, 0),
        ("front", "get_route_metrics", models.GetRouteMetricsRange, 4),
    ):
        said = sdk.ask(api, operation, "shop", name, range_=ranges("1h"))
        number = said.times.index(int(at // 15) * 15)
        assert [said.series[one][number] for one in ("succeeded", "redirected")] == [4, redirected]
        assert said.series["p95"][0] is None
        assert {len(said.series[one]) for one in said.series.additional_keys} == {len(said.times)}
        assert sdk.ask(api, operation, "shop", name, range_=ranges("30d")).step == 7200
    assert sdk.refused(api, "get_route_metrics", "shop", "web")[:2] == (404, "NOT_FOUND")


@pytest.mark.django_db(transaction=True)
def test_what_is_refused(
    sdk: Sdk,
    api: Client,
    live_server: Any,
    program: Callable[..., Program],
    alice: User,
    bob: User,
    charlie: User,
    pod: Pod,
) -> None:
    """Every refusal is a value of the client's error model: nothing has to be read out of a text."""
    models = sdk.models
    body = contents(models)
    body[2].spec.size = 1
    assert sdk.refused(api, "create_resources", "shop", body=body) == (400, "VALIDATION_ERROR", ["2.spec.size"])
    again = models.PodCreateInput(name="shop")
    assert sdk.refused(api, "create_pod", body=again) == (412, "PRECONDITION_FAILED", [""])
    assert sdk.refused(api, "list_revisions", "shop", limit=99) == (400, "VALIDATION_ERROR", ["limit"])
    assert sdk.refused(api, "get_pod", "nowhere")[:2] == (404, "NOT_FOUND")
    assert sdk.refused(api, "delete_pod", "shop") == (400, "VALIDATION_ERROR", ["confirmation"])
    huge = models.ConfigSpec(files=models.ConfigSpecFiles.from_dict({"a.txt": "x" * 2_100_000}))
    body[4].spec = huge
    assert sdk.refused(api, "create_resources", "shop", body=body[4:])[:2] == (413, "REQUEST_TOO_LARGE")

    def token(raw: str) -> Client:
        return sdk.client(live_server.url, raw)

    assert sdk.refused(token("none"), "list_pods")[:2] == (401, "UNAUTHORIZED")
    assert sdk.refused(token(f"{tokens.PREFIX}{'x' * 43}"), "list_pods")[:2] == (401, "UNAUTHORIZED")
    reader = token(program(alice, READ_ONLY).token)
    assert [one.name for one in sdk.ask(reader, "list_pods")] == ["shop"]
    assert sdk.refused(reader, "create_resources", "shop", body=contents(models))[:2] == (403, "FORBIDDEN")
    developer = token(program(bob).token)
    assert sdk.refused(developer, "delete_pod", "shop", confirmation="shop")[:2] == (403, "FORBIDDEN")
    stranger = token(program(charlie, of=charlie.teams.get()).token)
    assert sdk.refused(stranger, "get_pod", "shop")[:2] == (404, "NOT_FOUND")
    row, raw = tokens.make(user=alice, name="short", team=pod.team)
    assert sdk.ask(token(raw), "get_pod", "shop").name == "shop"
    tokens.revoke(token=row)
    assert sdk.refused(token(raw), "get_pod", "shop")[:2] == (401, "UNAUTHORIZED")
