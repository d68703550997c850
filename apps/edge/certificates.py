"""The files of certificates: written once under a name, read by nginx's workers and by nobody else."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import os
import pwd
import secrets
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from apps.edge.layout import Layout
from apps.edge.tls import SELF_SIGNED

LIFE = datetime.timedelta(days=397)  # the longest that clients take
FILES = ("chain.pem", "key.pem")
MODE = 0o600  # of both
LEFT = datetime.timedelta(days=30)  # with less left, a start makes another


def keep(layout: Layout, name: str, chain: str, key: str) -> None:
    """Write `chain` and `key` (PEM) under `name`, complete or not at all; what is there already is replaced."""
    beside = layout.certificates / f".{name}.{secrets.token_hex(4)}"
    beside.mkdir(mode=0o711)
    beside.chmod(0o711)
    try:
        for file, text in zip(FILES, (chain, key), strict=True):
            _write(layout, beside / file, text)
    except OSError:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    target = layout.certificates / name
    old = layout.certificates / f".{name}.old"
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.replace(old)
    beside.replace(target)
    shutil.rmtree(old, ignore_errors=True)


def _write(layout: Layout, path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE), "w") as file:
        if layout.user and os.geteuid() == 0:  # the workers read it, and they are not root
            os.fchown(file.fileno(), pwd.getpwnam(layout.user.split()[0]).pw_uid, -1)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def changes(layout: Layout) -> dict[str, float]:
    """The names under which complete pairs are kept, and when a file of each last changed, be it its mode."""
    found = {}
    for path in layout.certificates.iterdir():
        if not path.name.startswith("."):
            with contextlib.suppress(OSError):
                found[path.name] = max((path / name).stat().st_ctime for name in FILES)
    return found


def read(layout: Layout, name: str) -> tuple[str, str] | None:
    """Chain and key (PEM); None where nginx's workers could not read both, or others than they could."""
    owner = pwd.getpwnam(layout.user.split()[0]).pw_uid if layout.user and os.geteuid() == 0 else os.geteuid()
    texts = []
    for file in FILES:
        path = layout.certificates / name / file
        try:
            found = path.stat()
            if stat.S_IMODE(found.st_mode) != MODE or found.st_uid != owner:
                return None
            texts.append(path.read_text())
        except (OSError, ValueError):
            return None
    return texts[0], texts[1]


def forget(layout: Layout, names: Iterable[str]) -> None:
    for name in names:
        shutil.rmtree(layout.certificates / name, ignore_errors=True)


def ensure_default(layout: Layout, names: Iterable[str]) -> None:
    """The certificate that TLS works with when there is no other; anew when it ends soon or `names` have changed."""
    kept = read(layout, SELF_SIGNED)
    if kept is None or not _serves(*kept, _names(names)):
        keep(layout, SELF_SIGNED, *self_signed(names))


def _serves(chain: str, key: str, names: list[x509.GeneralName]) -> bool:
    try:
        found = x509.load_pem_x509_certificate(chain.encode())
        named = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        fits = serialization.load_pem_private_key(key.encode(), None).public_key() == found.public_key()
    except (ValueError, TypeError, x509.ExtensionNotFound, UnsupportedAlgorithm):
        return False
    return fits and list(named) == names and found.not_valid_after_utc - datetime.datetime.now(datetime.UTC) > LEFT


def _names(names: Iterable[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in dict.fromkeys(names):
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def self_signed(names: Iterable[str]) -> tuple[str, str]:
    """(certificate, key) in PEM, for host names and addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Brainpod, self-signed")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectAlternativeName(_names(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), text.decode()
