"""Repositories that connections see, of each kind of host, and picking one for an app."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Team, User
from apps.connections import actions
from apps.connections.models import Connection
from apps.connections.remote import repositories as remote
from apps.connections.remote.repositories import repositories
from apps.core.errors import UserError
from apps.pods import actions as pods
from apps.pods.models import Pod
from apps.sources import source
from tests.connections.api_host import ApiHost
from tests.connections.conftest import TOKEN, Connect
from tests.connections.test_actions import pem
from tests.sources.conftest import Served, git

Browser = Callable[..., Client]
MANY = [f"acme/app-{number:03}" for number in range(230)]
LISTS = {
    "github": (r"/user/repos", 100, ""),
    "gitlab": (r"/projects", 100, ""),
    "gitea": (r"/user/repos", 50, ""),
    "bitbucket": (r"/repositories/acme", 100, "values"),
}


@pytest.fixture
def host(served: Served) -> Callable[[str], ApiHost]:
    return lambda provider: ApiHost(served, provider, f"Bearer {TOKEN}")


def names(connection: Connection, words: str = "") -> list[str]:
    return [one.name for one in repositories(connection, words).found]


@pytest.mark.parametrize("provider", list(LISTS))
def test_each_kind_of_host_is_asked_page_by_page(
    provider: str, host: Callable[[str], ApiHost], connect: Connect, served: Served
) -> None:
    there, made = host(provider), connect(provider=provider)
    pattern, size, inner = LISTS[provider]
    there.lists(pattern, MANY, size, inner)
    there.on("GET", "/user/permissions/workspaces", (200, {"values": [{"workspace": {"slug": "acme"}}]}))
    found = repositories(made)
    assert [one.name for one in found.found] == MANY
    assert not found.more
    assert found.found[7].url == f"{served.url}/acme/app-007.git"
    assert found.found[7].private
    before = len(there.asked)
    assert names(made, "APP 12") == [name for name in MANY if "12" in name] or provider == "gitlab"
    assert names(made, "zz") == []
    assert len(there.asked) == before or provider == "gitlab", "a list is kept while it is searched"


def test_gitlab_searches_by_itself(host: Callable[[str], ApiHost], connect: Connect) -> None:
    there, made = host("gitlab"), connect()
    there.lists(r"/projects", ["acme/shop"])
    assert names(made, "sh") == ["acme/shop"]
    assert "search" not in there.asked[-1].query
    assert names(made, "shop") == ["acme/shop"]
    assert there.asked[-1].query["search"] == "shop"


def test_a_github_app_lists_its_installation(
    host: Callable[[str], ApiHost], team: Team, alice: User, authority: str
) -> None:
    there = host("github")
    there.app()
    there.lists(r"/installation/repositories", ["acme/shop", "other/lib"], inner="repositories")
    made = actions.connect_github_app(
        team=team, host=authority, app_id="1", installation_id="2", private_key=pem(), scope="acme", by=alice
    )
    assert names(made) == ["acme/shop"], "what it is not for is not offered"
    assert there.asked[0].body == {"permissions": {"metadata": "read"}}


def test_no_more_pages_than_are_looked_at(
    host: Callable[[str], ApiHost], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PAGES", 2)
    there, made = host("gitea"), connect(provider="gitea")
    there.lists(r"/user/repos", MANY, 50)
    found = repositories(made)
    assert (len(found.found), found.more) == (100, True)


def test_what_is_archived_or_elsewhere_is_left_out(host: Callable[[str], ApiHost], connect: Connect) -> None:
    there, made = host("gitea"), connect(provider="gitea")
    rows = [
        there.row("acme/old", archived=True), there.row("acme/away") | {"clone_url": "https://evil.example.org/a/b"},
        there.row("acme/in") | {"clone_url": "file:///etc/passwd"}, there.row("acme/x") | {"full_name": 7}, 7, None,
        there.row("acme/shop"),
    ]  # fmt: skip
    there.on("GET", "/user/repos", (200, rows))
    assert names(made) == ["acme/shop"]


@pytest.mark.parametrize(
    ("status", "said", "code", "words"),
    [
        (401, {"message": "Bad credentials"}, "authentication_failed", "(the host: Bad credentials)"),
        (403, {"message": "Resource not accessible"}, "host_refused", "the scope read_api"),
        (404, {"error": "insufficient_scope"}, "host_refused", "insufficient_scope"),
        (500, "oops", "source_unreachable", "Try again"),
        (302, {}, "source_unreachable", "status 302"),
        (200, {"not": "a list"}, "source_unreachable", "lists no repositories"),
    ],
)
def test_refusals_in_words(
    host: Callable[[str], ApiHost], connect: Connect, status: int, said: object, code: str, words: str
) -> None:
    there, made = host("gitlab"), connect()
    there.on("GET", "/projects", (status, said))
    with pytest.raises(UserError) as caught:
        repositories(made)
    assert caught.value.code == code
    assert words in str(caught.value)
    assert TOKEN not in str(caught.value)
    made.refresh_from_db()
    assert not made.last_error, "it may clone all the same"


def test_a_permission_that_the_app_lacks(
    host: Callable[[str], ApiHost], team: Team, alice: User, authority: str
) -> None:
    host("github").app(granted=())
    made = actions.connect_github_app(
        team=team, host=authority, app_id="1", installation_id="2", private_key=pem(), by=alice
    )
    with pytest.raises(UserError) as caught:
        repositories(made)
    assert caught.value.code == "host_refused"


def test_branches_the_default_one_first(served: Served, work: Path) -> None:
    for name in ("abc", "feature/x"):
        git("branch", name, cwd=work)
    url = served.push(work, "shop")
    git("symbolic-ref", "HEAD", "refs/heads/main", cwd=served.root / "shop.git")
    found = source().branches(url)
    assert (found.default, found.names, found.more) == ("main", ("main", "abc", "feature/x"), False)
    root = settings.BRAINPOD.state / "repositories" / "home"
    root.mkdir(parents=True, exist_ok=True)
    git("clone", "--quiet", "--bare", str(work), str(root / "lib.git"), cwd=work)
    assert source().branches("brainpod:home/lib").names == ("main", "abc", "feature/x")


# The pages


@pytest.fixture
def pod(team: Team, bob: User) -> Pod:
    return pods.create_pod(team=team, name=f"p{team.pk}-pick", by=bob)


@pytest.fixture
def shop(host: Callable[[str], ApiHost], connect: Connect, private: str) -> Connection:
    """A GitLab with acme/shop, which can be cloned."""
    host("gitlab").lists(r"/projects", ["acme/shop", "acme/<b>lib"])
    return connect()


def fragment(client: Client, pod: Pod, name: str, status: int = 200, **query: str) -> str:
    answer = client.get(reverse(name, args=[pod.name]), query, headers={"HX-Request": "true"})
    assert answer.status_code == status
    return str(answer.content.decode())


def test_a_developer_picks(shop: Connection, private: str, pod: Pod, bob: User, client_of: Browser) -> None:
    client = client_of(bob)
    new = client.get(reverse("resource-new", args=[pod.name, "App"])).content.decode()
    assert "Pick from a connection" in new
    assert shop.name in new
    listed = fragment(client, pod, "repositories", connection=shop.pk, q="shop")
    assert "acme/shop" in listed
    assert "hx-get" in listed
    assert "lib" not in listed
    filled = fragment(client, pod, "repository-branches", repo=private)
    assert f'value="{private}"' in filled
    assert '<option value="main"' in filled
    assert 'id="source_branch" hx-swap-oob="true"' in filled
    assert 'name="source.branch"' in filled


def test_without_a_script(shop: Connection, private: str, pod: Pod, bob: User, client_of: Browser) -> None:
    client = client_of(bob)
    page = client.get(reverse("repositories", args=[pod.name]), {"connection": shop.pk}).content.decode()
    assert "acme/&lt;b&gt;lib" not in page, "what cannot be an address is not offered"
    assert "<html" in page
    assert "hx-get" not in page.split('id="repositories"')[1].split("</main>")[0]
    new = client.get(reverse("resource-new", args=[pod.name, "App"]), {"repo": private}).content.decode()
    assert f'value="{private}"' in new


def test_what_the_host_refuses_is_said_in_its_place(
    shop: Connection, host: Callable[[str], ApiHost], pod: Pod, bob: User, client_of: Browser
) -> None:
    client = client_of(bob)
    host("gitlab").on("GET", "/projects", (403, {"error": "insufficient_scope", "error_description": "<b>no</b>"}))
    said = fragment(client, pod, "repositories", 422, connection=shop.pk)
    assert "the scope read_api" in said
    assert "<b>" not in said
    broken = fragment(client, pod, "repository-branches", repo=f"https://{shop.host}/acme/none.git")
    assert "acme/none.git" in broken, "what was chosen stays"
    assert "alert" in broken
    assert "private address" in fragment(client, pod, "repository-branches", repo="https://10.0.0.1/x.git")


def test_who_may_not(
    shop: Connection, pod: Pod, vera: User, charlie: User, bob: User, client_of: Browser, connect: Any
) -> None:
    for who, status in ((vera, 403), (charlie, 404)):
        for name in ("repositories", "repository-branches"):
            assert client_of(who).get(reverse(name, args=[pod.name]), {"connection": shop.pk}).status_code == status
    fragment(client_of(bob), pod, "repositories", 404, connection="0" * 16)


def test_a_team_without_connections_sees_no_picker(pod: Pod, bob: User, client_of: Browser) -> None:
    client = client_of(bob)
    assert "Pick from a connection" not in client.get(reverse("resource-new", args=[pod.name, "App"])).content.decode()
    assert "No connection lists repositories" in client.get(reverse("repositories", args=[pod.name])).content.decode()
