"""What the git host is told of a preview: statuses that can be required, and a comment that stays closed."""

from __future__ import annotations

import pytest

from apps.accounts.models import User
from apps.deployments import actions as deployments
from apps.deployments import announcing
from apps.deployments.models import Deployment
from apps.pods.models import Pod
from apps.previews.models import Preview
from apps.reporting.models import Kind, Report
from tests.connections.conftest import Connect, authority, connect
from tests.hooks.conftest import B, C
from tests.previews.conftest import Shop
from tests.sources.conftest import served

__all__ = ["authority", "connect", "served"]  # fixtures
pytestmark = pytest.mark.django_db


@pytest.fixture
def connected(shop: Shop, connect: Connect) -> Shop:
    connect(provider="github", host="github.com")
    return shop


def end(pod: Pod, state: str) -> None:
    """As a worker ends it: with the pod as it was when it began."""
    row = Deployment.objects.select_related("pod", "revision").filter(pod=pod).latest("id")
    row.state = state
    announcing.deployment_ended(row)


def comment() -> str:
    return Report.objects.get(kind=Kind.COMMENT).words


def test_each_pull_request_has_the_same_check(connected: Shop) -> None:
    """Of `web`, which is built from it; `api` is built too, at the commit that is live in the parent."""
    for number, head in ((12, B), (13, C)):
        connected.told(head, number)
        child = connected.child(number)
        assert set(child.deployments.get().revision.builds.values_list("app", flat=True)) == {"web", "api"}
        end(child, "ready")
    rows = Report.objects.filter(kind=Kind.STATUS).order_by("id").values_list("key", "subject", "repository")
    repository = "https://github.com/octo/shop.git"
    assert list(rows) == [("brainpod/shop/web (preview)", head, repository) for head in (B, C)]


@pytest.mark.parametrize("ended", ["cancelled", "failed", "ready"])
def test_what_was_closed_stays_closed(connected: Shop, ended: str) -> None:
    """Whether or not a worker has begun to remove the pod when its deployment ends."""
    connected.told()
    child = connected.child()
    end(child, "failed")
    assert "was not deployed" in comment()
    connected.told(is_open=False)
    closed = comment()
    assert "is closed" in closed
    assert connected.row().state == "closed"
    end(child, ended)
    assert comment() == closed
    Pod.objects.filter(pk=child.pk).update(deleting_at=None)
    end(child, ended)
    assert comment() == closed


def test_a_pod_that_somebody_deletes_is_not_told_of(connected: Shop, alice: User) -> None:
    """Its preview is closed later."""
    connected.told()
    child, before = connected.child(), comment()
    deployments.delete_pod(pod=child, confirmation=child.name, by=alice)
    end(child, "cancelled")
    assert comment() == before


def test_opened_again_it_is_told_of_again(connected: Shop) -> None:
    connected.told()
    connected.told(is_open=False)
    first = Preview.objects.get().pod
    assert first
    Preview.objects.update(pod=None)
    Pod.objects.filter(pk=first.pk).update(name="gone")
    first.hosts.all().delete()
    connected.told()
    assert connected.child().name == "shop-pr-12"
    end(connected.child(), "ready")
    assert "is live" in comment()
