"""What the platform itself asks of a git host, whose address may be a user's: JSON, to the address that was checked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from apps.core import outbound
from apps.core.addresses import Network, resolve_public
from apps.core.errors import UserError
from apps.sources.urls import ParsedUrl

SECONDS = 10.0
LARGEST = 64 * 1024  # bytes of an answer


def post(
    at: ParsedUrl, body: Mapping[str, Any], headers: Mapping[str, str], *, allowed: Iterable[Network] = ()
) -> tuple[int, Any]:
    """`body` as JSON; the status and the JSON (None if it is none) that `at` answers. Raises as `ask`."""
    headers = {**headers, "Content-Type": "application/json"}
    return ask("POST", at, headers, json.dumps(dict(body)).encode(), allowed=allowed)


def ask(
    method: str, at: ParsedUrl, headers: Mapping[str, str], content: bytes = b"", *, allowed: Iterable[Network] = (),
    query: str = "", largest: int = LARGEST,
) -> tuple[int, Any]:  # fmt: skip
    """The status and the JSON (None if it is none) that `at` answers; redirects are not followed.

    `query`: what follows the address's question mark, encoded. `largest`: bytes of the answer.
    Raises Invalid naming `host` for a private address, UserError("source_unreachable").
    """
    addresses = resolve_public(at.host, at.port, field="host", allowed=allowed)
    authority = at.url.split("/", 3)[2]
    url = f"{at.url}?{query}" if query else at.url
    request = outbound.Request(method, url, at.host, at.port, authority, headers, content, by_name=True)
    try:
        answer = outbound.send(request, addresses, seconds=SECONDS, largest=largest)
    except outbound.Unanswered as error:
        raise _unreachable(at, str(error)) from None
    if not answer.whole:
        raise _unreachable(at, "Its answer is too long.")
    return answer.status, _read(answer.content)


def _read(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _unreachable(at: ParsedUrl, why: str) -> UserError:
    hint = "Try again in a minute; if it stays, check that the host is up and its certificate is valid."
    return UserError("source_unreachable", f"{at.host} does not answer as it should.", f"{hint} ({why[:200]})")
