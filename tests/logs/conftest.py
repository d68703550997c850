from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from apps.accounts.models import Team
from apps.core.ids import new_id
from apps.core.masking import Mask
from apps.deployments.models import Deployment
from apps.logs.writer import LogWriter
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


async def in_thread(work: Callable[[], Any]) -> Any:
    return await sync_to_async(work, thread_sensitive=False)()


def write(stream: str, first: int, last: int, *, pause: float = 0.0) -> None:
    """Lines whose text is their number."""
    with LogWriter.open(stream, mask=Mask([])) as log:
        for number in range(first, last + 1):
            log.line(str(number))
            if pause:
                time.sleep(pause)
