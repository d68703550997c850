"""A GitHub App against a server that checks its signature and gives out tokens its git then asks for."""

from __future__ import annotations

import base64
import datetime
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from apps.accounts.models import Team, User
from apps.connections import actions, installation_tokens
from apps.connections.access import access, credential_for
from apps.connections.models import Connection
from apps.core.errors import Invalid, UserError
from apps.sources import github_app, source
from apps.sources.base import Commit
from tests.connections.conftest import Connect
from tests.sources.conftest import Served
from tests.sources.test_git import with_submodule


class GitHub:
    """Knows app 4711, installed as 99 where it reaches acme/shop and acme/lib."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.key = rsa.generate_private_key(65537, 2048)
        self.reaches = {"shop", "lib"}
        self.asked: list[dict[str, Any]] = []
        self.lasts = 3600
        served.api = self.answer

    @property
    def pem(self) -> str:
        kind = serialization.PrivateFormat.TraditionalOpenSSL
        return self.key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode()

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, object]:
        if not self._signed(headers.get("Authorization", "").removeprefix("Bearer ")):
            return 401, {"message": "A JSON web token could not be decoded"}
        if path != "/api/v3/app/installations/99/access_tokens":
            return 404, {"message": "Not Found"}
        wanted = json.loads(body)
        self.asked.append(wanted)
        if not {name.lower() for name in wanted["repositories"]} <= self.reaches:
            return 422, {"message": "There is at least one repository that does not exist or is not accessible"}
        token = f"ghs_planted{len(self.asked)}" + "x" * 20
        for name in wanted["repositories"]:
            self.served.logins[f"/acme/{name}.git/"] = ("x-access-token", token)
        ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=self.lasts)
        return 201, {"token": token, "expires_at": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def _signed(self, statement: str) -> bool:
        try:
            signed, _, signature = statement.rpartition(".")
            head, claims = (json.loads(_decoded(part)) for part in signed.split("."))
            self.key.public_key().verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except (ValueError, InvalidSignature):
            return False
        now = time.time()
        lasts = claims["exp"] - claims["iat"]
        return (
            head["alg"] == "RS256" and claims["iss"] == "4711" and claims["iat"] < now < claims["exp"] and lasts <= 600
        )


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.fixture
def github(served: Served, private: str) -> GitHub:
    served.logins = {"/acme/": ("x-access-token", "nobody-has-this-one")}
    return GitHub(served)


@pytest.fixture
def app(github: GitHub, authority: str, team: Team, alice: User) -> Connection:
    return actions.connect_github_app(
        team=team, host=authority, app_id="4711", installation_id="99", private_key=github.pem, scope="acme", by=alice
    )


def clone(team: Team, url: str, into: Path, **options: Any) -> Commit:
    into.mkdir(parents=True)
    with access(team, url) as way:
        commit = source().resolve(url, "", credential=way.credential)
        return source().clone(
            url, commit, into, credential=way.credential, for_submodule=way.for_submodule,
            on_line=lambda line: None, cancelled=lambda: False, **options,
        )  # fmt: skip


def test_a_clone_with_a_token_for_one_repository(
    app: Connection, github: GitHub, private: str, team: Team, tmp_path: Path
) -> None:
    clone(team, private, tmp_path / "x/out")
    assert (tmp_path / "x/out/app.py").exists()
    assert github.asked == [{"repositories": ["shop"], "permissions": {"contents": "read"}}]
    clone(team, private, tmp_path / "y/out")
    assert len(github.asked) == 1, "a token that is still good is used again"
    token = credential_for(team, private)
    assert token
    assert token.password not in str(Connection.objects.values().get(pk=app.pk))
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and token.password.encode() in p.read_bytes()]


def test_a_repository_is_named_as_it_is_written(app: Connection, github: GitHub, authority: str, team: Team) -> None:
    assert credential_for(team, f"https://{authority}/Acme/Lib.git")
    assert github.asked[0]["repositories"] == ["Lib"]


def test_a_token_that_is_about_to_end_is_not_used(app: Connection, github: GitHub, private: str, team: Team) -> None:
    github.lasts = installation_tokens.SPARE - 60
    tokens = {credential_for(team, private), credential_for(team, private)}
    assert len(tokens) == len(github.asked) == 2


def test_a_token_the_host_revoked_is_asked_for_again(
    app: Connection, github: GitHub, private: str, team: Team, tmp_path: Path
) -> None:
    clone(team, private, tmp_path / "x/out")
    github.served.logins["/acme/shop.git/"] = ("x-access-token", "another-one-counts-now")
    with pytest.raises(UserError):
        clone(team, private, tmp_path / "y/out")
    clone(team, private, tmp_path / "z/out")
    app.refresh_from_db()
    assert app.last_error == ""


def test_a_submodule_gets_a_token_of_its_own(
    app: Connection, github: GitHub, private: str, team: Team, work: Path, tmp_path: Path
) -> None:
    github.served.push(work, "acme/lib")
    with_submodule(work, "../lib.git")
    github.served.push(work, "acme/shop")
    clone(team, private, tmp_path / "x/out", submodules=True)
    assert (tmp_path / "x/out/lib/app.py").exists()
    assert [asked["repositories"] for asked in github.asked] == [["shop"], ["lib"]]


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (lambda github: setattr(github, "key", rsa.generate_private_key(65537, 2048)), "authentication_failed", "key"),
        (lambda github: github.reaches.clear(), "repository_not_found", "does not reach"),
    ],
    ids=["revoked key", "not installed there"],
)
def test_refusals_say_what_to_do(
    app: Connection, github: GitHub, private: str, team: Team, change: Callable[[GitHub], None], code: str, words: str
) -> None:
    change(github)
    with pytest.raises(UserError) as caught, access(team, private):
        pytest.fail("there is nothing to be let in with")
    assert caught.value.code == code
    assert words in caught.value.message
    assert f"/teams/{team.slug}/git-access/" in caught.value.hint
    app.refresh_from_db()
    assert app.last_error


def test_another_installation(connect: Connect, github: GitHub, authority: str, team: Team, alice: User) -> None:
    made = actions.connect_github_app(
        team=team, host=authority, app_id="4711", installation_id="98", private_key=github.pem, by=alice
    )
    assert not actions.check(connection=made, repo=f"https://{authority}/acme/shop.git", by=alice)
    assert "no such installation" in made.check_result


def test_a_replaced_key_is_used(app: Connection, github: GitHub, private: str, alice: User) -> None:
    assert actions.check(connection=app, repo=private, by=alice)
    github.key = rsa.generate_private_key(65537, 2048)
    actions.rotate(connection=app, secret=github.pem, by=alice)
    assert actions.check(connection=app, repo=private, by=alice)
    assert len(github.asked) == 2


@pytest.mark.parametrize(
    "answer",
    [
        (500, {"message": "no"}), (201, {}), (201, []), (201, "x" * 100_000), (302, {}), (429, {"message": ["x"]}),
        (201, {"token": "a b c d e f", "expires_at": "2099-01-01T00:00:00Z"}),
        (201, {"token": "x" * 40, "expires_at": "soon"}), (201, {"token": 7, "expires_at": "2099-01-01T00:00:00Z"}),
    ],
    ids=lambda answer: str(answer)[:40],
)  # fmt: skip
def test_strange_answers(app: Connection, github: GitHub, private: str, team: Team, answer: tuple[int, object]) -> None:
    github.served.api = lambda path, headers, body: answer
    with pytest.raises(UserError) as caught:
        credential_for(team, private)
    assert caught.value.code == "source_unreachable"


def test_private_addresses_are_not_asked(app: Connection, github: GitHub) -> None:
    known = github_app.App(app.host, "4711", "99", github.pem)
    with pytest.raises(Invalid, match="private address"):
        github_app.issue(known, "shop")
    assert github.asked == []
