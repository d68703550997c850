"""Entries on their way between machines: `index/<scope>/<part>/<key>` names the archive of a tree.

An index object is signed for its own name with the platform's key, and the tree has to have the digest it says: what
somebody copied, changed or made up in the store is a miss.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import structlog
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from apps import artifacts
from apps.artifacts import archives
from apps.artifacts.objects import Objects
from apps.builds.caching import index
from apps.builds.caching.index import Entry
from apps.core import claims
from apps.core.errors import UserError

log = structlog.get_logger(__name__)
LARGEST = 4 << 30  # bytes of a tree that is fetched
_INDEX_BYTES = 1 << 16


def fetch(store: Objects, scope: str, part: str, key: str, *, outside: Sequence[str] = ()) -> Entry | None:
    """Bring the tree here; None if there is none that holds. Raises ObjectsAway."""
    name = f"index/{scope}/{part}/{key}"
    entry = _index(store, name)
    if entry is None or entry.size > LARGEST:
        return None
    if not artifacts.artifacts().has(entry.digest) and not _tree(store, scope, entry, outside):
        return None
    return entry


def send(store: Objects, scope: str, part: str, key: str, entry: Entry) -> None:
    """Put the tree into the store, then the entry that names it. Raises ObjectsAway."""
    with tempfile.TemporaryFile() as file:
        archives.pack(artifacts.artifacts().path(entry.digest), file)
        file.seek(0)
        store.put(_archive(scope, entry), file)
    _sign(store, f"index/{scope}/{part}/{key}", entry)


def used(store: Objects, scope: str, part: str, key: str, entry: Entry) -> None:
    """Tell the store that it is still of use. Raises ObjectsAway."""
    _sign(store, f"index/{scope}/{part}/{key}", entry)


def forget(store: Objects, scope: str, *, older_than: float) -> int:
    """Delete the entries of a cache unused for `older_than` seconds, and archives none names; how many objects."""
    limit = timezone.now().timestamp() - older_than
    kept, old = set(), []
    for found in store.objects(f"index/{scope}"):
        entry = _index(store, found.name) if found.modified.timestamp() >= limit else None
        if entry is None:
            old.append(found.name)
        else:
            kept.add(_archive(scope, entry))
    archived = store.objects(f"archives/{scope}")
    old += [found.name for found in archived if found.name not in kept and found.modified.timestamp() < limit]
    return _delete(store, old)


def drop(store: Objects, scope: str) -> int:
    """Delete everything beneath `scope`; how many objects."""
    return _delete(store, [found.name for kind in ("index", "archives") for found in store.objects(f"{kind}/{scope}")])


def scopes(store: Objects) -> set[str]:
    """The caches the store has something of: <team>/<pod>/<app>/<zone>/<generation>."""
    return {"/".join(found.name.split("/")[1:6]) for kind in ("index", "archives") for found in store.objects(kind)}


def _delete(store: Objects, names: list[str]) -> int:
    for name in names:
        store.delete(name)
    return len(names)


def _archive(scope: str, entry: Entry) -> str:
    return f"archives/{scope}/{entry.digest.removeprefix('sha256:')}.tar.zst"


def _sign(store: Objects, name: str, entry: Entry) -> None:
    said = index.as_text(entry).decode()
    text = json.dumps({"entry": said, "signature": _signature(name, said)})
    store.put(name, io.BytesIO(text.encode()))


def _signature(name: str, said: str) -> str:
    return salted_hmac("brainpod.caches.index", f"{name}\n{said}", algorithm="sha256").hexdigest()


def _index(store: Objects, name: str) -> Entry | None:
    file = store.get(name)
    if file is None:
        return None
    with file:
        text = file.read(_INDEX_BYTES)
    try:
        given = json.loads(text)
        said, signature = given["entry"], given["signature"]
        if not constant_time_compare(_signature(name, said), signature):
            raise ValueError("signed by somebody else, or for another place")
        entry = index.parse(said.encode())
        if entry is None:
            raise ValueError("no entry")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        log.warning("cache_entry_refused", name=name, reason=str(error)[:200])
        return None
    return entry


def _tree(store: Objects, scope: str, entry: Entry, outside: Sequence[str]) -> bool:
    """Whether the archive was there and is what the entry says."""
    name = _archive(scope, entry)
    file = store.get(name)
    if file is None:
        return False
    scratch = artifacts.artifacts().scratch("fetched")
    try:
        with file:
            return _unpacked(file, scratch / "tree", entry, outside)
    except (archives.BadArchive, UserError) as error:
        log.warning("cache_archive_refused", name=name, reason=str(error)[:200])
        return False
    finally:
        claims.end(scratch)


def _unpacked(file: IO[bytes], into: Path, entry: Entry, outside: Sequence[str]) -> bool:
    into.mkdir()
    archives.unpack(file, into, most_bytes=entry.size, most_files=entry.files)
    tree = artifacts.artifacts().adopt(into, outside=outside)
    if tree.digest != entry.digest:
        raise archives.BadArchive(f"it is {tree.digest[:19]}, not {entry.digest[:19]}")
    return True
