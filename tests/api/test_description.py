"""The API's own description, the page that shows it, the examples of the documents, and requests made up from it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from django.contrib.staticfiles import finders
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from apps.accounts.models import ApiToken, User
from apps.accounts.policies import READ_ONLY
from apps.api.pages import schema
from apps.pods.models import Pod
from brainpod.wsgi import application
from tests.api import reference
from tests.api.conftest import FRONT, WEB, Program, resource
from tests.dashboard.access_matrix import API_V1

pytestmark = pytest.mark.django_db
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "api.md"
EXAMPLES = 4  # requests made up for each operation
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_it_has_every_operation_as_it_is_published() -> None:
    made = schema()
    found = {one["operationId"]: (method, path) for path, rows in made["paths"].items() for method, one in rows.items()}
    assert found.keys() == API_V1.keys()
    published = {
        (method, re.sub(r"\{[^}]+\}", "{}", path)): one["operationId"]
        for path, rows in reference.PUBLISHED["paths"].items()
        for method, one in rows.items()
    }
    ours = {
        "deletePod", "getPlan", "deployRevision", "listDeployments", "getDeployment", "cancelDeployment",
        "getDeploymentLog", "getAppLog", "getAppMetrics", "getRouteMetrics", "listDomains",
        "addDomain", "removeDomain", "checkDomain", "listBackups", "createBackup", "getBackup", "restoreBackup",
        "listChildren", "createStagingPod", "getPromotion", "promotePod", "listPreviews", "approvePreview",
        "closePreview", "redeployPreview", "wakePreview", "getPreviewSettings", "replacePreviewSettings",
        "importFiles", "rotateWebhookSecret", "endOldWebhookSecret",
    }  # fmt: skip
    for name, (method, path) in found.items():
        key = method, re.sub(r"\{[^}]+\}", "{}", path.removeprefix("/api"))
        assert (name in ours) == (key not in published), name
    for one in made["components"]["schemas"].values():
        Draft202012Validator.check_schema(one)


def test_our_resources_fit_our_own_description(ask: Program, pod: Pod) -> None:
    ask.post("/pods/shop/resources", [WEB, FRONT])
    content = {"$ref": "#/components/schemas/Content", "components": schema()["components"]}
    for one in ask.get("/pods/shop/resources").said:
        assert not list(Draft202012Validator(content).iter_errors(one["content"]))
    for body in (WEB, FRONT):
        assert not list(Draft202012Validator(content).iter_errors(body))


def test_limits_are_told_by_words_that_programs_know(ask: Program, pod: Pod) -> None:
    content = {"$ref": "#/components/schemas/Content", "components": schema()["components"]}
    small = resource("Disk", "data", {"size": 1})
    assert [one.path for one in Draft202012Validator(content).iter_errors(small)]
    assert schema()["components"]["schemas"]["DiskSpec"]["properties"]["size"]["minimum"] == 5
    assert ask.post("/pods/shop/resources", [small]).paths == ["0.spec.size"]


def test_everybody_may_read_it_and_people_may_try_it(bob: User, client_of: Callable[..., Client]) -> None:
    assert Client().get("/api/v1/openapi.json").json()["info"]["title"] == "Brainpod API"
    assert Client().get("/api/v1/docs").status_code == 302
    page = client_of(bob).get("/api/v1/docs").content.decode()
    for name in re.findall(r'(?:src|href)="/static/((?:ninja|api)/[^"]+)"', page):
        assert finders.find(name), name
    assert page.count("/static/ninja/") == 2
    assert "://" not in re.sub(r'data-\w+="[^"]*"', "", page).replace("http://www.w3.org", "")


def test_a_token_with_a_policy_is_made_on_the_page(alice: User, client_of: Callable[..., Client], team: Any) -> None:
    client = client_of(alice)
    asked = {"name": "ci", "scope": f"team:{team.slug}", "expiry": "", "preset": "read", "policy": ""}
    assert client.post("/account/tokens/", asked).status_code == 200
    assert ApiToken.objects.get().policy == READ_ONLY
    assert "pods:read" in client.get("/account/tokens/").content.decode()
    wrong = '{"version": "1", "statements": [{"sid": "a", "effect": "maybe", "actions": ["*"], "resources": ["x"]}]}'
    answer = client.post("/account/tokens/", asked | {"preset": "own", "policy": wrong})
    assert answer.status_code == 422
    text = answer.content.decode()
    assert "policy.statements.0.effect" in text
    assert "policy.statements.0.resources.0" in text
    for more in ({"preset": "own"}, {"policy": wrong}, {"preset": "nonsense"}):
        assert client.post("/account/tokens/", asked | more).status_code == 422, more
    right = wrong.replace("maybe", "allow").replace('"x"', '"urn:brain:pod:a-*"')
    assert client.post("/account/tokens/", asked | {"preset": "own", "policy": right}).status_code == 200
    assert ApiToken.objects.count() == 2


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
@pytest.mark.django_db(transaction=True)
def test_the_examples_of_the_document_work(
    live_server: Any, program: Callable[..., Program], alice: User, tmp_path: Path
) -> None:
    (script,) = re.findall(r"^```sh\n(.*?)^```", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    given_ = {"PATH": os.environ["PATH"], "TOKEN": program(alice).token, "BRAINPOD": live_server.url}
    done = subprocess.run(
        ["sh", "-e"], input=script.encode(), env=given_, cwd=tmp_path, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert Pod.objects.get(name="guestbook").deployments.count() == 1


@pytest.mark.django_db(transaction=True)
def test_requests_made_up_from_it(program: Callable[..., Program], alice: User, pod: Pod) -> None:
    """Whatever fits the description is answered as it says, and never with an error of ours."""
    program(alice).post("/pods/shop/resources", [WEB, FRONT])
    headers = {"Authorization": f"Bearer {program(alice).token}"}
    described = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", application)
    operations = [one.ok() for one in described.get_all_operations()]
    assert len(operations) == len(API_V1)
    tried = set()

    def asking(operation: Any) -> Callable[[], None]:
        @given(data=st.data())
        @settings(
            max_examples=EXAMPLES, database=None, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        def ask(data: Any) -> None:
            case = data.draw(operation.as_strategy())
            if "pod" in (case.path_parameters or {}) and data.draw(st.booleans()):
                case.path_parameters["pod"] = "shop"
            answer = case.call(headers=headers)
            tried.add(operation.definition.raw["operationId"])
            assert answer.status_code < 500, (case.as_curl_command(), answer.text)
            case.validate_response(answer, checks=CHECKS)

        return ask

    for operation in operations:
        asking(operation)()
    assert tried == API_V1.keys()
