"""Cloudflare's API (v4): one call, and why it was refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx

SECONDS = 15.0
LONGEST = 200  # characters of what it says that are passed on


class Declined(Exception):
    """In words. `again`: seconds after which to ask again; None: asking again changes nothing."""

    def __init__(self, words: str, again: float | None = None) -> None:
        super().__init__(words)
        self.again = again


@dataclass(frozen=True, slots=True)
class Api:
    """`url`: of the API, without a slash at the end. Redirects are not followed."""

    url: str
    token: str = field(repr=False)

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """The result. Raises Declined."""
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            answer = httpx.request(method, f"{self.url}{path}", headers=headers, timeout=SECONDS, **more)
        except (httpx.HTTPError, UnicodeError) as error:
            raise Declined(f"it does not answer ({type(error).__name__})", again=0) from None
        try:
            said = answer.json()
        except ValueError:
            said = None
        if isinstance(said, dict) and said.get("success"):
            return said.get("result")
        raise Declined(_words(said) or f"status {answer.status_code}", _again(answer))


def _words(said: Any) -> str:
    errors = said.get("errors") if isinstance(said, dict) else None
    return "; ".join(str(one.get("message", "")) for one in errors or [] if isinstance(one, dict))[:LONGEST]


def _again(answer: httpx.Response) -> float | None:
    """Too many requests and failures of its own pass by; what it says of the request itself does not."""
    if answer.status_code != 429 and answer.status_code < 500:
        return None
    given = answer.headers.get("Retry-After", "")
    return float(given) if given.isdigit() and len(given) < 6 else 0
