"""One backup of the platform: a tar of its database, secrets, keys, repositories and live artifacts, sealed."""

from __future__ import annotations

import datetime
import io
import itertools
import json
import os
import tarfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone
from pyrage import x25519

from apps import artifacts, secretstore
from apps.backups import sealing
from apps.backups.platform import database, repositories
from apps.builds.models import Artifact
from apps.core import claims, room
from apps.core.errors import PlatformError, Unavailable
from apps.infrastructure import declaration
from apps.infrastructure.embedded import openbao
from apps.pods.models import Pod
from apps.secretstore.base import SecretStore

FORMAT = 1
SECRETS, MANIFEST = "secrets.json", "manifest.json"
DECLARED = "infrastructure.yml"  # wherever it is
KEPT = ("secret-key", "certbot")  # of the state directory: what signs sessions, the accounts at authorities
EXTENSION = ".tar.zst.age"


def name_at(moment: datetime.datetime) -> str:
    return f"platform_{moment.astimezone(datetime.UTC):%Y%m%dT%H%M%SZ}{EXTENSION}"


def make(path: Path, recipients: Sequence[x25519.Recipient]) -> sealing.Sealed:
    """The file `path`; nothing of it where that fails. Raises Unavailable, PlatformError, UserError."""
    room.check()
    state = Path(settings.BRAINPOD.state)
    with claims.claimed(state, "platform-backup-") as work, store() as open_store:
        dumped = database.dump(work)
        secrets = dict(open_store.everything())
        trees = _live_trees()
        about = {
            "format": FORMAT, "at": timezone.now().isoformat(), "database": dumped.name, "secrets": len(secrets),
            "rows": dumped.rows,
            "pods": sorted(Pod.objects.values_list("name", flat=True)), "artifacts": sorted(map(str, trees)),
            "repositories": repositories.names(),
        }  # fmt: skip
        members = [(state / name, name) for name in KEPT if (state / name).exists()]
        if (declared := declaration.path()) is not None and declared.exists():
            members.append((declared.resolve(), DECLARED))
        members += [(work / dumped.name, dumped.name), *((state / tree, str(tree)) for tree in trees)]
        everything = itertools.chain(members, repositories.copies(work))
        with _tar({MANIFEST: about, SECRETS: secrets}, everything) as stream:
            with sealing.sealing(stream, path, recipients) as sealed:
                stream.check()
    return sealed


@contextmanager
def store() -> Iterator[SecretStore]:
    """The secret store; the embedded one is started for the body where nothing has it running."""
    try:
        found = secretstore.secrets()
        found.check()
    except Unavailable:
        if settings.BRAINPOD.vault_addr:
            raise
        with openbao.running(Path(settings.BRAINPOD.state), quiet=True):
            yield secretstore.secrets()
        return
    yield found


def _live_trees() -> list[Path]:
    """Where the trees of everything that is live are, beneath the state directory. What is an image is not here."""
    kept, state = artifacts.artifacts(), Path(settings.BRAINPOD.state)
    live = Artifact.objects.filter(builds__revision__in=Pod.objects.exclude(live=None).values("live"))
    digests = {digest for row in live.distinct() for digest in _digests(row.manifest)}
    return [kept.path(digest).relative_to(state) for digest in sorted(digests) if kept.has(digest)]


def _digests(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value.startswith("sha256:"):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _digests(one)


class _Stream:
    """What a thread writes, as it writes it; `check` raises what went wrong there."""

    def __init__(self, texts: dict[str, Any], members: Iterable[tuple[Path, str]]) -> None:
        out, into = os.pipe()
        self._file = os.fdopen(out, "rb", buffering=0)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._write, args=(into, texts, members), daemon=True, name="tar")
        self._thread.start()

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(size) or b""

    def check(self) -> None:
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        self._file.close()
        self._thread.join()

    def _write(self, into: int, texts: dict[str, Any], members: Iterable[tuple[Path, str]]) -> None:
        try:
            with os.fdopen(into, "wb") as pipe, tarfile.open(fileobj=pipe, mode="w|") as tar:
                for name, content in texts.items():
                    data = json.dumps(content).encode()
                    member = tarfile.TarInfo(name)
                    member.size, member.mode = len(data), 0o600
                    tar.addfile(member, io.BytesIO(data))
                for path, name in members:
                    for parent in reversed(Path(name).parents[:-1]):  # with the rights they have
                        tar.add(settings.BRAINPOD.state / parent, str(parent), recursive=False)
                    tar.add(path, name)
        except (OSError, tarfile.TarError, PlatformError) as error:
            self._failure = error


@contextmanager
def _tar(texts: dict[str, Any], members: Iterable[tuple[Path, str]]) -> Iterator[_Stream]:
    stream = _Stream(texts, members)
    try:
        yield stream
    finally:
        stream.close()
