"""Artifacts of several hosts: each has the trees it needs in a directory of its own, and finds the others' in a store.

What a host makes it also uploads, before anybody is told of it; what it lacks it fetches, and believes nothing but
the digest. A tree is one object, `trees/<hex>.tar.zst`.
"""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Sequence
from pathlib import Path

import structlog
from django.utils import timezone

from apps.artifacts import archives
from apps.artifacts.base import Tree
from apps.artifacts.local import LocalArtifacts
from apps.artifacts.objects import Objects, ObjectsAway
from apps.artifacts.trees import seal
from apps.core import claims
from apps.core.errors import Invalid, PlatformError

log = structlog.get_logger(__name__)
MOST_BYTES = 64 << 30  # of one tree that is fetched, unpacked
MOST_FILES = 5_000_000


class NotShared(ObjectsAway):
    """`tree` is kept on this host, and the store did not take it."""

    def __init__(self, tree: Tree, error: ObjectsAway) -> None:
        super().__init__(error.__cause__ or error)
        self.tree = tree


class SharedArtifacts(LocalArtifacts):
    """Raises Unavailable (ObjectsAway) where a tree has to travel and the store does not answer."""

    def __init__(self, root: Path, objects: Objects) -> None:
        super().__init__(root)
        self._objects = objects

    def adopt(self, directory: Path, *, outside: Sequence[str] = ()) -> Tree:
        tree = super().adopt(directory, outside=outside)
        try:
            self.share(tree.digest)
        except ObjectsAway as error:
            raise NotShared(tree, error) from error
        return tree

    def share(self, digest: str) -> None:
        name = self._object(digest)
        if not self._objects.has(name):
            self._upload(digest, name)

    def path(self, digest: str) -> Path:
        if not super().has(digest):
            self._fetch(digest)
        return super().path(digest)

    def has(self, digest: str) -> bool:
        if super().has(digest):
            return True
        try:
            self._fetch(digest)
        except PlatformError:
            return False
        return True

    def keep_only(self, digests: set[str], *, older_than: float) -> int:
        """On this host, and in the store; what is shared is swept by whoever knows all digests, the platform."""
        freed = super().keep_only(digests, older_than=older_than)
        kept = {self._object(digest) for digest in digests}
        limit = timezone.now() - datetime.timedelta(seconds=older_than)
        try:
            for found in list(self._objects.objects("trees")):
                if found.name not in kept and found.modified < limit:
                    self._objects.delete(found.name)
        except ObjectsAway as error:
            log.warning("shared_artifacts_not_swept", error=str(error))
        return freed

    def _object(self, digest: str) -> str:
        return f"trees/{self._target(digest).name}.tar.zst"

    def _upload(self, digest: str, name: str) -> None:
        with tempfile.TemporaryFile(dir=self._scratch) as packed:
            archives.pack(super().path(digest), packed)
            packed.seek(0)
            self._objects.put(name, packed)

    def _fetch(self, digest: str) -> None:
        """Raises PlatformError("artifact_missing" | "artifact_damaged"), ObjectsAway."""
        packed = self._objects.get(self._object(digest))
        if packed is None:
            raise PlatformError("artifact_missing", f"The artifact {digest[:19]} is not in the store.", "Deploy again.")
        room = self.scratch("fetched")
        try:
            into = room / "tree"
            into.mkdir()
            with packed:
                archives.unpack(packed, into, most_bytes=MOST_BYTES, most_files=MOST_FILES)
            # Where its absolute links lead was checked when it was made, and is part of the digest.
            found = seal(into, ("",))
            if found.digest != digest:
                raise archives.BadArchive(f"it is {found.digest[:19]}")
            self._keep(into, found)
        except (archives.BadArchive, Invalid) as error:
            words = f"What the store has as the artifact {digest[:19]} is something else: {error}"
            raise PlatformError("artifact_damaged", words, "Deploy again without the cache.") from error
        finally:
            claims.end(room)
