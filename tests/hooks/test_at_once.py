"""The same push many times at the same moment."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import pytest
from django.db import connections

from apps.deployments.models import Deployment
from apps.hooks.models import Receipt, Tip
from tests.hooks.conftest import A, B, Hook
from tests.stack.github import push_payload

pytestmark = pytest.mark.django_db(transaction=True)
COUNT, THREADS = 100, 10


def test_identical_deliveries_deploy_once(make_hook: Callable[..., Hook], valkey: str) -> None:
    hook = make_hook(web={}, api={})
    payload = push_payload(B, before=A)
    statuses: list[int] = []
    start = threading.Barrier(THREADS)

    def deliver() -> None:
        start.wait(60)
        try:
            statuses.extend(hook.send(payload).status_code for _ in range(COUNT // THREADS))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=deliver) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert Counter(statuses) == {202: 1, 200: COUNT - 1}
    assert Deployment.objects.filter(pod=hook.pod, trigger="push").count() == 1
    assert Tip.objects.filter(pod=hook.pod).count() == 2
    assert Receipt.objects.filter(pod=hook.pod, outcome="deploying").count() == 1
