"""`idle`: what the platform costs while its apps are idle: CPU, and memory as its processes share it."""

from __future__ import annotations

import time
from collections import defaultdict

from bench import processes
from bench.ground import Ground
from bench.row import Row

CPU, MEMORY = 5.0, 400.0  # % of a core, MB
SETTLED = 75.0  # seconds after the last deployment: the log of an app that is silent for a minute is closed


def measure(ground: Ground) -> Row:
    """Over a minute: what is done by the clock every 30 s or every minute is in it as often as it is done."""
    ground.fleet()
    time.sleep(ground.drained + SETTLED)
    before, began = processes.cpu(processes.of(ground.platform)), time.monotonic()
    time.sleep(12 * ground.seconds)
    there = processes.of(ground.platform)
    after, seconds = processes.cpu(there), time.monotonic() - began
    memory: dict[str, float] = defaultdict(float)
    for process in there:
        memory[process.service] += process.memory
    cpu = {service: (after[service] - before[service]) / seconds * 100 for service in memory}
    apps_cpu, apps_memory = cpu.pop("apps", 0.0), memory.pop("apps", 0.0)
    used, held = sum(cpu.values()), sum(memory.values())
    parts = {service: f"{cpu[service]:.1f} %, {memory[service]:.0f} MB" for service in sorted(memory)}
    return Row(
        "idle", "MB", held, f"≤ {MEMORY:.0f} MB; < {CPU:.0f} % of a core", held <= MEMORY and used < CPU,
        details={
            "CPU": f"{used:.1f} % of a core over {seconds:.0f} s, with {ground.pods} idle apps",
            **parts,
            "the apps themselves and their sandboxes, not counted": f"{apps_cpu:.1f} %, {apps_memory:.0f} MB",
        },
    )  # fmt: skip
