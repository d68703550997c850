"""What a pod runs on, and may run on, for its settings."""

from __future__ import annotations

from typing import Any

from apps import engines
from apps.dashboard.forms.pods import EngineForm
from apps.engines.offers import MEANINGS, TITLES
from apps.pods import moving
from apps.pods.models import Pod


def placement(pod: Pod) -> dict[str, Any]:
    """`chosen`: of the draft, or of what the next one starts from. `live_on` is empty where nothing is live."""
    shown = pod.draft or pod.head or pod.live
    chosen = shown.engine if shown else ""
    return {
        "engine_form": EngineForm(initial={"engine": chosen}),
        "chosen": chosen,
        "runs_on": TITLES[moving.engine_of(shown)],
        "live_on": TITLES[moving.engine_of(pod.live)] if pod.live else "",
        "engines_offered": [(TITLES[name], MEANINGS[name]) for name in engines.offered()],
    }
