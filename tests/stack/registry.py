"""A registry of images of the tests' own, on a port of the loopback, with a password and a storage of its own.

Debian's package docker-registry: `.ci/run` installs it, and there it must not be missing. A Docker daemon takes a
registry on the loopback without TLS.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from apps.artifacts.oci import Registry
from tests.stack.components import running

USER, PASSWORD = "brainpod", "right-password"
HASH = "$2b$04$YVyRWHDpyw43hbQdOxkAFOa1nLOcrdX1HqnildARbTSMEy3TQszBe"  # bcrypt of PASSWORD
CONFIG = """\
version: 0.1
log: {{level: info, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {root}/data}}
  delete: {{enabled: {deletes}}}
  maintenance: {{readonly: {{enabled: {readonly}}}}}
http: {{addr: "127.0.0.1:{port}", secret: tests}}
auth: {{htpasswd: {{realm: tests, path: {root}/htpasswd}}}}
"""
LISTENING = re.compile(r"listening on 127\.0\.0\.1:(\d+)")


class RegistryServer:
    """Started and ended at will, always at the same address with the same images."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = 0
        self._life = ExitStack()
        (root / "htpasswd").write_text(f"{USER}:{HASH}\n")

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def prefix(self) -> str:
        return f"{self.host}/brainpod"

    def known(self, password: str = PASSWORD) -> Registry:
        """As the wiring makes it."""
        return Registry(self.prefix, USER, password)

    def start(self, *, deletes: bool = True, readonly: bool = False) -> None:
        given = {"deletes": str(deletes).lower(), "readonly": str(readonly).lower()}
        (self.root / "config.yml").write_text(CONFIG.format(root=self.root, port=self.port, **given))
        log = self.root / "log"
        command = ["docker-registry", "serve", str(self.root / "config.yml")]
        self._life.enter_context(running(command, log, lambda: bool(LISTENING.search(log.read_text()))))
        found = LISTENING.search(log.read_text())
        assert found is not None
        self.port = int(found[1])

    def stop(self) -> None:
        self._life.close()


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    """An empty one."""
    if shutil.which("docker-registry") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("needs Debian's docker-registry")
    root = Path(tempfile.mkdtemp(prefix="bp-r-", dir="/tmp"))
    server = RegistryServer(root)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(root, ignore_errors=True)
