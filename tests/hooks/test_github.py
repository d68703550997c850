"""What is taken for GitHub's: signatures and payloads, without a database."""

from __future__ import annotations

import json
import time
import urllib.parse
from typing import Any

import pytest

from apps.core.errors import UserError
from apps.hooks import providers
from apps.hooks.providers.base import Other, Ping, Push
from apps.hooks.providers.github import GitHub
from tests.stack.github import ZEROS, ping_payload, push_payload, signature, signed

KEY = "k3y-of-the-test"
A, B = "a" * 40, "b" * 40
BODY = b'{"zen": "x"}'
RIGHT = signature(BODY, KEY)
BAD_SIGNATURES = {
    "none": None,
    "empty": "",
    "prefix only": "sha256=",
    "truncated": RIGHT[:-1],
    "half": RIGHT[: len(RIGHT) // 2],
    "longer": RIGHT + "0",
    "without prefix": RIGHT.removeprefix("sha256="),
    "upper case": RIGHT.upper(),
    "other algorithm": RIGHT.replace("sha256", "sha1"),
    "other key": signature(BODY, "another"),
    "empty key": signature(BODY, ""),
    "other body": signature(BODY + b" ", KEY),
    "spaces": f" {RIGHT} ",
    "twice": f"{RIGHT},{RIGHT}",
    "not ascii": "sha256=" + "é" * 64,
    "lone surrogate": "sha256=\ud800",
    "zeros": "sha256=" + "0" * 64,
    "the key itself": KEY,
    "null character": RIGHT + "\0",
}


@pytest.mark.parametrize("given", BAD_SIGNATURES.values(), ids=BAD_SIGNATURES)
def test_a_signature_that_is_not_right_is_refused(given: str | None) -> None:
    headers = {} if given is None else {"X-Hub-Signature-256": given}
    assert not GitHub().signed(headers, BODY, [KEY, "old"])


@pytest.mark.parametrize("keys", [[KEY, "old"], ["old", KEY], [KEY]])
def test_any_of_the_keys_may_have_signed(keys: list[str]) -> None:
    assert GitHub().signed({"X-Hub-Signature-256": RIGHT}, BODY, keys)


def test_an_empty_key_signs_nothing() -> None:
    headers = {"X-Hub-Signature-256": signature(BODY, "")}
    assert not GitHub().signed(headers, BODY, ["", ""])
    assert not GitHub().signed(headers, BODY, [])


def test_the_example_of_githubs_documentation() -> None:
    headers = {"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}
    assert GitHub().signed(headers, b"Hello, World!", ["It's a Secret to Everybody"])


def test_a_host_is_known_by_its_headers() -> None:
    assert isinstance(providers.find({"X-GitHub-Event": "push"}), GitHub)
    assert providers.find({"X-Svn-Event": "push"}) is None


def read(payload: Any, event: str = "push", *, form: bool = False, content_type: str = "") -> Any:
    body, headers = signed(payload, KEY, event=event, form=form)
    (event_read,) = GitHub().read(headers | ({"Content-Type": content_type} if content_type else {}), body)
    return event_read


@pytest.mark.parametrize("form", [False, True])
def test_a_push_is_read_from_both_content_types(form: bool) -> None:
    payload = push_payload(B, before=A, message="Über\nmore", paths=["web/a.py", "ü.txt"], pushed_at=1_700_000_000)
    push = read(payload, form=form)
    assert push == Push(
        repository_urls=("https://github.com/octo/shop.git",),
        branch="main",
        head=B,
        before=A,
        default_branch="main",
        message="Über\nmore",
        pushed_at=1_700_000_000,
        paths=frozenset({"web/a.py", "ü.txt"}),
    )


def test_other_kinds_of_push() -> None:
    assert read(push_payload(ZEROS, before=A)).deleted
    assert read(push_payload(B, branch="feature/x/y")).branch == "feature/x/y"
    tag = read(push_payload(B, ref="refs/tags/v1"))
    assert (tag.tag, tag.branch) == ("v1", "")
    assert isinstance(read(push_payload(B, ref="refs/notes/commits")), Other)
    assert read(push_payload(B)).before == ""


def test_ping_and_other_events() -> None:
    assert read(ping_payload(), "ping") == Ping(("https://github.com/octo/shop.git",))
    assert read({"zen": "of an organisation"}, "ping") == Ping(())
    assert isinstance(read({}, "issues"), Other)


many = [{"id": A} for _ in range(2047)] + [{"id": B}]
UNKNOWN_PATHS = {
    "new branch": {"before": ZEROS},
    "forced": {"forced": True},
    "no commits": {"commits": []},
    "as many as are listed at most": {"commits": many},
    "another last commit": {"commits": [{"id": A, "modified": ["x"]}]},
}


@pytest.mark.parametrize("fields", UNKNOWN_PATHS.values(), ids=UNKNOWN_PATHS)
def test_paths_that_cannot_be_known(fields: dict[str, Any]) -> None:
    push = read(push_payload(B, **({"before": A, "paths": ["x"]} | fields)))
    assert push.paths is None


@pytest.mark.parametrize("at", ["2026-11-21T12:00:00Z", None, -1, 0, 10**18, int(time.time()) + 10 * 86400])
def test_a_moment_that_cannot_be_is_none(at: Any) -> None:
    payload = push_payload(B)
    payload["repository"]["pushed_at"] = at
    assert read(payload).pushed_at is None


def without(field: str) -> dict[str, Any]:
    return {key: value for key, value in push_payload(B).items() if key != field}


MALFORMED: dict[str, Any] = {
    "empty": b"",
    "null": b"null",
    "a list": b"[]",
    "a number": b"1",
    "a string": b'"push"',
    "an empty object": b"{}",
    "half an object": b'{"ref": "refs/he',
    "not utf-8": b'{"ref": "\xff\xfe"}',
    "latin-1": json.dumps(push_payload(B, message="é"), ensure_ascii=False).encode("latin-1"),
    "utf-16": json.dumps(push_payload(B)).encode("utf-16"),
    "zeros": b"\0" * 1000,
    "deep list": b"[" * 100_000,
    "deep object": b'{"a":' * 100_000,
    "deep and closed": b"[" * 50_000 + b"]" * 50_000,
    "deep inside": b'{"ref":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "lone surrogate": b'{"ref": "refs/heads/\\ud800"}',
    "huge number": b'{"ref": ' + b"9" * 100_000 + b"}",
    "nan": b"NaN",
    "trailing": json.dumps(push_payload(B)).encode() + b"{}",
    "yaml": b"ref: refs/heads/main",
    "xml": b"<push/>",
    "no ref": without("ref"),
    "no before": without("before"),
    "no after": without("after"),
    "no repository": without("repository"),
    "ref is null": push_payload(B) | {"ref": None},
    "ref is a list": push_payload(B) | {"ref": ["refs/heads/main"]},
    "ref is an object": push_payload(B) | {"ref": {"a": 1}},
    "ref is a number": push_payload(B) | {"ref": 1},
    "after is short": push_payload("abc"),
    "after is an option": push_payload("--upload-pack=touch /tmp/x"),
    "after has a line break": push_payload(B + "\n"),
    "after is upper case": push_payload(B.upper()),
    "after is a name": push_payload("main"),
    "after is empty": push_payload(""),
    "before is no commit": push_payload(B, before="x" * 40),
    "deleted is a string": push_payload(B) | {"deleted": "false"},
    "forced is a number": push_payload(B) | {"forced": 1},
    "commits is an object": push_payload(B) | {"commits": {"0": {}}},
    "commits of strings": push_payload(B) | {"commits": [A, B]},
    "commits without id": push_payload(B) | {"commits": [{"message": "x"}]},
    "commits of null": push_payload(B) | {"commits": [None]},
    "added is a string": push_payload(B) | {"commits": [{"id": B, "added": "abc"}]},
    "added of numbers": push_payload(B) | {"commits": [{"id": B, "added": [1]}]},
    "head commit is a list": push_payload(B) | {"head_commit": []},
    "message is a number": push_payload(B) | {"head_commit": {"id": B, "message": 7}},
    "repository is a string": push_payload(B) | {"repository": "octo/shop"},
    "repository is a list": push_payload(B) | {"repository": []},
    "clone_url is an object": push_payload(B) | {"repository": {"clone_url": {}}},
    "pushed_at is a list": push_payload(B) | {"repository": {"pushed_at": []}},
    "pushed_at is a fraction": push_payload(B) | {"repository": {"pushed_at": 1.5}},
}


@pytest.mark.parametrize("payload", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("form", [False, True], ids=["json", "form"])
def test_what_is_no_push_is_refused_in_words(payload: Any, form: bool) -> None:
    with pytest.raises(UserError) as error:
        read(payload, form=form)
    assert (error.value.code, error.value.status) == ("webhook_malformed", 400)


FORMS = {
    "no field": b"",
    "another field": b"payloads=%7B%7D",
    "twice": b"payload=%7B%7D&payload=%7B%7D",
    "many": b"&".join(b"a%d=1" % n for n in range(100)),
    "not a form": b'{"ref": 1}',
    "not ascii": "payload=é".encode(),
    "broken percent": b"payload=%ff%fe",
    "empty payload": b"payload=",
}


@pytest.mark.parametrize("body", FORMS.values(), ids=FORMS)
def test_forms_without_one_payload_are_refused(body: bytes) -> None:
    with pytest.raises(UserError) as error:
        read(body, content_type="application/x-www-form-urlencoded")
    assert error.value.code == "webhook_malformed"


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "multipart/form-data; boundary=x", "application/xml", "application/jsonx", "json", ";", "text/html"],
)
def test_other_content_types_are_refused_before_parsing(content_type: str) -> None:
    with pytest.raises(UserError) as error:
        read(b"[" * 10, content_type=content_type)
    assert (error.value.code, error.value.status) == ("webhook_content_type", 415)


def test_content_types_with_parameters_are_taken() -> None:
    assert read(push_payload(B), content_type="Application/JSON; charset=utf-8").head == B
    body = urllib.parse.urlencode({"payload": json.dumps(push_payload(B)), "extra": "1"}).encode()
    assert read(body, content_type="application/x-www-form-urlencoded;charset=UTF-8").head == B
