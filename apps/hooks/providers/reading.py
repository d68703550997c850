"""What reading deliveries has in common: signatures, bodies, ids of commits, and words for a payload that is off."""

from __future__ import annotations

import hashlib
import hmac
import time
import urllib.parse
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from apps.core.errors import UserError
from apps.hooks.providers.base import Event, Other, Push
from apps.pods.kinds.app import COMMIT

Payload = TypeVar("Payload", bound=BaseModel)
FORM = "application/x-www-form-urlencoded"
FUTURE = 24 * 3600  # seconds that the host's clock may be ahead of ours before we do not believe it


def made_by(given: str, body: bytes, keys: Sequence[str], prefix: str = "sha256=") -> bool:
    """Whether `given` is the HMAC-SHA256 of `body` in hex by one of `keys`. In the same time whichever it was."""
    return _any(keys, given, lambda key: prefix + hmac.new(key.encode(), body, hashlib.sha256).hexdigest())


def is_one_of(given: str, keys: Sequence[str]) -> bool:
    """Whether `given` is one of `keys`, for hosts that send the secret itself. In the same time whichever it is."""
    return _any(keys, given, lambda key: key)


def _any(keys: Sequence[str], given: str, right: Callable[[str], str]) -> bool:
    found = False
    for key in keys:
        found |= hmac.compare_digest(given.encode("utf-8", "replace"), right(key).encode()) and bool(key)
    return found


def json_of(host: str, content_type: str, body: bytes, *, form: bool = False) -> bytes:
    """The JSON in `body`. `form`: the host can send it as the field `payload` of a form, too.

    Raises UserError `webhook_content_type` or `webhook_malformed`.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        return body
    if not form or kind != FORM:
        raise UserError(
            "webhook_content_type",
            f"The content type is not one that a webhook of {host} has.",
            "Choose application/json in the webhook's settings.",
            status=415,
        )
    try:
        fields = urllib.parse.parse_qs(body.decode("ascii"), strict_parsing=True, errors="strict", max_num_fields=4)
    except ValueError as error:
        raise malformed(host, error) from None
    payloads = fields.get("payload", [])
    if len(payloads) != 1:
        raise malformed(host, ValueError())
    return payloads[0].encode("utf-8", "replace")


def parsed(host: str, model: type[Payload], text: bytes) -> Payload:
    """Raises UserError `webhook_malformed`."""
    try:
        return model.model_validate_json(text)
    except (ValidationError, ValueError) as error:
        raise malformed(host, error) from None


def malformed(host: str, error: Exception) -> UserError:
    """Names the field at fault; never repeats what was sent."""
    where = ""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        where = f" {field}: {first['msg']}." if field else f" {first['msg']}."
    words = f"The signature is right, but the payload is not what {host} describes.{where}"
    return UserError("webhook_malformed", words, f"Is it sent by {host} itself?", status=400)


def commit(sha: str, field: str) -> str:
    """`sha`, or empty for the zeros that stand for none."""
    if not COMMIT.fullmatch(sha):
        raise UserError("webhook_malformed", f"The payload's {field} is no commit id.", status=400)
    return sha if sha.strip("0") else ""


def moved(
    ref: str, before: str, after: str, urls: Sequence[str], *, message: str = "", default_branch: str = ""
) -> Push | Other:
    """A push as git itself tells it: `ref` went from the commit `before` to `after`, zeros for none."""
    kind, _, name = ref.removeprefix("refs/").partition("/")
    if not ref.startswith("refs/") or kind not in ("heads", "tags") or not name:
        return Other("push to something that is neither a branch nor a tag")
    head = commit(after, "after")
    return Push(
        repository_urls=addresses(*urls),
        branch=name if kind == "heads" else "",
        tag=name if kind == "tags" else "",
        head=head,
        before=commit(before, "before"),
        deleted=not head,
        message=message,
        default_branch=default_branch,
    )


def moment(text: str) -> int | None:
    """Seconds since 1970 of `2026-11-22T10:00:00Z` or GitLab's `2026-11-22 10:00:00 UTC`; None for what is no time."""
    try:
        at = datetime.fromisoformat(text.replace(" UTC", "+00:00"))
    except ValueError:
        return None
    seconds = int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    return seconds if 0 < seconds < time.time() + FUTURE else None


def addresses(*given: str | None) -> tuple[str, ...]:
    """Those that are given, once each."""
    return tuple(dict.fromkeys(filter(None, given)))


def other(event: str) -> list[Event]:
    return [Other(f"event {event}" if event else "event without a name")]
