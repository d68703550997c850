"""Signatures as the Standard Webhooks specification has them: over the id, the time and the body. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable

from apps.notify.keys import PREFIX


def headers(message: str, at: int, body: bytes, keys: Iterable[str]) -> dict[str, str]:
    """What goes with `body`, sent at `at` (seconds since 1970); a signature for each of `keys`, the newest first."""
    return {
        "webhook-id": message,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(sign(message, at, body, key) for key in keys),
    }


def sign(message: str, at: int, body: bytes, key: str) -> str:
    content = b".".join((message.encode(), str(at).encode(), body))
    raw = base64.b64decode(key.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.new(raw, content, hashlib.sha256).digest()).decode()
