"""One-time links: whoever has the address is let in, so no log may have all of it."""

from __future__ import annotations

import re

# The first segments of addresses whose second one is a token (apps/dashboard/urls.py; a test compares).
PREFIXES = ("invitations", "sign-in", "welcome")
HIDDEN = "…"

_LINK = re.compile(rf"((?:/|%2F)(?:{'|'.join(PREFIXES)})(?:/|%2F))[A-Za-z0-9_.~-]{{16,}}", re.IGNORECASE)


def hide_tokens(text: str) -> str:
    """`text` with the token of every one-time link in it taken out, also where the address is quoted in another."""
    return _LINK.sub(rf"\1{HIDDEN}", text)
