"""`detect_corpus`: how long detection takes for each of the example projects."""

from __future__ import annotations

import json
import time
from pathlib import Path
from statistics import median

from apps.builds.detect import detect
from apps.core.errors import UserError
from bench.ground import Ground
from bench.row import Row, quantile
from tests.stack.platform import ROOT

TARGET = 0.020  # seconds a project
EXAMPLES = ROOT / "tests" / "examples"


def measure(ground: Ground) -> Row:
    projects = sorted(path for path in EXAMPLES.iterdir() if path.is_dir())
    seconds = {project.name: min(_once(project) for _ in range(max(3, ground.rounds))) for project in projects}
    slowest = max(seconds, key=lambda name: seconds[name])
    return Row(
        "detect_corpus", "ms", seconds[slowest] * 1000, f"≤ {TARGET * 1000:.0f} ms a project",
        seconds[slowest] <= TARGET, None, "the slowest", {"product": [round(s, 5) for s in seconds.values()]},
        details={
            "projects": len(projects),
            "median": f"{median(seconds.values()) * 1000:.1f} ms",
            "p90": f"{quantile(list(seconds.values()), 0.9) * 1000:.1f} ms",
            "slowest": slowest,
        },
    )  # fmt: skip


def _once(project: Path) -> float:
    """Failures count too: nothing found, or too much, is an answer."""
    settings = json.loads((project / "detect.json").read_text()) if (project / "detect.json").is_file() else {}
    began = time.perf_counter()
    try:
        detect(project / settings.get("rootDir", ""), repository=project)
    except UserError:
        pass
    return time.perf_counter() - began
