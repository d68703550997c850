"""`idle`: what the platform costs while its apps are idle: CPU, and memory as its processes share it."""

from __future__ import annotations

import time
from collections import defaultdict

from bench import processes
from bench.ground import Ground
from bench.row import Row

CPU, MEMORY = 5.0, 400.0  # % of a core, MB
SETTLED = 5.0  # seconds after the last deployment


def measure(ground: Ground) -> Row:
    ground.fleet()
    time.sleep(ground.drained + SETTLED)
    before = {process.pid: process.cpu for process in processes.of(ground.platform)}
    began = time.monotonic()
    time.sleep(4 * ground.seconds)
    seconds = time.monotonic() - began
    cpu: dict[str, float] = defaultdict(float)
    memory: dict[str, float] = defaultdict(float)
    for process in processes.of(ground.platform):
        # Of one that began meanwhile all counts; what one that ended used is lost.
        cpu[process.service] += (process.cpu - before.get(process.pid, 0.0)) / seconds * 100
        memory[process.service] += process.memory
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
