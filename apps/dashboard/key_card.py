"""What the page of an MCP server shows of its keys."""

from __future__ import annotations

from dataclasses import dataclass

from apps.pods.keys import counting
from apps.pods.models import AppKey, Pod, Resource


@dataclass(frozen=True, slots=True)
class Card:
    """`wanted`: what is live asks for a key. `rows`: those that count, the newest first."""

    wanted: bool
    rows: list[AppKey]


def key_card(pod: Pod, app: Resource) -> Card | None:
    """None for what needs no key: neither in the draft nor live, and there is none."""
    live = pod.live.snapshot().get(app.name) if pod.live else None
    wanted = bool(live and live.spec.get("mcpKey"))
    if app.kind != "App":
        return None
    rows = list(counting().filter(pod=pod, app=app.name).select_related("created_by").order_by("-id"))
    return Card(wanted, rows) if wanted or rows or app.spec.get("mcpKey") else None
