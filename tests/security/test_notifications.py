"""Where a team is told what happens: corpora/notifications.yaml."""

from __future__ import annotations

import pytest

from apps.accounts.labels import check_email
from apps.accounts.models import Team, User
from apps.notify import actions, checks
from apps.notify.models import Endpoint, Kind
from tests.security.corpus import Group, groups, hold

pytestmark = pytest.mark.django_db
GOOD = {"kind": "webhook", "name": "Releases", "target": "https://1.1.1.1/hook"}


@pytest.mark.parametrize("group", groups("notifications"), ids=str)
def test_refused(group: Group, team: Team, alice: User) -> None:
    def add(**given: object) -> None:
        actions.add(team=team, by=alice, **(GOOD | given))

    match group.entry:
        case "url":
            hold(group, lambda url: checks.check_target(Kind.WEBHOOK, url))
        case "host":
            hold(group, lambda host: checks.check_target(Kind.SLACK, group.more["template"].format(host)))
        case "email":
            hold(group, lambda address: check_email(address, "target"))
        case "event":
            hold(group, lambda event: add(events=[event]))
        case "pod":
            hold(group, lambda pod: add(pods=[pod]))
        case one:
            hold(group, lambda value: add(**{one: value}))
    assert not Endpoint.objects.exists()
