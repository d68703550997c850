"""A route's page: what visitors get now and why; and its form."""

from __future__ import annotations

import pytest
from django.http import QueryDict
from django.test import Client

from apps.dashboard.resource_forms import ResourceForm
from apps.deployments.models import AppControl
from apps.pods import kinds
from apps.pods.models import Pod
from tests.dashboard.pages.test_pages import page, text

pytestmark = pytest.mark.django_db


def shown(alices: Client, pod: Pod) -> str:
    return text(page(alices, "resource", pod.name, "front"))


def test_all_is_well(alices: Client, live_pod: Pod) -> None:
    assert "/ web Live its answers" in shown(alices, live_pod)


@pytest.mark.parametrize(
    ("failing", "gets", "hint"),
    [
        ("nothing listens on $PORT yet", "502", "listen on 0.0.0.0"),
        ("it listens on 127.0.0.1:3000 instead of $PORT", "502", "listen on 0.0.0.0"),
        ("/ did not answer within 10 s", "504 where it takes too long", "time limit is answered 504"),
        ("/ answered 500", "its answers, errors among them", "log say more"),
    ],
)
def test_what_the_check_found_is_why(alices: Client, live_pod: Pod, failing: str, gets: str, hint: str) -> None:
    live_pod.workloads.update(state="unhealthy", failing=failing)
    words = shown(alices, live_pod)
    assert f"{gets} {failing}" in words
    assert hint in words


def test_what_does_not_run(alices: Client, live_pod: Pod) -> None:
    AppControl.objects.create(pod=live_pod, app="web", asleep_since=live_pod.created_at)
    assert "its answer, once it is awake" in shown(alices, live_pod)
    AppControl.objects.update(stopped_at=live_pod.created_at, asleep_since=None)
    assert "503, a page that says so" in shown(alices, live_pod)
    AppControl.objects.all().delete()
    live_pod.workloads.all().delete()
    assert "502 No instance of it runs." in shown(alices, live_pod)


def test_what_comes_before_the_apps(alices: Client, live_pod: Pod) -> None:
    assert live_pod.live
    route = live_pod.live.resources.get(name="front")
    route.spec["maintenance"] = True
    route.save()
    assert "every request is answered 503" in shown(alices, live_pod)


def test_the_form_gives_back_what_was_typed() -> None:
    kind = kinds.get("Route")
    form = ResourceForm(kind, kind.blank(), {})
    form.read(
        QueryDict(
            "rules.0.path=/&rules.0.app=web&redirects.0.source=/old&redirects.0.target=/new&redirects.0.status=308"
            "&redirects.1.source=&redirects.1.target=&redirects.1.status=307&headers.0.name=X-A&headers.0.value=b"
            "&allowFrom=10.0.0.0/8%0D%0A::1&password.value=open+sesame&hsts=30&httpsOnly=on&www=remove&gzip=all"
            "&passwordUser=guest&timeout=60&bodyLimit=100&enabled=on"
        )
    )
    parsed = kind.parse(form.result)
    assert parsed["redirects"] == [{"source": "/old", "target": "/new", "status": 308}]
    assert parsed["headers"] == [{"name": "X-A", "value": "b"}]
    assert parsed["allowFrom"] == ["10.0.0.0/8", "::1"]
    assert (parsed["httpsOnly"], parsed["hsts"], parsed["www"], parsed["gzip"]) == (True, 30, "remove", "all")
    assert form.secrets == {"password": "open sesame"}
    form.read(QueryDict("password.value=&password.remove=on"))
    assert form.secrets == {"password": None}
