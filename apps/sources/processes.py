"""git as a process of its own group: watched, limited, and dead to the last child when it must end."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from apps.core.errors import PlatformError

# What of the platform's own environment git may see: where certificates and proxies are, and nothing else.
_KEPT = (
    "PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "CURL_CA_BUNDLE",
    "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
)  # fmt: skip
_OWN = {
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "https:ssh",
    "GIT_PROTOCOL_FROM_USER": "0",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",
}
_CONFIG = (
    "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.askPass=", "core.sshCommand=false",
    "core.autocrlf=false", "credential.helper=", "init.templateDir=", "init.defaultBranch=main",
    "protocol.allow=never", "protocol.https.allow=always", "protocol.ssh.allow=always", "protocol.version=2",
    "http.followRedirects=false", "http.lowSpeedLimit=1000", "http.lowSpeedTime=60", "submodule.recurse=false",
    "gc.auto=0", "maintenance.auto=false", "safe.directory=*", "advice.detachedHead=false", "log.showSignature=false",
)  # fmt: skip


class Stopped(Exception):
    """The process was ended by us; `why` is cancelled, timeout, or what the watcher said."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Failed(Exception):
    """git exited with another code than 0; `output` is the end of what it said."""

    def __init__(self, output: str) -> None:
        super().__init__(output)
        self.output = output


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | _OWN | dict(extra)


def command(arguments: Sequence[str], config: Sequence[str] = ()) -> list[str]:
    return ["git", *(part for entry in (*_CONFIG, *config) for part in ("-c", entry)), *arguments]


def run(
    arguments: Sequence[str],
    *,
    deadline: float,
    cancelled: Callable[[], bool],
    config: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    fds: Sequence[int] = (),
    on_line: Callable[[str], None] = lambda _: None,
    watch: Callable[[], str] = lambda: "",
) -> str:
    """What `git <arguments>` printed. `watch` is asked every 0.25 s; what it returns, if anything, ends the run.

    `fds` are descriptors it inherits. `deadline` is of time.monotonic().
    Raises Failed, Stopped; everything the command started is dead on return.
    """
    with _started(command(arguments, config), environment(env or {}), fds) as process:
        lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        output: list[bytes] = []
        assert process.stdout is not None
        assert process.stderr is not None
        readers = [
            threading.Thread(target=_collect, args=(process.stdout, output), daemon=True),
            threading.Thread(target=_split, args=(process.stderr, lines), daemon=True),
        ]
        for reader in readers:
            reader.start()
        said: list[str] = []
        for line in _lines(lines, deadline, cancelled, watch):
            said = [*said[-50:], line]
            on_line(line)
        code = process.wait()
        readers[0].join()
    if code:
        raise Failed("\n".join(said))
    return b"".join(output).decode(errors="replace")


@contextmanager
def _started(arguments: list[str], env: dict[str, str], fds: Sequence[int]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        process = subprocess.Popen(
            arguments, env=env, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, pass_fds=tuple(fds),
        )  # fmt: skip
    except FileNotFoundError:
        raise PlatformError("git_missing", "git is not installed on this machine.", "Install git.") from None
    try:
        yield process
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def _lines(
    lines: queue.SimpleQueue[str | None], deadline: float, cancelled: Callable[[], bool], watch: Callable[[], str]
) -> Iterator[str]:
    asked = 0.0
    while True:
        now = time.monotonic()
        if now - asked >= 0.25:
            asked = now
            why = "cancelled" if cancelled() else "timeout" if now > deadline else watch()
            if why:
                raise Stopped(why)
        try:
            line = lines.get(timeout=0.25)
        except queue.Empty:
            continue
        if line is None:
            return
        yield line


def _collect(stream: IO[bytes], into: list[bytes]) -> None:
    while chunk := stream.read(65536):
        into.append(chunk)


def _split(stream: IO[bytes], lines: queue.SimpleQueue[str | None]) -> None:
    """Lines of progress: git ends those it overwrites with a carriage return; the last of them is passed on."""
    try:
        for raw in stream:
            text = raw.decode(errors="replace").rstrip("\r\n").rpartition("\r")[2]
            if text := clean(text):
                lines.put(text)
    finally:
        lines.put(None)


def clean(text: str, longest: int = 2000) -> str:
    """`text` without control characters, at most `longest` characters."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", "", text)[:longest].strip()


def tree_size(root: Path) -> tuple[int, int]:
    """(bytes, entries) beneath `root` now; what vanishes meanwhile is not counted."""
    size = count = 0
    stack = [str(root)]
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    count += 1
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                    else:
                        size += entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            continue
    return size, count
