"""certbot as a process of its own, one for each request, with directories that end with it.

It is given a request that is signed already (CSR), so the private key never leaves us, and there is nothing left of
it to renew: renewing is requesting again. Only the account is kept, in one place for all.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from apps.certificates import failures, hook
from apps.certificates.errands import Errand, Errands
from apps.infrastructure.embedded import files, process

PROGRAM = (sys.executable, "-I", "-c", "from certbot.main import main; raise SystemExit(main())")
# Fixed words: a shell puts in what stands in the environment, and reads nothing of it as its own.
HOOK = 'exec "$BRAINPOD_PYTHON" -I "$BRAINPOD_HOOK" "$BRAINPOD_SOCKET" '
SECONDS = 180.0  # for one request that nobody has to do anything for
PASSED_ON = ("PATH", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy", "LANG")
Challenge = Literal["http", "dns"]


@dataclass(frozen=True, slots=True)
class Authority:
    """Where certificates are requested. `url`: the ACME directory; `ca`: a file of what its address is checked with."""

    url: str
    email: str = ""
    ca: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """`state` keeps the account; `run` is for sockets; `webroot` is what every name answers challenges from."""

    state: Path
    run: Path
    webroot: Path

    @property
    def accounts(self) -> Path:
        return self.state / "accounts"


def request(
    names: list[str],
    *,
    name: str,
    authority: Authority,
    place: Place,
    now: Callable[[], object],
    challenge: Challenge = "http",
    act: Callable[[Errand], None] | None = None,
    seconds: float = SECONDS,
) -> tuple[str, str]:
    """(chain, key) in PEM for `names`. `name`: of this request, a part of file names.

    `challenge` dns: `act` is called for each record, and its error ends the request. Raises failures.Refused, and what
    `act` and `now` raise (`now` is called every moment, to end a request that is no longer wanted).
    """
    files.directory(place.state)
    work = files.directory(place.state / name)
    try:
        _prepare(work, place, authority)
        text = _sign(work, names)
        with Errands(place.run / f"acme-{name}.sock", act) as errands:
            arguments = [*_order(work), *_proof(challenge, place)]
            words = _run(work, arguments, authority, errands, now, seconds)
        chain = work / "chain.pem"
        if not chain.exists():
            raise _why(work, words)
        return chain.read_text(), text
    except failures.Refused as error:
        if error.kind == "accountDoesNotExist":
            shutil.rmtree(_account(place, authority), ignore_errors=True)
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _prepare(work: Path, place: Place, authority: Authority) -> None:
    """Its directories, and an account: made once, by one at a time, or there would be two to choose from."""
    config = files.directory(work / "config")
    files.directory(place.accounts)
    (config / "accounts").unlink(missing_ok=True)
    (config / "accounts").symlink_to(place.accounts)
    with _locked(place.state / "account.lock"):
        if any(_account(place, authority).glob("*/regr.json")):
            return
        with Errands(None, None) as nothing:
            words = _run(work, ["register"], authority, nothing, lambda: None, SECONDS)
    if not any(_account(place, authority).glob("*/regr.json")):
        raise _why(work, words)


def _account(place: Place, authority: Authority) -> Path:
    """Where certbot keeps those of this authority."""
    return place.accounts / authority.url.partition("://")[2].rstrip("/")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """The kernel gives it back when the process ends, however it does."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sign(work: Path, names: list[str]) -> str:
    """The request for `names`, in a file; its private key."""
    key = ec.generate_private_key(ec.SECP256R1())
    asked = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(asked, critical=False)
    files.write(work / "request.pem", made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form).decode()


def _order(work: Path) -> list[str]:
    for name in ("alone.pem", "above.pem", "chain.pem"):
        (work / name).unlink(missing_ok=True)  # certbot refuses to replace what a killed one left
    return [
        *("certonly", "--csr", str(work / "request.pem"), "--cert-path", str(work / "alone.pem")),
        *("--chain-path", str(work / "above.pem"), "--fullchain-path", str(work / "chain.pem")),
    ]


def _proof(challenge: Challenge, place: Place) -> list[str]:
    if challenge == "http":
        return ["--preferred-challenges", "http", "--webroot", "--webroot-path", str(place.webroot)]
    hooks = ["--manual-auth-hook", f"{HOOK}present", "--manual-cleanup-hook", f"{HOOK}remove"]
    return ["--preferred-challenges", "dns", "--manual", "--disable-hook-validation", *hooks]


def command(work: Path, arguments: list[str], authority: Authority) -> list[str]:
    """The argument list of a run. Pure."""
    who = ["--email", authority.email, "--no-eff-email"] if authority.email else ["--register-unsafely-without-email"]
    folders = [f"--{name}-dir={work / name}" for name in ("config", "work", "logs")]
    more = ["--non-interactive", "--agree-tos", "--max-log-backups", "0", "--no-directory-hooks"]
    return [*PROGRAM, *arguments, *more, *folders, "--server", authority.url, *who]


def _run(
    work: Path,
    arguments: list[str],
    authority: Authority,
    errands: Errands,
    now: Callable[[], object],
    seconds: float,
) -> str:
    """What certbot printed. Raises failures.Refused when it took too long, and what the callables raise."""
    env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    env |= {"HOME": str(work), "BRAINPOD_PYTHON": sys.executable, "BRAINPOD_HOOK": str(hook.__file__)}
    env |= {"BRAINPOD_SOCKET": str(errands.path), "PYTHONDONTWRITEBYTECODE": "1"}
    if authority.ca:
        env["REQUESTS_CA_BUNDLE"] = authority.ca
    output = work / "printed"
    with output.open("wb") as out:
        child = subprocess.Popen(
            command(work, arguments, authority), cwd=work, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            start_new_session=True, preexec_fn=process.dies_with_parent(),
        )  # fmt: skip
    try:
        if not errands.serve(lambda: child.poll() is not None, now, seconds):
            raise failures.timed_out()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, 9)
        child.wait(30)
    return output.read_text(errors="replace")


def _why(work: Path, words: str) -> failures.Refused:
    log = work / "logs" / "letsencrypt.log"
    from_log = log.read_text(errors="replace") if log.exists() else ""
    return failures.refusal(from_log, words, datetime.datetime.now(datetime.UTC))
