"""What the tests of this folder share."""

from __future__ import annotations

import pytest

from apps.accounts.models import Team, User
from apps.pods import actions as pods
from apps.pods.models import Pod, Revision


@pytest.fixture
def live(team: Team, alice: User) -> Revision:
    """A revision that is live, with the app `web`."""
    pod = pods.create_pod(team=team, name="shop", by=alice)
    app = {"source": {"repo": "https://git.example.com/team/shop.git"}, "instance": ".25x"}
    pods.save_resource(pod=pod, kind="App", name="web", spec=app, by=alice, create=True)
    pod.refresh_from_db()
    revision = pods.seal(pod=pod, summary="", by=alice)
    Pod.objects.filter(pk=pod.pk).update(live=revision)
    return revision
