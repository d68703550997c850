"""The embedded Valkey: broker, channel layer, log streams. On a unix socket only; nothing there is the truth."""

from __future__ import annotations

from pathlib import Path

import redis

from apps.infrastructure.embedded import binaries, files

# hz: how often a second it looks after itself. Ten times, as it does unasked, is most of what it uses while idle.
CONFIG = """\
port 0
unixsocket {socket}
unixsocketperm 700
dir {data}
daemonize no
loglevel notice
hz 2
appendonly yes
appendfsync everysec
save ""
aof-load-truncated yes
auto-aof-rewrite-min-size 16mb
maxmemory {memory_mb}mb
maxmemory-policy noeviction
client-output-buffer-limit pubsub 64mb 16mb 60
"""


def socket(state: Path) -> Path:
    return state / "run" / "valkey.sock"


def url(state: Path) -> str:
    return f"unix://{socket(state)}?db=0"


def prepare(state: Path, memory_mb: int = 512) -> None:
    data = files.directory(state / "valkey")
    files.directory(state / "run", 0o711)  # the edge's workers, who are nobody under root, pass through
    files.write(data / "valkey.conf", CONFIG.format(socket=socket(state), data=data, memory_mb=memory_mb))


def command(state: Path) -> list[str]:
    return [str(binaries.resolve("valkey-server").path), str(state / "valkey" / "valkey.conf")]


def ready(state: Path) -> bool:
    return answers(url(state))


def answers(address: str) -> bool:
    """Whether the Valkey there answers and has loaded what it kept."""
    try:
        with redis.Redis.from_url(address, socket_timeout=2, socket_connect_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
