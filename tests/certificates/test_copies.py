"""What happens to nginx's copies: noticed, brought back from the secret store, told, and nobody else's trouble."""

from __future__ import annotations

import datetime
import shutil
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from django.utils import timezone

from apps import secretstore
from apps.accounts.models import User
from apps.certificates import copies, following
from apps.certificates.models import Certificate
from apps.core.errors import Unavailable
from apps.core.ports import free_port
from apps.deployments import certify
from apps.deployments.desired import edge_state
from apps.edge.certificates import self_signed
from apps.edge.tls import SELF_SIGNED
from apps.pods.models import HostName, Pod
from apps.secretstore.vault import Vault
from tests.certificates.conftest import Door
from tests.edge.conftest import wait_for

pytestmark = pytest.mark.django_db(transaction=True)
Proven = Callable[[str], Certificate]


def _empty(kept: Path) -> None:
    (kept / "chain.pem").write_text("")


def _foreign_key(kept: Path) -> None:
    (kept / "key.pem").write_text(self_signed(["other.test"])[1])


def _cut_key(kept: Path) -> None:
    path = kept / "key.pem"
    path.write_text(path.read_text()[:60])


def _open_to_all(kept: Path) -> None:
    (kept / "key.pem").chmod(0o644)


def _no_text(kept: Path) -> None:
    (kept / "chain.pem").write_bytes(b"\xff\xfe\x00")


def _added(kept: Path) -> None:
    with (kept / "chain.pem").open("a") as file:
        file.write("# and more\n")


def _no_key(kept: Path) -> None:
    (kept / "key.pem").unlink()


BREAKAGES = [_empty, _foreign_key, _cut_key, _open_to_all, _no_text, _added, _no_key, shutil.rmtree]


@pytest.fixture
def own(door: Door, proven: Proven, name: str, alice: User) -> Certificate:
    """One that serves, of a route's domain."""
    row = proven(name)
    HostName.objects.filter(host=name).update(route="front")
    row = Certificate.objects.select_related("hostname").get(pk=row.pk)
    chain, key = self_signed([name])
    certify.upload(certificate=row, chain=chain, key=key, by=alice)
    row.refresh_from_db()
    door.stand.edge.apply(edge_state)
    wait_for(lambda: shown(door, row) == row.fingerprint)
    return row


def shown(door: Door, row: Certificate) -> str:
    """The fingerprint of what a client gets; empty for none."""
    try:
        return door.shown(row.host).fingerprint(hashes.SHA256()).hex()
    except (ssl.SSLError, OSError):
        return ""


def words(pod: Pod) -> str:
    return " ".join(pod.events.values_list("words", flat=True))


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_what_broke_is_mended_and_told(
    door: Door, own: Certificate, pod: Pod, breakage: Callable[[Path], Any], proven: Proven, name: str, alice: User
) -> None:
    other = proven(f"other-{name}")
    certify.upload(certificate=other, chain=(pair := self_signed([other.host]))[0], key=pair[1], by=alice)
    other.refresh_from_db()
    door.stand.edge.apply(edge_state)
    good = door.stand.edge.certificate(own.kept)
    assert good
    breakage(door.stand.edge.layout.certificates / own.kept)
    wait_for(lambda: shown(door, other) == other.fingerprint)
    certify.tend()
    assert door.stand.edge.certificate(own.kept) == good
    wait_for(lambda: shown(door, own) == own.fingerprint)
    assert "on the disk, and were brought back" in words(pod)
    own.refresh_from_db()
    assert (own.damage, own.alarm) == ("", "")
    told = pod.events.count()
    certify.tend()
    assert pod.events.count() == told, "once"


def test_what_did_not_change_is_looked_at_twice_a_day(
    door: Door, own: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies.look()
    asked: list[str] = []
    seen = Vault.read
    monkeypatch.setattr(Vault, "read", lambda self, path, version: asked.append(path) or seen(self, path, version))
    old = timezone.now() + datetime.timedelta(minutes=5)
    Certificate.objects.update(checked_at=old)
    assert copies.look() == []
    assert asked == []
    Certificate.objects.update(checked_at=old - datetime.timedelta(hours=13))
    assert copies.look() == []
    assert asked == [own.path]


def test_while_the_store_is_away_the_default_one_serves(
    door: Door, own: Certificate, pod: Pod, monkeypatch: pytest.MonkeyPatch, openbao: Vault
) -> None:
    away = Vault(f"http://127.0.0.1:{free_port()}", "role", "secret")
    _cut_key(door.stand.edge.layout.certificates / own.kept)
    with monkeypatch.context() as patch:
        patch.setattr(secretstore, "secrets", lambda: away)
        with pytest.raises(Unavailable):
            following.look()
        certify.tend()
        own.refresh_from_db()
        assert own.damage == "damaged"
        assert "are damaged" in own.alarm
        assert "are damaged" in words(pod)
        door.stand.edge.apply(edge_state)
        wait_for(lambda: shown(door, own) not in ("", own.fingerprint))
    certify.tend()
    wait_for(lambda: shown(door, own) == own.fingerprint)
    own.refresh_from_db()
    assert own.damage == ""
    assert "is in order again" in words(pod)


def test_a_good_copy_serves_on_when_the_store_has_lost_it(door: Door, own: Certificate, openbao: Vault) -> None:
    openbao.delete(own.path)
    Certificate.objects.update(checked_at=None)
    assert copies.look() == []
    own.refresh_from_db()
    assert own.version
    assert shown(door, own) == own.fingerprint


def test_one_s_own_that_is_lost_everywhere_is_asked_for(door: Door, own: Certificate, pod: Pod, openbao: Vault) -> None:
    openbao.delete(own.path)
    shutil.rmtree(door.stand.edge.layout.certificates / own.kept)
    certify.tend()
    own.refresh_from_db()
    assert (own.version, own.next_at) == (None, None)
    assert "is lost: upload it again" in own.alarm
    assert "is lost: upload it again" in words(pod)


@pytest.mark.parametrize("breakage", BREAKAGES[:4])
def test_the_default_one_is_made_anew(door: Door, breakage: Callable[[Path], Any]) -> None:
    kept = door.stand.edge.layout.certificates / SELF_SIGNED
    following.look()
    before = door.stand.edge.certificate(SELF_SIGNED)
    assert before
    following.look()
    assert door.stand.edge.certificate(SELF_SIGNED) == before
    breakage(kept)
    following.look()
    found = door.stand.edge.certificate(SELF_SIGNED)
    assert found
    assert found != before
    wait_for(lambda: "self-signed" in door.shown("nobody.test").subject.rfc4514_string())
