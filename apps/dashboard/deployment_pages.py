"""What the pages of deployments show."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict
from django.urls import reverse

from apps.dashboard import waiting
from apps.dashboard.changes import plan_of
from apps.dashboard.diagnosis import diagnosis_of
from apps.dashboard.forms.pods import RollbackForm
from apps.dashboard.timeline import elapsed, failed_step, tracks
from apps.deployments.models import STAGE_TITLES, Deployment, DeploymentState, StageRun
from apps.logs import reader
from apps.logs.history import initial
from apps.logs.lines import EVENT, plain
from apps.pods.models import Pod, Revision

PAGE = 30
LAST_LINES = 100


def page_of_deployments(pod: Pod, query: QueryDict, app: str = "") -> dict[str, Any]:
    """Newest first, of `app` alone if given; `?state=` filters, `?before=<id>` goes back."""
    wanted = query.get("state", "")
    rows = pod.deployments.select_related("revision", "actor").order_by("-id")
    if app:
        rows = rows.filter(pk__in=StageRun.objects.filter(deployment__pod=pod, app=app).values("deployment"))
    if wanted:
        rows = rows.filter(state=wanted)
    if query.get("before"):
        rows = rows.filter(id__lt=query["before"][:16])
    found = list(rows[: PAGE + 1])
    older = ""
    if len(found) > PAGE:
        following = QueryDict(mutable=True)
        kept = {key: str(query[key]) for key in ("state", "tab") if query.get(key)}
        following.update(kept | {"before": found[PAGE - 1].pk})
        older = following.urlencode()
    return {
        "rows": found[:PAGE],
        "older": older,
        "wanted": wanted,
        "filtered": bool(wanted or query.get("before")),
        "states": DeploymentState.values,
        "elapsed": elapsed,
        "place": waiting.place,
    }


def deployment_context(pod: Pod, deployment: Deployment, *, page: bool) -> dict[str, Any]:
    """`page`: with what only the whole page shows, the log and the dialog of a rollback."""
    runs = list(deployment.stages.all())
    failed = failed_step(runs)
    said = lines_of(deployment, failed) if failed else []
    is_live = deployment.revision_id == pod.live_id
    rolls_back = not deployment.is_open and pod.live_id is not None and not is_live
    context: dict[str, Any] = {
        "deployment": deployment,
        "tracks": tracks(runs),
        "failed": failed,
        "last_lines": said[-LAST_LINES:],
        "diagnosis": diagnosis_of(deployment, failed, said),
        "builds": deployment.revision.builds.order_by("app"),
        "is_live": is_live,
        "rolls_back": rolls_back,
        "may_cancel": deployment.is_open and not deployment.switched_at and not deployment.cancel_at,
        "took": elapsed(deployment),
        "waits": waiting.words(deployment),
    }
    if page:
        context |= {
            "stream": deployment.stream,
            "log": initial(deployment.stream),
            "history_url": reverse("deployment-log", args=[pod.name, deployment.pk]),
            "rollback": rollback(pod, deployment.revision) if rolls_back else None,
        }
    return context


def lines_of(deployment: Deployment, failed: StageRun) -> list[str]:
    """What is in the log's end of the stage that failed, without colours."""
    section = f"{STAGE_TITLES.get(failed.stage, failed.stage)} · {failed.app}"
    lines = reader.tail(deployment.stream, 2000)
    return [plain(line.text) for line in lines if line.section == section and line.level != EVENT]


def rollback(pod: Pod, revision: Revision) -> dict[str, Any]:
    """What the dialog says before `revision` is deployed again."""
    plan = plan_of(pod, revision)
    return {"revision": revision, "plan": plan, "form": RollbackForm(initial={"token": plan.token})}
