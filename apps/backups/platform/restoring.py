"""A state directory made of a backup of the platform: `make up` on it finds the same pods."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from pyrage import x25519

from apps.backups import sealing
from apps.backups.platform import database, restored
from apps.backups.platform.making import DECLARED, FORMAT, MANIFEST, SECRETS, store
from apps.core import claims
from apps.core.errors import UserError
from apps.infrastructure import declaration

LATER = "Use the version of Brainpod that made it, or a later one."


def restore(path: Path, identities: Sequence[x25519.Identity]) -> dict[str, Any]:
    """Everything of it where it belongs, in a state directory and a database that are empty; its manifest.

    Raises Conflict("restore_not_empty"), UserError, PlatformError; what was unpacked by then is removed.
    """
    state = Path(settings.BRAINPOD.state)
    database.check_empty()
    if not settings.BRAINPOD.vault_addr and (state / "bao" / "initialised").exists():
        raise database.not_empty("the secret store")
    with claims.claimed(state, "platform-restore-") as work:
        about, secrets = _unpack(path, identities, work)
        with store() as open_store:
            for name, versions in secrets.items():
                open_store.put_back(name, {int(number): values for number, values in versions.items()})
        file = work / about["database"]
        for found in sorted(work.iterdir()):
            if found.name == DECLARED:
                _declare(found)
            elif found != file:
                _into_place(found, state / found.name)
        restored.mark(about["at"])
        database.load(file)  # last: a directory without it is empty, and may be tried again
        if "rows" in about:
            database.compare({name: (least, most) for name, (least, most) in about["rows"].items()})
    return about


def _unpack(path: Path, identities: Sequence[x25519.Identity], work: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The manifest and the secrets, which are written nowhere; everything else in `work`."""
    with path.open("rb") as file, sealing.opened(file, identities) as plain:
        try:
            with tarfile.open(fileobj=plain, mode="r|") as tar:
                about, secrets = _text(tar, MANIFEST), _text(tar, SECRETS)
                if about.get("format") != FORMAT:
                    raise UserError("restore_format", "This backup has a form that is not known here.", LATER)
                tar.extractall(work, members=iter(tar.next, None), filter="tar")  # the filter keeps it beneath # nosec B202
        except (tarfile.TarError, KeyError, ValueError):
            raise sealing.damaged() from None
        while plain.read(sealing.BLOCK):
            pass  # to its end: what was cut short or changed there is found out now
    return about, secrets


def _text(tar: tarfile.TarFile, name: str) -> dict[str, Any]:
    member = tar.next()
    content = tar.extractfile(member) if member is not None and member.name == name else None
    if content is None:
        raise tarfile.ReadError(name)
    found: dict[str, Any] = json.load(content)
    return found


def _declare(found: Path) -> None:
    """Where it is read from here; one that is there already is the operators' word about this host."""
    to = declaration.path() or Path(settings.BRAINPOD.state) / DECLARED
    if not to.exists():
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(found, to)


def _into_place(found: Path, to: Path) -> None:
    """What settings or services made of that name meanwhile gives way."""
    if to.is_dir():
        shutil.rmtree(to)
    else:
        to.unlink(missing_ok=True)
    found.rename(to)
