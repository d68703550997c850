"""What stands between a wish and its traffic asks the database for little: each statement is a part of the wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from apps.core.states import move
from apps.deployments.desired import edge_state
from apps.deployments.models import DEPLOYMENT_MOVES, Deployment
from apps.pods.models import Pod, Revision
from tests.pods.conftest import live, pod, save, shop

__all__ = ["live", "pod", "save", "shop"]
pytestmark = pytest.mark.django_db
Counted = Callable[[int], Any]


def test_the_whole_edge_is_a_fixed_number_of_statements(live: Pod, django_assert_num_queries: Counted) -> None:
    with django_assert_num_queries(8):
        assert [site.answer for site in edge_state().sites if site.host.startswith(f"{live.name}.")] == ["live"]


def test_a_deployment_reads_its_sealed_revision_once(live: Pod, django_assert_num_queries: Counted) -> None:
    row = Deployment.objects.create(pod=live, revision=live.live, trigger="manual")
    row = Deployment.objects.select_related("revision").get(pk=row.pk)
    wanted = row.revision.snapshot()
    with django_assert_num_queries(2):
        assert move(row, "pending", table=DEPLOYMENT_MOVES)
        assert row.revision.snapshot() == wanted
    other = Revision.objects.create(pod=live, version=99, sealed_at=timezone.now())
    Deployment.objects.filter(pk=row.pk).update(revision=other)
    row.refresh_from_db()
    assert row.revision == other


def test_what_is_no_sealed_revision_is_read_again(shop: Pod) -> None:
    draft = shop.draft
    assert draft is not None
    row = Deployment.objects.create(pod=shop, revision=draft, trigger="manual")
    assert row.revision.is_draft
    Revision.objects.filter(pk=draft.pk).update(summary="after")
    row.refresh_from_db()
    assert row.revision.summary == "after"
