"""`webhook_intake`: signed deliveries of a git host, as fast as four at once are answered, while two builds run.

They are pushes to a branch that no app watches: each is checked, judged and kept, and starts nothing that would run
beside what is measured.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from apps.accounts.models import User
from apps.hooks import keys
from apps.hooks.actions import make_webhook
from apps.pods import actions as pods
from apps.pods.models import Pod
from bench.ground import SMALL, Ground
from bench.load import connect
from bench.noisy_build import BUSY, until_building
from bench.row import Row, quantile
from tests.stack.github import push_payload, signed

TARGET = 0.05  # seconds, p99
CLIENTS, BUILDS, MOST = 4, 2, 1000  # deliveries a second that this program could send
REPOSITORY = "https://github.com/octo/intake.git"


def measure(ground: Ground) -> Row:
    pod = ground.pod("intake", "intake", source={"repo": REPOSITORY, "branch": "main"})
    # As after a deployment: there are apps whose branches the pushed one is compared with.
    Pod.objects.filter(pk=pod.pk).update(head=pods.seal(pod=pod, summary="first", by=None))
    make_webhook(pod=pod, by=User.objects.get(email="bench@example.com"))
    key = keys.keys_of(pod.pk)[0]
    # Made before anything is measured: signing takes the time of this program.
    ready = [_request(f"/hooks/{pod.pk}/", key, number) for number in range(round(MOST * ground.seconds))]
    quiet = _ask(ground, ready[::2])
    seconds = 2 * ground.seconds + 10
    ground.commit("busy", {"main.py": SMALL, "busy.py": BUSY.format(seconds=seconds)})
    builds = [
        ground.first(ground.pod(f"busy-{number}", "busy", build={"buildCommand": "python busy.py"}))
        for number in range(BUILDS)
    ]
    for build in builds:
        until_building(build)
    busy = _ask(ground, ready[1::2])
    for build in builds:
        ground.ready(build)
    slow = quantile(busy, 0.99)
    return Row(
        "webhook_intake", "ms, p99", slow * 1000, f"≤ {TARGET * 1000:.0f} ms", slow <= TARGET,
        quantile(quiet, 0.99) * 1000, "p99 while nothing is built",
        details={
            "answered": f"{len(busy) / (sum(busy) / CLIENTS):.0f} a second at {CLIENTS} at once; "
            f"{len(quiet) / (sum(quiet) / CLIENTS):.0f} while nothing is built",
            "p50": f"{quantile(busy, 0.5) * 1000:.0f} ms; {quantile(quiet, 0.5) * 1000:.0f} ms while nothing is built",
            "kept": f"the newest {pod.receipts.count()} with their verdict",
        },
    )  # fmt: skip


def _request(path: str, key: str, number: int) -> bytes:
    body, headers = signed(push_payload(f"{number:040x}", url=REPOSITORY, branch="unwatched"), key)
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items())])
    return f"{head}\r\n\r\n".encode() + body


def _ask(ground: Ground, requests: list[bytes]) -> list[float]:
    """Seconds each took."""
    return asyncio.run(_answered(ground.platform.port, iter(requests), time.monotonic() + ground.seconds))


async def _answered(port: int, requests: Iterator[bytes], until: float) -> list[float]:
    times: list[float] = []

    async def client() -> None:
        reader, writer = await connect(port)
        for request in requests:
            began = time.monotonic()
            if began > until:
                break
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 20" not in head[:13]:
                raise RuntimeError(head.decode("latin-1"))
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(length)
            times.append(time.monotonic() - began)
        writer.close()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return times
