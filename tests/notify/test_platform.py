"""The whole platform: a deployment by its own worker is told to a program outside, which checks the signature."""

from __future__ import annotations

import pytest
from standardwebhooks.webhooks import Webhook

from tests.notify.conftest import Receiver
from tests.stack.components import wait_for
from tests.stack.platform import own_platform

pytestmark = pytest.mark.platform

DEPLOY = """
from django.utils import timezone
from apps.accounts.models import Membership, Team, User
from apps.deployments import actions as deployments
from apps.notify import actions
from apps.pods.models import Pod
ada = User.objects.create(email="ada@example.com", name="Ada")
team = Team.objects.create(name="Home", slug="home")
Membership.objects.create(team=team, user=ada, role="owner")
_, key = actions.add(team=team, kind="webhook", name="ours", target="{url}", by=ada)
pod = Pod.objects.create(team=team, name="shop", created_by=ada)
revision = pod.revisions.create(version=1, sealed_at=timezone.now(), summary="first")
revision.resources.create(kind="Config", name="settings", spec={{}})
deployments.start(pod=pod, revision=revision, trigger="manual", by=ada)
print("key", key)
"""


def test_a_deployment_is_told_to_a_program(receiver: Receiver) -> None:
    with own_platform(BRAINPOD_ALLOWED_NETWORKS="127.0.0.0/8") as platform:
        printed = platform.manage("shell", "-c", DEPLOY.format(url=f"{receiver.url}/hook")).stdout
        key = printed.split("key ")[1].split()[0]
        wait_for(lambda: len(receiver.at("/hook")) == 2, 120, "what is told of the deployment")
        told = [Webhook(key).verify(one.body, one.headers) for one in receiver.at("/hook")]
        assert [one["event"] for one in told] == ["deployment.started", "deployment.success"]
        assert told[1]["data"]["words"] == "v1 of shop is live."
        assert told[1]["data"]["url"].startswith(platform.url())
        logs = "".join(path.read_text(errors="replace") for path in platform.state.glob("log/*.log"))
        assert key not in logs
