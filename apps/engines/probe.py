"""What a workload listens on, from the socket tables of its network namespace."""

from __future__ import annotations

import ipaddress
from pathlib import Path

LISTEN = "0A"
ASKED = "02"  # let in by nobody yet: where those who wait are too many the kernel lets it ask again, after 1, 3, 7 s
# Of a connection that somebody waits for: established, or about to be; closed by the other side only; closed by this
# one, or by both, while the end of what was sent has not arrived.
OPEN = ("01", "03", "04", "08", "09", "0B")
RESOLVER = "127.0.0.11"  # Docker's own, in every container
HOST_ORDER = 4  # bytes: /proc prints addresses in words of this machine's order


def listening(table: str) -> list[tuple[str, int]]:
    """The (address, port) pairs that listen, from the text of /proc/PID/net/tcp or tcp6."""
    found = []
    for line in table.splitlines()[1:]:
        words = line.split()
        if len(words) > 3 and words[3] == LISTEN:
            address, port = words[1].split(":")
            found.append((_address(address), int(port, 16)))
    return sorted(set(found), key=lambda pair: (pair[1], pair[0]))


def _address(text: str) -> str:
    raw = bytes.fromhex(text)
    words = [raw[at : at + HOST_ORDER][::-1] for at in range(0, len(raw), HOST_ORDER)]
    return str(ipaddress.ip_address(b"".join(words)))


def words(pid: int, port: int, hidden: int | None) -> str | None:
    """None when something listens on `port` where traffic arrives; else what was found. `hidden`: our own proxy."""
    found = []
    for name in ("tcp", "tcp6"):
        try:
            found += listening(Path(f"/proc/{pid}/net/{name}").read_text())
        except OSError:
            continue
    return describe([pair for pair in found if pair[1] != hidden], port)


def describe(found: list[tuple[str, int]], port: int) -> str | None:
    if any(at == port and address in ("0.0.0.0", "127.0.0.1", "::", "::ffff:127.0.0.1") for address, at in found):
        return None
    if not found:
        return f"listens on nothing yet; it should listen on $PORT {port}"
    places = ", ".join(f"[{address}]:{at}" if ":" in address else f"{address}:{at}" for address, at in found)
    return f"listens on {places}, not on $PORT {port}"


def reachable(table: str, port: int) -> str | None:
    """None when something in a network of its own listens on `port` for others, else what was found."""
    found = [pair for pair in listening(table) if pair[0] != RESOLVER]
    loopback = ("127.", "::1", "::ffff:127.")
    if any(at == port and not address.startswith(loopback) for address, at in found):
        return None
    if any(at == port for _, at in found):
        return f"listens on 127.0.0.1:{port} only, which nothing outside its container reaches; not on 0.0.0.0:{port}"
    return describe(found, port)


def connections(table: str, port: int) -> int:
    """How many are open to `port`."""
    wanted = f"{port:04X}"
    rows = [line.split() for line in table.splitlines()]
    return sum(1 for row in rows if len(row) > 3 and row[3] in OPEN and row[1].rpartition(":")[2] == wanted)


def arriving(address: str, tables: Path = Path("/proc/net")) -> int:
    """How many connections from this machine to `address` ("10.0.0.1:80", "[::1]:80") have not been let in yet.

    What is asked at knows nothing of them: only who asks does.
    """
    host, _, port = address.rpartition(":")
    ip = ipaddress.ip_address(host.strip("[]"))
    words = (ip.packed[at : at + HOST_ORDER][::-1] for at in range(0, len(ip.packed), HOST_ORDER))
    wanted = f" {b''.join(words).hex().upper()}:{int(port):04X} {ASKED} "
    try:
        with (tables / ("tcp" if ip.version == 4 else "tcp6")).open() as rows:
            return sum(wanted in row for row in rows)
    except OSError:
        return 0
