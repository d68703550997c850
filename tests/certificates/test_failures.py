"""What an authority says, in words: by the logs that certbot writes."""

from __future__ import annotations

import datetime
import json

import pytest

from apps.certificates import failures

NOW = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


def logged(kind: str, detail: str, status: int = 400, **headers: str) -> str:
    said = json.dumps({"type": f"urn:ietf:params:acme:error:{kind}", "detail": detail, "status": status}, indent=3)
    shown = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in headers.items())
    return f"2026-03-01 12:00:00,000:DEBUG:acme.client:Received response:\nHTTP {status}\n{shown}\n{said}\n"


@pytest.mark.parametrize("kind", failures.CAUSES)
def test_every_cause_has_words_and_something_to_do(kind: str) -> None:
    found = failures.refusal(logged(kind, 'for "shop.test"'), "", NOW)
    assert found.code == failures.CAUSES[kind].code
    assert found.message.endswith('It said: for "shop.test".')
    assert found.hint
    assert failures.CAUSES[kind].kind == "", "the table itself stays as it is"


@pytest.mark.parametrize(
    ("headers", "detail", "wait"),
    [
        ({"Retry_After": "120"}, "too many", datetime.timedelta(seconds=120)),
        ({"Retry_After": "Sun, 01 Mar 2026 13:00:00 GMT"}, "too many", datetime.timedelta(hours=1)),
        ({"Retry_After": "soon"}, "too many", None),
        ({"Retry_After": "99999999"}, "too many", failures.LONGEST),
        ({}, "too many (5), retry after 2026-03-01 14:00:00 UTC: see", datetime.timedelta(hours=2)),
        ({}, "too many", None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], detail: str, wait: datetime.timedelta | None) -> None:
    found = failures.refusal(logged("rateLimited", detail, 429, **headers), "", NOW)
    assert found.code == "acme_rate_limited"
    assert found.wait == wait


def test_the_last_word_counts_and_a_stale_nonce_is_none() -> None:
    log = logged("dns", "first") + logged("caa", "second") + logged("badNonce", "third")
    assert failures.refusal(log, "", NOW).code == "acme_caa"


def test_a_log_without_an_error_of_the_authority() -> None:
    network = "requests.exceptions.ConnectionError: Max retries exceeded"
    assert failures.refusal(network, "", NOW).code == "acme_unreachable"
    found = failures.refusal("", "something\nwent wrong\nAsk for help at the forum\n\n", NOW)
    assert found.code == "acme_failed"
    assert "went wrong" in found.message


def test_the_authoritys_words_are_cut() -> None:
    found = failures.refusal(logged("dns", "x" * 5000), "", NOW)
    assert len(found.message) < 1000
