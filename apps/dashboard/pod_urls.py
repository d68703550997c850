"""The pages of pods, beneath /pods/."""

from __future__ import annotations

from django.urls import URLPattern, path

from apps.dashboard.views import (
    build_plans,
    deployments,
    draft,
    logs,
    metrics,
    pods,
    resources,
    revisions,
    watch_paths,
    webhooks,
)

urlpatterns: list[URLPattern] = [
    path("", pods.pods, name="pods"),
    path("new/", pods.pod_new, name="pod-new"),
    path("<slug:pod>/", pods.pod, name="pod"),
    path("<slug:pod>/bar/", pods.pod_bar, name="pod-bar"),
    path("<slug:pod>/settings/", pods.pod_settings, name="pod-settings"),
    path("<slug:pod>/webhook/", webhooks.webhook, name="webhook"),
    path("<slug:pod>/webhook/secret/", webhooks.webhook_secret, name="webhook-secret"),
    path("<slug:pod>/webhook/rotation/", webhooks.webhook_rotation, name="webhook-rotation"),
    path("<slug:pod>/region/", pods.pod_region, name="pod-region"),
    path("<slug:pod>/deletion/", pods.pod_deletion, name="pod-deletion"),
    path("<slug:pod>/resources/new/", resources.resource_kinds, name="resource-kinds"),
    path("<slug:pod>/resources/new/<str:kind>/", resources.resource_new, name="resource-new"),
    path("<slug:pod>/resources/<slug:name>/", resources.resource, name="resource"),
    path("<slug:pod>/resources/<slug:name>/deletion/", resources.resource_deletion, name="resource-deletion"),
    path("<slug:pod>/resources/<slug:name>/plan/", build_plans.build_plan, name="build-plan"),
    path("<slug:pod>/resources/<slug:name>/plan/remedy/", build_plans.build_plan_remedy, name="build-plan-remedy"),
    path("<slug:pod>/resources/<slug:name>/watch-paths/", watch_paths.watch_paths, name="watch-paths"),
    path("<slug:pod>/resources/<slug:name>/metrics.json", metrics.app_metrics, name="app-metrics"),
    path("<slug:pod>/resources/<slug:name>/cache/", resources.build_cache, name="build-cache"),
    path("<slug:pod>/workloads/<slug:workload>/log/", logs.workload_log, name="workload-log"),
    path("<slug:pod>/draft/", draft.draft, name="draft"),
    path("<slug:pod>/draft/discard/", draft.draft_discard, name="draft-discard"),
    path("<slug:pod>/deployments/", deployments.deployments, name="deployments"),
    path("<slug:pod>/deployments/<slug:deployment>/", deployments.deployment, name="deployment"),
    path("<slug:pod>/deployments/<slug:deployment>/cancellation/", deployments.cancellation, name="cancellation"),
    path("<slug:pod>/deployments/<slug:deployment>/remedy/", deployments.remedy, name="remedy"),
    path("<slug:pod>/deployments/<slug:deployment>/log/", logs.deployment_log, name="deployment-log"),
    path("<slug:pod>/deployments/<slug:deployment>/log.txt", logs.deployment_log_text, name="deployment-log-text"),
    path("<slug:pod>/revisions/", revisions.revisions, name="revisions"),
    path("<slug:pod>/revisions/<int:version>/", revisions.revision, name="revision"),
]
