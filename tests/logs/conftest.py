from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from apps.accounts.models import Team
from apps.core.ids import new_id
from apps.deployments.models import Deployment
from apps.pods.models import Pod, Revision


@pytest.fixture
def stream() -> str:
    """The name of a log nobody wrote."""
    return f"deployment:{new_id()}"


@pytest.fixture
def deployment_in() -> Callable[[Team], Deployment]:
    """`deployment_in(team)`: a deployment of a pod of that team."""

    def make(team: Team) -> Deployment:
        pod = Pod.objects.create(team=team, name=f"p-{new_id()}")
        revision = Revision.objects.create(pod=pod, version=1, sealed_at=timezone.now())
        return Deployment.objects.create(pod=pod, revision=revision, trigger="manual", state="ready")

    return make
