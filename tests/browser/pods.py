"""Pods of these tests, made in the running platform without a browser."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import httpx

from apps.core.ids import new_id
from tests.stack.platform import Platform

_MAKE = """
import json
from apps.accounts.models import Team
from apps.builds.stored import stored_apps
from apps.deployments import actions as deployments
from apps.pods import actions, plan
team, _ = Team.objects.get_or_create(slug="home", defaults={"name": "home"})
pod = actions.create_pod(team=team, name=%(name)r, by=None)
for kind, name, spec, secrets in json.loads(%(resources)r):
    actions.save_resource(pod=pod, kind=kind, name=name, spec=spec, secrets=secrets, by=None, create=True)
token = plan.make_plan(pod, pod.draft, stored=stored_apps(pod.draft)).token
print(deployments.deploy_draft(pod=pod, summary="The first one", token=token, confirmed=False, by=None).pk)
"""
_STATE = "from apps.deployments.models import Deployment as D; d = D.objects.get(pk=%r); print(d.state, d.error)"


@dataclass
class MadePod:
    platform: Platform
    name: str
    deployment: str

    @property
    def address(self) -> str:
        return f"/pods/{self.name}/"

    def ask(self, path: str, **query: object) -> None:
        """Ask the app for `path` through nginx."""
        answer = httpx.get(
            self.platform.address + path,
            params={name: str(value) for name, value in query.items()},
            headers={"Host": f"{self.name}.localhost"},
            timeout=30,
            trust_env=False,
        )
        answer.raise_for_status()


def run(platform: Platform, code: str) -> str:
    """The last line that `code` prints in the platform's own Django."""
    return platform.manage("shell", "--no-imports", "-c", code).stdout.strip().splitlines()[-1]


def make_pod(platform: Platform, repo: str, *more: tuple[str, str, dict[str, Any], Any], **app: Any) -> MadePod:
    """A live pod with the app `web` of `repo`, the route `site`, and `more` (kind, name, spec, secrets)."""
    name = f"pod-{new_id()[-8:]}"
    web = {"source": {"repo": repo}, "build": {"buildCommand": "python build.py"}, "instance": ".5x"} | app
    resources = [*more, ("App", "web", web, None), ("Route", "site", {"rules": [{"path": "/", "app": "web"}]}, None)]
    made = run(platform, _MAKE % {"name": name, "resources": json.dumps(resources)})
    pod = MadePod(platform, name, made)
    deadline = time.monotonic() + 120
    while not (state := run(platform, _STATE % made)).startswith("ready"):
        assert time.monotonic() < deadline, f"{state}\n{platform.tails()}"
        assert not state.startswith(("failed", "cancelled")), f"{state}\n{platform.tails()}"
        time.sleep(0.3)
    return pod
