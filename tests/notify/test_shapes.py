"""What chats and mailboxes are sent: pure functions, and a real mail server."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from apps.accounts.models import User
from apps.core.errors import Invalid
from apps.notify import actions, mail
from apps.notify.events import KNOWN
from apps.notify.shapes import SHAPES, Told, told
from tests.notify.conftest import Add, Mailbox, Receiver, send, tell

HOSTILE = "<!channel> <@U1> @everyone *b* _i_ [x](javascript:alert(1)) `c` & <https://evil.example|here> \\ # -"


def said(words: str = HOSTILE, event: str = "build.failed") -> Told:
    data = {"pod": {"name": "shop"}, "team": {"name": "A & B"}, "words": words, "url": "https://pods.example/x/"}
    return told(json.dumps({"id": "m", "event": event, "timestamp": "2026-01-02T03:04:05.000+00:00", "data": data}))


def test_slack_escapes_what_would_be_a_mention_or_a_link() -> None:
    made = SHAPES["slack"](said())
    text = made["attachments"][0]["blocks"][0]["text"]["text"]
    assert text.startswith("*Build failed*\n&lt;!channel&gt; &lt;@U1&gt; @everyone")
    assert text.count("<") == 1, "our own link"
    assert "<https://pods.example/x/|Open in Brainpod>" in text
    assert "<" not in made["text"]
    assert made["attachments"][0]["color"] == "#d63939"
    assert made["attachments"][0]["blocks"][1]["elements"][0]["text"] == "shop · A &amp; B"


def test_discord_calls_nobody_and_shows_marks_as_they_are() -> None:
    made = SHAPES["discord"](said())
    [embed] = made["embeds"]
    assert made["allowed_mentions"] == {"parse": []}
    assert r"\<\!channel" in embed["description"] or r"\<!channel\>" in embed["description"]
    assert r"\*b\*" in embed["description"]
    assert r"\[x\]\(javascript" in embed["description"]
    assert embed["title"] == "Build failed"
    assert embed["url"] == "https://pods.example/x/"
    assert embed["timestamp"] == "2026-01-02T03:04:05.000+00:00"


def test_teams_has_the_words_where_nothing_is_markup() -> None:
    made = SHAPES["teams"](said())
    [attachment] = made["attachments"]
    card = attachment["content"]
    runs = [block["inlines"][0] for block in card["body"]]
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert [run["text"] for run in runs] == ["Build failed", HOSTILE, "shop · A & B"]
    assert card["actions"][0]["url"] == "https://pods.example/x/"


@pytest.mark.parametrize("kind", SHAPES)
def test_every_event_has_a_shape_of_json_that_is_not_too_long(kind: str) -> None:
    for event in KNOWN:
        made = json.dumps(SHAPES[kind](said("x" * 100_000, event)))
        assert KNOWN[event].title in made
        assert len(made) < 8000


def test_a_chat_gets_its_shape(add: Add, receiver: Receiver) -> None:
    tell(*(add(f"/{kind}", kind=kind) for kind in SHAPES))
    send()
    assert {one.path: sorted(json.loads(one.body)) for one in receiver.got} == {
        "/slack": ["attachments", "text"],
        "/discord": ["allowed_mentions", "embeds"],
        "/teams": ["attachments", "type"],
    }


def test_mail_arrives(add: Add, mailbox: Mailbox) -> None:
    endpoint = add(kind="email", target="Ada@Example.com")
    assert endpoint.shown == "ada@example.com"
    [delivery] = tell(endpoint, words="Two\r\nBcc: evil@example.com\r\nlines and Ümläut")
    send()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.words) == ("delivered", "The mail server took it.")
    [got] = mailbox.mails
    assert got["To"] == "ada@example.com"
    assert got["From"] == "us@example.com"
    assert got["Subject"].strip() == "Backup failed: Two Bcc: evil@example.com lines and Ümläut"
    assert got["Bcc"] is None
    assert mailbox.receivers == ["ada@example.com"]
    assert got["Message-ID"].startswith(f"<{delivery.message_id}@")
    assert "http://localhost/" in got.get_content()


def test_a_mail_server_that_is_away_is_tried_again(add: Add, mailbox: Mailbox, settings: Any) -> None:
    endpoint = add(kind="email", target="ada@example.com")
    settings.BRAINPOD = replace(settings.BRAINPOD, smtp_port=1)
    [delivery] = tell(endpoint)
    send()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.tries) == ("pending", 1)
    assert "mail server does not answer" in delivery.words


def test_without_a_mail_server_nobody_adds_an_address(add: Add, alice: User) -> None:
    assert not mail.ready()
    with pytest.raises(Invalid, match="no mail server") as refused:
        add(kind="email", target="ada@example.com")
    assert refused.value.details[0].path == "target"


@pytest.mark.parametrize("address", ["", "ada", "ada@", "a@b@c.example", "ada@example.com\nBcc: x@example.com"])
def test_bad_mail_addresses_are_refused(address: str, add: Add, mailbox: Mailbox) -> None:
    with pytest.raises(Invalid) as refused:
        add(kind="email", target=address)
    assert refused.value.details[0].path == "target"


def test_a_name_is_taken_once(add: Add) -> None:
    add(name="Releases")
    with pytest.raises(actions.Conflict, match="called Releases"):
        add(name="Releases")
