"""A sample of the corpora of specs through the form: what is refused is said on the page, and not saved."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Team, User
from apps.pods import actions, kinds
from apps.pods.models import Resource
from tests.security.corpus import Group, groups
from tests.security.entries import spec_of

pytestmark = pytest.mark.django_db


def plain(value: Any) -> bool:
    """What a browser sends as it is."""
    return isinstance(value, str) and 0 < len(value) < 3000 and value == value.strip() and value.isprintable()


TRIED = {
    "routes": (
        "more than a name",
        "paths of rules",
        "targets of redirects",
        "names of headers",
        "user names of the password",
    ),
    "apps": ("repositories on this machine", "paths that are asked for health", "paths of mounts", "time zones"),
    "configs": ("names of variables",),
    "databases": ("sizes of disks",),
}


def sample() -> Iterator[tuple[Group, str]]:
    """The first input of each group that a browser sends as it is."""
    for corpus, tried in TRIED.items():
        for group in groups(corpus):
            if group.about in tried:
                yield group, next(filter(plain, group.bad))


def typed(kind: str, spec: Mapping[str, Any]) -> dict[str, str]:
    """`spec` as the form sends it."""
    lines = {each.path for each in kinds.get(kind).form if each.widget in ("lines", "domains")}
    named = {each.path for each in kinds.get(kind).form if each.widget == "names"}

    def cells(path: str, value: Any) -> Iterator[tuple[str, str]]:
        if path in lines and isinstance(value, list):
            yield path, "\n".join(value)
        elif isinstance(value, (dict, list)):
            for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
                yield from cells(f"{path}.{key}" if path else str(key), inner)
        else:
            yield (f"{path}.name" if path.rpartition(".")[0] in named else path), str(value)

    return dict(cells("", spec))


@pytest.mark.parametrize(("group", "value"), [pytest.param(*one, id=str(one[0])) for one in sample()])
def test_it_is_said_on_the_page(
    group: Group, value: str, team: Team, alice: User, client_of: Callable[..., Client]
) -> None:
    pod = actions.create_pod(team=team, name="shop", by=alice)
    address = reverse("resource-new", kwargs={"pod": pod.name, "kind": group.entry})
    said = client_of(alice).post(address, {"name": "thing"} | typed(group.entry, spec_of(group, value)))
    assert said.status_code == 422
    assert group.says.lower() in html.unescape(said.content.decode()).lower()
    assert not Resource.objects.filter(name="thing").exists()
