"""What runs, through the API: deployments, logs, metrics, domains, backups, images and clusters."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from django.utils import timezone

from apps.accounts.models import User
from apps.api.operations.images import architecture
from apps.backups.models import Backup, Restore
from apps.builds.models import Artifact, Build
from apps.deployments.models import Deployment, StageRun, Workload
from apps.edge.access_log import Served
from apps.logs import store
from apps.logs.lines import EVENT, Line, encode
from apps.logs.live import Entry
from apps.metrics import store as store_of_metrics
from apps.metrics.charts import TRAFFIC
from apps.metrics.steps import Batch
from apps.pods import actions
from apps.pods.models import HostName, Pod
from tests.api.conftest import DATA, FRONT, WEB, Program

pytestmark = pytest.mark.django_db


@pytest.fixture
def live(pod: Pod, ask: Program) -> Deployment:
    """The deployment that made an app, a route and a disk live."""
    assert ask.post("/pods/shop/resources", [WEB, FRONT, DATA]).status == 201
    revision = actions.seal(pod=pod, summary="first", by=None)
    Pod.objects.filter(pk=pod.pk).update(live=revision, head=revision)
    made = Deployment.objects.create(pod=pod, revision=revision, trigger="manual", state="ready")
    for number, stage in enumerate(("launch", "clone")):
        StageRun.objects.create(
            deployment=made, stage=stage, app="web", state="passed" if number else "failed", note="why"
        )
    return made


def wrote(stream: str, *lines: tuple[str, str]) -> None:
    """Level and text of each."""
    row = store.take(stream)
    now = int(time.time() * 1000)
    made = [Line(row.last_seq + n, now, "Build · web", level, text) for n, (level, text) in enumerate(lines, 1)]
    store.append(stream, row.fence, [Entry(made[0].seq, made[-1].seq, 0, encode(made))])


def test_deployments(ask: Program, live: Deployment, pod: Pod) -> None:
    older = Deployment.objects.create(pk="0" * 16, pod=pod, revision=live.revision, trigger="push", state="failed")
    page = ask.get("/pods/shop/deployments?limit=1")
    assert [one["id"] for one in page.said["items"]] == [live.pk]
    assert page.headers["x-next-cursor"] == live.pk
    rest = ask.get(page.said["_links"]["next"]["href"])
    assert ([one["id"] for one in rest.said["items"]], rest.said["_links"]["next"]) == ([older.pk], None)
    assert [one["id"] for one in ask.get("/pods/shop/deployments?state=failed").said["items"]] == [older.pk]
    assert ask.get("/pods/shop/deployments?state=nonsense").paths == ["state"]
    shown = ask.get(f"/pods/shop/deployments/{live.pk}").said
    assert (shown["state"], shown["version"], shown["summary"], shown["actor"]) == ("ready", 1, "first", None)
    assert [(one["stage"], one["state"]) for one in shown["stages"]] == [("clone", "passed"), ("launch", "failed")]
    assert ask.get(shown["_links"]["revision"]["href"]).status == 200
    assert ask.get("/pods/shop/deployments/none").status == 404


def test_cancelling(ask: Program, live: Deployment, pod: Pod, bob: User) -> None:
    assert ask.post(f"/pods/shop/deployments/{live.pk}/cancel").error == "PRECONDITION_FAILED"
    Deployment.objects.filter(pk=live.pk).update(state="pending")
    said = ask.post(f"/pods/shop/deployments/{live.pk}/cancel")
    assert (said.status, said.said["cancelling"]) == (202, True)
    assert Deployment.objects.get().cancelled_by == bob


def test_the_log_of_a_deployment(ask: Program, live: Deployment) -> None:
    at = f"/pods/shop/deployments/{live.pk}/log"
    assert ask.get(at).said["items"] == []
    event = '{"kind": "stage", "title": "Build", "app": "web", "state": "passed", "seconds": 2.0}'
    wrote(live.stream, ("info", "\x1b[1mstep 1"), (EVENT, event), *(("info", f"step {n}") for n in range(2, 6)))
    page = ask.get(f"{at}?limit=4")
    assert [one["text"] for one in page.said["items"]] == [
        "step 1", "── Build · web passed in 2.0 s", "step 2", "step 3",
    ]  # fmt: skip
    rest = ask.get(page.said["_links"]["next"]["href"])
    assert [one["seq"] for one in rest.said["items"]] == [5, 6]
    assert "x-next-cursor" not in rest.headers
    wrote(live.stream, ("error", "more"))
    assert [one["text"] for one in ask.get(f"{at}?cursor={rest.said['cursor']}").said["items"]] == ["more"]
    found = ask.get(f"{at}?search=STEP&limit=2").said
    assert [one["text"] for one in found["items"]] == ["step 1", "step 2"]
    again = ask.get(found["_links"]["next"]["href"]).said
    assert [one["text"] for one in again["items"]] == ["step 3", "step 4"]
    text = ask.get(f"{at}?format=text")
    assert text.headers["Content-Type"].startswith("text/plain")
    assert text.said.count("\n") == 7
    assert "[Build · web] step 1\n" in text.said
    assert ask.get(f"{at}?cursor=x").paths == ["cursor"]
    assert ask.get(f"{at}?format=xml").paths == ["format"]


def test_the_log_and_the_figures_of_an_app(ask: Program, live: Deployment, pod: Pod) -> None:
    row = Workload.objects.create(pod=pod, revision=live.revision, app="web", fingerprint="f", deployment=live)
    wrote(row.stream, ("info", "hello"), ("error", "broke"))
    at = "/pods/shop/apps/web/log"
    assert [one["body"] for one in ask.get(at).said["items"]] == ["broke", "hello"]
    assert [one["body"] for one in ask.get(f"{at}?search=HELL").said["items"]] == ["hello"]
    assert [one["body"] for one in ask.get(f"{at}?level=error&range=5m").said["items"]] == ["broke"]
    for name in ("front", "data", "none"):
        assert ask.get(f"/pods/shop/apps/{name}/log").status == 404
        assert ask.get(f"/pods/shop/apps/{name}/metrics").status == 404
    said = ask.get("/pods/shop/apps/web/metrics?range=6h").said
    assert (said["range"], said["step"]) == ("6h", 60)
    assert {len(one) for one in said["series"].values()} == {len(said["times"])}
    assert len(said["times"]) in (360, 361)
    assert {"succeeded", "failed", "p95", "cpu", "memory", "restarts"} <= said["series"].keys()
    assert ask.get("/pods/shop/apps/web/metrics?range=1y").paths == ["range"]


def test_the_figures_of_a_route(ask: Program, live: Deployment, pod: Pod) -> None:
    """Requests of a minute ago, of two apps and of none, as the collector stores them."""
    at, batch = time.time() - 60, Batch()
    batch.at("", "", at).looks += 1
    served = Served(pod.pk, "web", at, 200, 20, 100, 2000, "front")
    for one in (served, served, replace(served, app="api", status=503, ms=400), replace(served, app="", status=301)):
        batch.count(one, at)
    batch.count(replace(served, route="other"), at)
    store_of_metrics.write(store_of_metrics.reading("host"), {}, batch.buckets())
    said = ask.get("/pods/shop/routes/front/metrics").said
    assert (said["range"], said["step"], said["end"] - said["first"]) == ("1h", 15, 3600)
    assert set(said["series"]) == set(TRAFFIC)
    number = said["times"].index(int(at // 15) * 15)
    figures = {name: values[number] for name, values in said["series"].items()}
    assert [figures[name] for name in ("succeeded", "redirected", "refused", "failed")] == [8, 4, 0, 4]
    assert (figures["received"], figures["sent"]) == (26.7, 533.3)
    assert figures["p50"] < 25 < 300 < figures["p95"] < figures["p99"] < 500
    assert {values[number - 1] for values in said["series"].values()} == {None}, "nobody looked"
    for span, step in (("6h", 60), ("24h", 300), ("7d", 1800), ("30d", 7200)):
        shown = ask.get(f"/pods/shop/routes/front/metrics?range={span}")
        assert (shown.said["step"], shown.said["_links"]["self"]["href"]) == (
            step, f"/api/v1/pods/shop/routes/front/metrics?range={span}",
        )  # fmt: skip
        assert [number > 0 for number in shown.said["series"]["failed"] if number] == [True]
    app = ask.get("/pods/shop/apps/web/metrics").said
    assert app["series"]["succeeded"][app["times"].index(int(at // 15) * 15)] == 12
    assert ask.get("/pods/shop/routes/front/metrics?range=1y").paths == ["range"]
    for name in ("web", "data", "none"):
        assert ask.get(f"/pods/shop/routes/{name}/metrics").status == 404


def test_domains(ask: Program, live: Deployment, pod: Pod) -> None:
    at = "/pods/shop/routes/front/domains"
    assert ask.get(at).said["items"] == []
    made = ask.post(at, {"domain": " Bücher.Example.com. "})
    host = "xn--bcher-kva.example.com"
    assert (made.status, made.said["host"], made.said["state"], made.said["change"]) == (201, host, "pending", "create")
    assert {"CNAME", "TXT"} == {one["type"] for one in made.said["records"]}
    assert ask.post(at, {"domain": host}).paths == ["domain"]
    assert ask.post(at, {"domain": "no domain"}).paths == ["domain"]
    assert ask.post(at, {"name": "x"}).status == 400
    HostName.objects.filter(host=host).update(check_at=None, checked_at=timezone.now())
    HostName.objects.filter(host=host).update(checked_at=None)
    assert ask.post(f"{at}/{host}/check").said["looking"] is True
    assert ask.post(f"{at}/other.example.com/check").status == 404
    assert ask.delete(f"{at}/{host}").said["items"] == []
    assert ask.delete(f"{at}/{host}").status == 404
    assert ask.get("/pods/shop/routes/web/domains").status == 404


def test_backups(ask: Program, live: Deployment, pod: Pod, bob: User) -> None:
    at = "/pods/shop/backups"
    made = ask.post(at, {"resource": "data"})
    assert (made.status, made.said["state"], made.said["kind"]) == (202, "pending", "Disk")
    assert Backup.objects.get().actor == bob
    assert ask.post(at, {"resource": "data"}).error == "PRECONDITION_FAILED"
    assert ask.post(at, {"resource": "web"}).status == 404
    restore = f"{at}/{made.said['id']}/restore"
    assert ask.post(restore, {"target": "data", "confirmation": "data"}).error == "PRECONDITION_FAILED"
    Backup.objects.update(state="completed", file="data_x", size=12)
    assert ask.post(restore, {"target": "data"}).paths == ["confirmation"]
    said = ask.post(restore, {"target": "data", "confirmation": "data"})
    assert (said.status, said.said["state"]) == (202, "pending")
    assert Restore.objects.get().actor == bob
    shown = ask.get(f"{at}/{made.said['id']}").said
    assert ([one["id"] for one in shown["restores"]], shown["size"]) == ([said.said["id"]], 12)
    assert len(ask.get(f"{at}?resource=data").said["items"]) == 1
    assert ask.get(f"{at}?resource=other").said["items"] == []
    assert ask.get(f"{at}/none").status == 404


def test_images_are_what_was_built(ask: Program, live: Deployment, pod: Pod) -> None:
    assert ask.get("/pods/shop/images").said == {
        "items": [], "total": 0, "_links": ask.get("/pods/shop/images").said["_links"],
    }  # fmt: skip
    digest = "sha256:" + "a" * 64
    for app, manifest in (("web", {"kind": "image", "image": f"registry.example/x@{digest}"}), ("api", {"app": "t"})):
        artifact = Artifact.objects.create(team=pod.team, kind="bundle", manifest=manifest)
        Build.objects.create(revision=live.revision, app=app, inputs="i", artifact=artifact, built_at=timezone.now())
    Build.objects.create(revision=live.revision, app="none", inputs="i")
    page = ask.get("/pods/shop/images?limit=1").said
    assert (page["total"], page["items"][0]["repository"]) == (2, "shop/api")
    (image,) = ask.get(page["_links"]["next"]["href"]).said["items"]
    assert (image["repository"], image["tag"], image["digest"]) == ("shop/web", "v1", digest)
    assert ask.get("/pods/shop/images?search=AAAA").said["total"] == 1
    assert ask.get("/pods/shop/images?visibility=public").said["items"] == []
    detail = ask.get(image["_links"]["inspect"]["href"]).said
    assert detail["variants"][0]["digest"] == digest
    assert detail["variants"][0]["architecture"] == architecture()
    at = "/pods/shop/images/inspect?visibility="
    for wrong in ("pod&repository=shop/web&tag=v2", "pod&repository=other/web&tag=v1", "pod&repository=shop/web&tag=x",
                  "public&repository=shop/web&tag=v1", "pod&repository=shop/none&tag=v1"):  # fmt: skip
        assert ask.get(at + wrong).status == 404, wrong
    builds = ask.get(f"/pods/shop/deployments/{live.pk}").said["builds"]
    assert {one["app"]: one["image"] for one in builds} == {"api": "shop/api:v1", "none": None, "web": "shop/web:v1"}


def test_clusters_are_where_pods_run(ask: Program, program: Callable[..., Program], bob: User) -> None:
    (cluster,) = ask.get("/clusters").said
    assert (cluster["provider"], cluster["region"]) == ("process", "local")
    assert cluster["architectures"] == [architecture()]
    assert ask.get("/clusters").said == [cluster]
