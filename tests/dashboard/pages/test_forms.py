"""Resources made, changed and taken out through their forms."""

from __future__ import annotations

import html as entities
import re
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.dashboard.resource_forms import ResourceForm
from apps.pods import actions, kinds
from apps.pods.models import Pod
from tests.dashboard.pages.conftest import HOSTILE, spec

pytestmark = pytest.mark.django_db

NEW_APP = {
    "name": "api",
    "type": "worker",
    "source.repo": "https://git.example.com/api.git",
    "source.branch": "main",
    "instance": "1x",
    "replicas": "2",
    "build.framework": "python",
    "build.cache": "on",
}


def post(client: Client, pod: Pod, data: dict[str, Any], *, kind: str = "", name: str = "") -> Any:
    address = reverse("resource-new", args=[pod.name, kind]) if kind else reverse("resource", args=[pod.name, name])
    return client.post(address, data)


def fields_of(html: str) -> dict[str, str]:
    """What a browser would send back of the form as it is, unchanged."""
    form = html.split("data-guard")[1].split("</form>")[0]
    form = re.sub(r"<template>.*?</template>", "", form, flags=re.DOTALL)
    found: dict[str, str] = {}
    for tag in re.findall(r"<input\b[^>]*>", form):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and 'type="checkbox"' not in tag:
            found[name[1]] = entities.unescape(value[1]) if value else ""
        elif name and re.search(r"\schecked", tag):
            found[name[1]] = "on"
    for name, body in re.findall(r'<textarea\b[^>]*name="([^"]*)"[^>]*>(.*?)</textarea>', form, flags=re.DOTALL):
        found[name] = entities.unescape(body).removeprefix("\n").replace("\n", "\r\n")
    for name, body in re.findall(r'<select\b[^>]*name="([^"]*)"[^>]*>(.*?)</select>', form, flags=re.DOTALL):
        chosen = re.search(r'<option(?: value="([^"]*)")? selected>([^<]*)', body)
        found[name] = (chosen[1] if chosen[1] is not None else chosen[2]) if chosen else ""
    return found


def draft_spec(pod: Pod, name: str) -> dict[str, Any]:
    assert pod.draft is not None
    return pod.draft.resources.get(name=name).spec


def test_an_app_is_made_by_its_form(empty_pod: Pod, bobs: Client) -> None:
    rows = {"env.0.name": "A", "env.0.value": "1\r\n2", "env.1.name": "", "env.1.value": "", "env.7.name": "B"}
    answer = post(bobs, empty_pod, NEW_APP | rows, kind="App")
    assert answer.status_code == 302
    made = draft_spec(empty_pod, "api")
    assert made["type"] == "worker"
    assert made["replicas"] == 2
    assert made["env"] == [{"name": "A", "value": "1\n2"}, {"name": "B", "value": ""}]
    assert made["build"]["cache"] is True
    assert made["source"]["submodules"] is False


@pytest.mark.parametrize("name", ["web", "front", "settings", "data"])
def test_a_form_sent_back_as_it_is_changes_nothing(name: str, live_pod: Pod, bobs: Client) -> None:
    html = bobs.get(reverse("resource", args=[live_pod.name, name]) + "?tab=configuration").content.decode()
    answer = post(bobs, live_pod, fields_of(html), name=name)
    assert answer.status_code == 302, answer.content.decode()
    assert live_pod.live is not None
    assert draft_spec(live_pod, name) == live_pod.live.snapshot()[name].spec


BAD = [
    ("App", {"name": "Api"}, "field_name-errors"),
    ("App", {"name": ""}, "field_name-errors"),
    ("App", {"name": "new"}, "field_name-errors"),
    ("App", {"source.repo": ""}, "field_source.repo-errors"),
    ("App", {"source.repo": "file:///etc"}, "field_source.repo-errors"),
    ("App", {"source.repo": "ext::sh -c id"}, "field_source.repo-errors"),
    ("App", {"source.branch": "--upload-pack=x"}, "field_source.branch-errors"),
    ("App", {"source.rootDir": "../.."}, "field_source.rootDir-errors"),
    ("App", {"replicas": "many"}, "field_replicas-errors"),
    ("App", {"replicas": "99"}, "field_replicas-errors"),
    ("App", {"instance": "9x"}, "field_instance-errors"),
    ("App", {"type": "godlike"}, "field_type-errors"),
    ("App", {"env.0.name": "LD_PRELOAD", "env.0.value": "x"}, "env.0.name-errors"),
    ("App", {"env.4.name": "OK", "env.9.name": "1X"}, "env.1.name-errors"),
    ("App", {"env.0.name": "X", "env.1.name": "X"}, "env.1.name-errors"),
    ("App", {"env.0.name": "", "env.0.value": "lonely"}, "env.0.name-errors"),
    ("App", {"mounts.0.path": "/etc", "mounts.0.disk": "d", "replicas": "1"}, "mounts.0.path-errors"),
    ("App", {"mounts.0.path": "/data", "replicas": "1"}, "mounts.0.disk-errors"),
    ("App", {"configs.0.name": "Not A Name"}, "configs.0.name-errors"),
    ("Route", {"rules.0.path": "no", "rules.0.app": "web"}, "rules.0.path-errors"),
    ("Route", {"rules.0.path": "/", "rules.0.app": ""}, "rules.0.app-errors"),
    ("Route", {}, "field_rules-errors"),
    ("Route", {"rules.0.path": "/", "rules.0.app": "web", "timeout": "0"}, "field_timeout-errors"),
    ("Disk", {"size": "1"}, "field_size-errors"),
    ("Disk", {"size": "1e9"}, "field_size-errors"),
    ("Disk", {"size": "9" * 40}, "field_size-errors"),
    ("Config", {"files.0.name": "../x", "files.0.text": "y"}, "field_files-errors"),
    ("Config", {"variables.0.name": "a b"}, "variables.0.name-errors"),
    ("Config", {"secrets.0.name": "a b", "secrets.0.value": "hush-hush"}, "field_secrets-errors"),
]


@pytest.mark.parametrize(("kind", "given", "where"), BAD)
def test_what_is_refused_stands_beside_its_field(
    kind: str, given: dict[str, str], where: str, empty_pod: Pod, bobs: Client
) -> None:
    base = NEW_APP if kind == "App" else {"name": "thing"}
    answer = post(bobs, empty_pod, base | given, kind=kind)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert f'id="{where}"' in html
    assert "aria-invalid" in html
    assert "hush-hush" not in html
    assert empty_pod.draft is None


def test_what_was_typed_is_kept_when_something_is_wrong(empty_pod: Pod, bobs: Client) -> None:
    given = NEW_APP | {
        "replicas": "many", "startCommand": HOSTILE, "env.0.name": "A", "env.0.value": "\nfirst line empty",
        "mounts.0.path": "/x", "mounts.0.disk": "elsewhere", "build.cache": "on",
    }  # fmt: skip
    html = post(bobs, empty_pod, given, kind="App").content.decode()
    kept = fields_of(html)
    assert kept["replicas"] == "many"
    assert kept["startCommand"] == HOSTILE
    assert kept["env.0.value"] == "\r\nfirst line empty"
    assert kept["mounts.0.disk"] == "elsewhere"
    assert HOSTILE not in html


def test_a_name_twice_is_told_at_the_name(live_pod: Pod, bobs: Client) -> None:
    answer = post(bobs, live_pod, {"name": "data", "size": "5"}, kind="Disk")
    assert answer.status_code == 409
    assert 'id="field_name-errors"' in answer.content.decode()


def test_a_disk_does_not_shrink(live_pod: Pod, bob: User, bobs: Client) -> None:
    assert live_pod.live is not None
    disk = live_pod.live.resources.get(name="data")
    disk.spec = spec("Disk", size=20)
    disk.save()
    answer = post(bobs, live_pod, {"size": "10"}, name="data")
    assert answer.status_code == 422
    assert "never shrinks" in answer.content.decode()


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(live_pod: Pod, alice: User, bobs: Client) -> None:
    html = bobs.get(reverse("resource", args=[live_pod.name, "data"]) + "?tab=configuration").content.decode()
    actions.save_resource(pod=live_pod, kind="Disk", name="data", spec={"size": 30}, by=alice, create=False)
    answer = post(bobs, live_pod, fields_of(html) | {"size": "9"}, name="data")
    assert answer.status_code == 409
    assert "Somebody else changed data" in answer.content.decode()
    assert draft_spec(live_pod, "data")["size"] == 30


def test_secrets_are_set_kept_replaced_and_removed_and_never_shown() -> None:
    form = ResourceForm(kinds.CONFIG, spec("Config", secrets={"OLD": 1, "GONE": 2, "KEPT": 3}), {})
    data = QueryDict(mutable=True)
    data.update({
        "secrets.0.name": "OLD", "secrets.0.value": "new value",
        "secrets.1.name": "GONE", "secrets.1.remove": "on",
        "secrets.2.name": "KEPT", "secrets.2.value": "",
        "secrets.3.name": "FRESH", "secrets.3.value": "line\r\nline",
        "secrets.4.name": "", "secrets.4.value": "",
    })  # fmt: skip
    form.read(data)
    assert form.secrets == {"OLD": "new value", "GONE": None, "FRESH": "line\nline"}
    rows = next(each for each in form.sections()["Environment"] if each.field.path == "secrets").rows
    shown = [[cell.value for cell in row.cells] for row in rows]
    assert "new value" not in str(shown)
    assert [row.stored for row in rows] == [True, True, True, False, False]


def test_fields_of_another_type_are_hidden_and_not_kept(empty_pod: Pod, bobs: Client) -> None:
    given = NEW_APP | {"type": "static", "startCommand": "left over", "replicas": "1"}
    assert post(bobs, empty_pod, given, kind="App").status_code == 302
    assert draft_spec(empty_pod, "api")["startCommand"] == ""
    html = bobs.get(reverse("resource", args=[empty_pod.name, "api"]) + "?tab=configuration").content.decode()
    assert re.search(r'data-when="type=web\|mcp\|worker" hidden', html)


def test_a_resource_goes_with_the_next_deployment(live_pod: Pod, bobs: Client) -> None:
    address = reverse("resource-deletion", args=[live_pod.name, "data"])
    assert bobs.post(address, {"confirmation": "data"}).status_code == 302
    assert live_pod.draft is not None
    assert not live_pod.draft.resources.filter(name="data").exists()
    shown = bobs.get(reverse("resource", args=[live_pod.name, "data"])).content.decode()
    assert "to be removed" in shown


@pytest.mark.parametrize("kind", ["Nothing", "app%00", "Postgres"])
def test_an_unknown_kind_is_not_found(kind: str, empty_pod: Pod, bobs: Client) -> None:
    assert bobs.get(f"/pods/{empty_pod.name}/resources/new/{kind}/").status_code == 404


def test_viewers_look_at_forms_and_send_none(live_pod: Pod, veras: Client) -> None:
    html = veras.get(reverse("resource", args=[live_pod.name, "web"]) + "?tab=configuration").content.decode()
    assert "<fieldset disabled>" in html
    assert "Save to the draft" not in html
    assert post(veras, live_pod, {"size": "9"}, name="data").status_code == 403
    assert post(veras, live_pod, {"name": "x", "size": "9"}, kind="Disk").status_code == 403
    assert veras.post(reverse("resource-deletion", args=[live_pod.name, "data"])).status_code == 403
    assert live_pod.draft is None
