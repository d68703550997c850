"""Authenticator apps and recovery codes: set up, asked for, used once, taken away; and teams that want them."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.core.management import CommandError, call_command
from django.test import Client, RequestFactory
from django.urls import reverse

from apps.accounts import actions, gate, tokens
from apps.accounts.factors import codes
from apps.accounts.factors.adapter import Adapter
from apps.accounts.links import signin_link
from apps.accounts.models import SignIn, Team, User
from apps.accounts.throttle import SecondStep
from apps.audit.models import AuditEntry
from apps.core import announce
from apps.core.errors import Conflict, PlatformError, UserError
from apps.core.ids import new_id
from apps.pods.models import Pod
from tests.people import PASSWORD

pytestmark = pytest.mark.django_db
Browsers = Callable[..., Client]


def shown(secret: str, *, steps: int = 0) -> str:
    """What an app that has `secret` shows; `steps`: how far its clock is ahead."""
    return totp.format_hotp_value(totp.hotp_value(secret, int(time.time()) // 30 + steps))


@pytest.fixture(autouse=True)
def not_at_the_end_of_a_step() -> None:
    """A code that is made now is of the same step when it is looked at."""
    if time.time() % 30 > 27:
        time.sleep(30 - time.time() % 30)


@pytest.fixture
def secret(alice: User) -> str:
    """Of the app that Alice has."""
    made = codes.new_secret()
    codes.keep_app(alice, made, 1)
    return made


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[announce.Letter]]:
    written: list[announce.Letter] = []
    monkeypatch.setattr(announce, "_carriers", [written.append])
    return written  # type: ignore[return-value]


def prove(client: Client, code: str = "") -> Any:
    return client.post(reverse("account-proof"), {"password": PASSWORD, "code": code, "next": "/account/"})


def first_step(user: User, client: Client | None = None) -> Client:
    client = client or Client()
    answer = client.post(reverse("sign-in"), {"email": user.email, "password": PASSWORD, "next": "/teams/"})
    assert (answer.status_code, answer["Location"]) == (302, reverse("second-step"))
    assert not SignIn.objects.filter(user=user, session_key=client.session.session_key).exists()
    return client


def second_step(client: Client, code: str) -> Any:
    return client.post(reverse("second-step"), {"code": code})


def is_in(client: Client) -> bool:
    return client.get(reverse("account")).status_code == 200


def test_an_app_is_set_up_with_a_code_and_the_recovery_codes_are_shown_once(
    alice: User, client_of: Browsers, letters: list[announce.Letter]
) -> None:
    client, other = client_of(alice), client_of(alice)
    page = reverse("account-app")
    assert reverse("account-proof") in client.get(page)["Location"]
    assert client.post(reverse("account-proof"), {"password": "wrong-wrong"}).status_code == 422
    assert prove(client)["Location"] == "/account/"
    text = client.get(page).content.decode()
    secret = re.search(r'data-copy="([A-Z2-7 ]{30,})"', text).group(1).replace(" ", "")  # type: ignore[union-attr]
    assert "<svg" in text
    assert "style=" not in text.partition("<svg")[2].partition("</svg>")[0]
    assert secret not in str(dict(client.session))
    wrong = client.post(page, {"code": "000000"})
    assert wrong.status_code == 422
    assert secret[:4] in wrong.content.decode(), "the same key is shown again"
    assert not alice.has_second_factor()
    answer = client.post(page, {"code": shown(secret)})
    found = re.findall(r"\b\d{5}-\d{5}\b", answer.content.decode().partition("<pre")[2].partition("</pre>")[0])
    assert len(set(found)) == 10
    assert 'download="' in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    row = Authenticator.objects.get(user=alice, type="totp")
    assert secret not in str(row.data)
    assert not is_in(other), "other sessions are ended"
    assert is_in(client)
    assert found[0] not in client.get(reverse("account-second-factor")).content.decode()
    assert [letter.email for letter in letters] == [alice.email]
    assert AuditEntry.objects.filter(verb="account.app_on", user=alice).exists()


def test_the_password_alone_opens_nothing(alice: User, secret: str) -> None:
    alice.is_staff = alice.is_superuser = True
    alice.save()
    client = first_step(alice)
    assert not is_in(client)
    assert client.get("/operators/")["Location"].startswith("/operators/login/")
    assert client.post("/operators/login/", {"username": alice.email, "password": PASSWORD})["Location"].startswith(
        "/sign-in/"
    )
    answer = second_step(client, "000000")
    assert answer.status_code == 422
    assert "used already" in answer.content.decode()
    assert not is_in(client)
    answer = second_step(client, f" {shown(secret)[:3]} {shown(secret)[3:]} ")
    assert (answer.status_code, answer["Location"]) == (302, "/teams/")
    assert is_in(client)
    assert client.get("/operators/").status_code == 200
    assert AuditEntry.objects.get(verb="signin.passed", user=alice).details["how"] == "password, app"
    assert AuditEntry.objects.filter(verb="signin.second_failed", object_id=str(alice.pk)).exists()
    page = client.get(reverse("account")).content.decode()
    assert "Somebody failed at the second step" in page


@pytest.mark.parametrize(("steps", "passes"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_a_clock_may_be_a_step_off(steps: int, passes: bool, alice: User, secret: str) -> None:
    assert bool(codes.passes(alice, shown(secret, steps=steps))) is passes


def test_a_code_counts_once_and_none_before_it_counts_after(alice: User, secret: str) -> None:
    now = shown(secret)
    assert second_step(first_step(alice), now).status_code == 302
    assert second_step(first_step(alice), now).status_code == 422
    assert second_step(first_step(alice), shown(secret, steps=-1)).status_code == 422
    assert second_step(first_step(alice), shown(secret, steps=1)).status_code == 302


def test_a_recovery_code_counts_once(alice: User, secret: str, letters: list[announce.Letter]) -> None:
    code, *others = codes.new_recovery_codes(alice)
    assert second_step(first_step(alice), code).status_code == 302
    assert second_step(first_step(alice), code).status_code == 422
    assert second_step(first_step(alice), others[0].replace("-", "")).status_code == 302
    assert codes.left(alice) == 8
    assert "8 are left" in letters[-1].words
    assert AuditEntry.objects.filter(verb="account.recovery_use").count() == 2


def test_guessing_codes_is_slowed_down_and_passwords_do_not_undo_it(alice: User, secret: str) -> None:
    guesser = Client(REMOTE_ADDR="198.51.100.9")
    first_step(alice, guesser)
    assert second_step(guesser, "000000").status_code == 422
    counted = SecondStep(alice.email, RequestFactory(REMOTE_ADDR="198.51.100.9").get("/"))
    for _ in range(8):  # half a minute to wait, however slow the machine
        counted.failed()
    assert second_step(guesser, shown(secret)).status_code == 429
    first_step(alice, guesser)
    assert second_step(guesser, shown(secret)).status_code == 429
    elsewhere = first_step(alice, Client(REMOTE_ADDR="203.0.113.9"))
    assert second_step(elsewhere, shown(secret)).status_code == 302


def test_links_of_the_console_ask_for_it_too(alice: User, secret: str, client: Client) -> None:
    assert client.post(signin_link(alice))["Location"] == reverse("second-step")
    assert not is_in(client)
    assert second_step(client, shown(secret)).status_code == 302
    assert is_in(client)


def test_the_second_step_ends_with_the_password_it_followed_and_with_time(
    alice: User, secret: str, client: Client
) -> None:
    assert client.get(reverse("second-step"))["Location"] == reverse("sign-in")
    first_step(alice, client)
    session = client.session
    session["second_step"] |= {"until": time.time() - 1}
    session.save()
    assert second_step(client, shown(secret))["Location"] == reverse("sign-in")
    first_step(alice, client)
    alice.set_password("another-horse-7-battery")
    alice.save()
    assert second_step(client, shown(secret))["Location"] == reverse("sign-in")
    assert client.post(reverse("second-step-options")).status_code == 403


def test_turning_it_off_takes_password_and_code(alice: User, secret: str, client_of: Browsers) -> None:
    client = client_of(alice)
    off = reverse("account-app-removal")
    assert reverse("account-proof") in client.post(off)["Location"]
    assert prove(client).status_code == 422, "the password alone"
    assert client.post(reverse("account-proof"), {"password": "wrong", "code": shown(secret)}).status_code == 422
    assert alice.has_second_factor()
    assert prove(client, shown(secret)).status_code == 302
    made = client.post(reverse("account-recovery-codes")).content.decode()
    assert len(re.findall(r"^\d{5}-\d{5}$|(?<=>)\d{5}-\d{5}", made, re.MULTILINE)) >= 10
    assert client.post(off).status_code == 302
    assert not Authenticator.objects.filter(user=alice).exists(), "recovery codes alone are no factor"
    with pytest.raises(Conflict):
        actions.require_second_factor(team=alice.teams.get(), required=True, by=alice)


def test_proof_does_not_last(alice: User, client_of: Browsers) -> None:
    client = client_of(alice)
    prove(client)
    assert client.get(reverse("account-app")).status_code == 200
    session = client.session
    session["proven_at"] -= 601
    session.save()
    assert client.get(reverse("account-app")).status_code == 302


def test_another_secret_key_is_said_and_lets_nobody_in(alice: User, secret: str, settings: Any) -> None:
    sealed = Authenticator.objects.get(user=alice).data["secret"]
    assert Adapter().decrypt(sealed) == secret
    settings.SECRET_KEY = "x" * 60
    with pytest.raises(PlatformError, match="cannot be opened"):
        codes.passes(alice, shown(secret))


def test_operators_take_it_away_on_the_server(alice: User, secret: str, client_of: Browsers) -> None:
    client, out = client_of(alice), io.StringIO()
    call_command("second_factor", alice.email.upper(), stdout=out)
    assert out.getvalue().startswith("authenticator app, since ")
    assert alice.has_second_factor()
    call_command("second_factor", alice.email, "--remove", stdout=out)
    assert not alice.has_second_factor()
    assert not is_in(client)
    entry = AuditEntry.objects.get(verb="account.factors_taken")
    assert (entry.user, entry.object_id) == (None, str(alice.pk))
    with pytest.raises(CommandError, match="no second factor"):
        call_command("second_factor", alice.email)


def test_a_team_that_requires_it_leads_there_and_stays_closed(
    team: Team, alice: User, bob: User, secret: str, client_of: Browsers
) -> None:
    pod = Pod.objects.create(team=team, name=f"p{new_id()}")
    _, plain = tokens.make(user=bob, name="ci", team=team)
    owner, member = client_of(alice), client_of(bob)
    switch = reverse("team-second-factor", kwargs={"team": team.slug})
    assert member.post(switch, {"required": "on"}).status_code == 403
    assert owner.post(switch, {"required": "on"}).status_code == 302
    where = reverse("account-second-factor")
    for page in (reverse("team", kwargs={"team": team.slug}), reverse("pod", kwargs={"pod": pod.name})):
        assert member.get(page)["Location"] == where
        assert owner.get(page).status_code == 200
        assert client_of(bob).get(page, headers={"HX-Request": "true"})["HX-Redirect"] == where
    assert team.name in member.get(where).content.decode()
    assert is_in(member)
    home = member.get("/").content.decode()
    assert pod.name not in home
    assert "Set one up" in home
    assert not Pod.objects.visible_to(bob).exists()
    with pytest.raises(UserError, match="second factor"):
        gate.pod_access(bob, Pod.objects.get(pk=pod.pk))
    headers = {"Authorization": f"Bearer {plain}"}
    answer = Client().get("/api/v1/pods", headers=headers)
    assert answer.status_code == 403
    assert "open to members with a second factor" in answer.content.decode()
    codes.keep_app(bob, codes.new_secret(), 1)
    assert member.get(reverse("pod", kwargs={"pod": pod.name})).status_code == 200
    assert Client().get("/api/v1/pods", headers=headers).status_code == 200
    assert owner.post(switch).status_code == 302
    assert not Team.objects.get(pk=team.pk).requires_second_factor


def test_strangers_learn_nothing_of_it(team: Team, charlie: User, client_of: Browsers) -> None:
    Team.objects.filter(pk=team.pk).update(requires_second_factor=True)
    assert client_of(charlie).get(reverse("team", kwargs={"team": team.slug})).status_code == 404


def test_the_owner_needs_one_to_require_it(team: Team, alice: User, client_of: Browsers) -> None:
    answer = client_of(alice).post(reverse("team-second-factor", kwargs={"team": team.slug}), {"required": "on"})
    assert answer.status_code == 409
    assert "first who cannot enter" in answer.content.decode()


def test_sessions_say_when_they_were_seen_and_end_together(alice: User, client_of: Browsers) -> None:
    client, others = (
        client_of(alice, headers={"User-Agent": "Mozilla Firefox/1 Linux"}),
        [client_of(alice), client_of(alice)],
    )
    row = SignIn.objects.get(session_key=client.session.session_key)
    session = client.session
    session["seen"] -= 301
    session.save()
    assert "End all others" in client.get(reverse("account")).content.decode()
    before, row = row.seen_at, SignIn.objects.get(pk=row.pk)
    assert row.seen_at > before
    client.get(reverse("account"))
    assert SignIn.objects.get(pk=row.pk).seen_at == row.seen_at, "written once in five minutes"
    assert client.delete(reverse("account-sessions")).status_code == 302
    assert [is_in(one) for one in (client, *others)] == [True, False, False]
    assert "End all others" not in client.get(reverse("account")).content.decode()


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "x",
        "{}",
        "[]",
        '{"response": {"clientDataJSON": "e30"}}',
        "9" * 30_000,
        '{"response": {"userHandle": "MQ"}}',
    ],
)
def test_what_is_no_passkey_opens_nothing(answer: str, alice: User, secret: str, client: Client) -> None:
    client.post(reverse("sign-in-passkey-options"))
    refused = client.post(reverse("sign-in-passkey"), {"credential": answer})
    assert refused.status_code == 422
    assert "not known here" in refused.content.decode()
    first_step(alice, client)
    client.post(reverse("second-step-options"))
    assert client.post(reverse("second-step"), {"credential": answer}).status_code == 422
    assert not is_in(client)
