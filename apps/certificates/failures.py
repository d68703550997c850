"""What an ACME server refuses, in words: what is wrong and what to do."""

from __future__ import annotations

import datetime
import json
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from apps.core.errors import UserError

_ERROR = re.compile(r'"type":\s*"urn:(?:ietf:params:)?acme:error:(\w+)",?\s*(?:"detail":\s*("(?:[^"\\]|\\.)*"))?')
_SWAPPED = re.compile(r'"detail":\s*("(?:[^"\\]|\\.)*"),\s*"type":\s*"urn:(?:ietf:params:)?acme:error:(\w+)"')
_IDLE = re.compile(
    r"Ask for help|Saving debug log|See the logfile|Requesting a|Registering|Account registered|- - |An unexpected"
)
_RETRY = re.compile(r"^Retry-After: (.+)$", re.MULTILINE | re.IGNORECASE)
_LIMITED = re.compile(r"^HTTP (?:429|503)$", re.MULTILINE)
_AFTER = re.compile(r"retry after (\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)", re.IGNORECASE)
MOST_SAID = 500  # characters of the server's own words
LONGEST = datetime.timedelta(days=7)


class Refused(UserError):
    """No certificate, and why. `kind`: the ACME error; `wait`: how long the server asked us to, if it did."""

    kind = ""
    wait: datetime.timedelta | None = None


CAUSES = {
    "connection": Refused(
        "acme_connection",
        "The certificate authority could not reach this name over HTTP on port 80.",
        "Point its A and AAAA records here, and let port 80 through to this host; it asks there whatever else answers.",
    ),
    "dns": Refused(
        "acme_dns",
        "The certificate authority found no usable DNS answer for this name.",
        "Check its records, and that its name servers answer (DNSSEC too). New records may take an hour to be seen.",
    ),
    "unauthorized": Refused(
        "acme_unauthorized",
        "Something else than this platform answered for the name.",
        "Point all its A and AAAA records here, or turn off the proxy in front of it; or prove it by a DNS record.",
    ),
    "incorrectResponse": Refused(
        "acme_unauthorized",
        "Something else than this platform answered for the name.",
        "Point all its A and AAAA records here, or turn off the proxy in front of it; or prove it by a DNS record.",
    ),
    "tls": Refused(
        "acme_tls",
        "The certificate authority was sent on to https and could not talk to what answers there.",
        "Point the name here alone; nothing in front may redirect the challenge.",
    ),
    "caa": Refused(
        "acme_caa",
        "The CAA records of this name do not let the certificate authority issue for it.",
        "Add a CAA record that names the authority, or remove the ones there are.",
    ),
    "rateLimited": Refused(
        "acme_rate_limited",
        "The certificate authority has issued or refused too much for this name or this platform lately.",
        "Nothing to do: it is asked again once its limit allows.",
    ),
    "rejectedIdentifier": Refused(
        "acme_rejected",
        "The certificate authority issues nothing for this name.",
        "Upload a certificate of your own; names that are not public have none.",
    ),
    "accountDoesNotExist": Refused(
        "acme_account",
        "The certificate authority does not know the platform's account any more.",
        "A new account is made with the next try.",
    ),
    "userActionRequired": Refused(
        "acme_terms",
        "The certificate authority wants its terms agreed to again.",
        "An operator reads what it says, and requests again.",
    ),
    "badNonce": Refused(
        "acme_server", "The certificate authority has trouble of its own.", "It is asked again by itself."
    ),
    "serverInternal": Refused(
        "acme_server", "The certificate authority has trouble of its own.", "It is asked again by itself."
    ),
}
UNREACHABLE = Refused(
    "acme_unreachable",
    "The certificate authority cannot be reached.",
    "An operator checks BRAINPOD_ACME_URL, BRAINPOD_ACME_CA and this host's way out; it is asked again by itself.",
)
SLOW = Refused(
    "acme_timeout",
    "The certificate authority took too long.",
    "It is asked again by itself. If that stays, check that the name's DNS servers answer quickly.",
)
OTHER = Refused("acme_failed", "No certificate was issued.", "It is asked again by itself; its words say more.")
_NETWORK = (
    "ConnectionError",
    "ConnectTimeout",
    "NewConnectionError",
    "SSLError",
    "Max retries exceeded",
    "ReadTimeout",
)


@dataclass(frozen=True, slots=True)
class Said:
    """What certbot's log says of the last refusal."""

    kind: str
    detail: str


def refusal(log: str, words: str, now: datetime.datetime) -> Refused:
    """Why certbot failed, by its debug log and what it printed."""
    said = _last(log)
    if said is None:
        network = any(sign in log[-20_000:] + words for sign in _NETWORK)
        last = next((line for line in reversed(words.splitlines()) if line.strip() and not _IDLE.match(line)), "")
        return _made(UNREACHABLE if network else OTHER, "", "" if network else last)
    found = _made(CAUSES.get(said.kind, OTHER), said.kind, said.detail)
    if said.kind == "rateLimited":
        found.wait = _wait(log, said.detail, now)
    return found


def timed_out() -> Refused:
    return _made(SLOW, "", "")


def _made(entry: Refused, kind: str, detail: str) -> Refused:
    more = f" It said: {detail[:MOST_SAID].rstrip('. ')}." if detail else ""
    found = Refused(entry.code, f"{entry.message}{more}", entry.hint)
    found.kind = kind
    return found


def _last(log: str) -> Said | None:
    """The last error the server named; a nonce that was out of date only if there is no other."""
    found = [(match.start(), match[1], match[2] or '""') for match in _ERROR.finditer(log)]
    found += [(match.start(), match[2], match[1]) for match in _SWAPPED.finditer(log)]
    found.sort(key=lambda one: (one[1] != "badNonce", one[0]))
    return Said(found[-1][1], str(json.loads(found[-1][2]))) if found else None


def _wait(log: str, detail: str, now: datetime.datetime) -> datetime.timedelta | None:
    """How long it asked us to: by its header, else by its words."""
    seconds: float | None = None
    limited = list(_LIMITED.finditer(log))
    header = _RETRY.search(log, limited[-1].end(), limited[-1].end() + 2000) if limited else None
    if header:
        try:
            value = header[1].strip()
            seconds = float(value) if value.isdecimal() else (parsedate_to_datetime(value) - now).total_seconds()
        except (ValueError, TypeError):
            seconds = None
    elif after := _AFTER.search(detail):
        then = datetime.datetime.fromisoformat(after[1].replace(" ", "T")).replace(tzinfo=datetime.UTC)
        seconds = (then - now).total_seconds()
    if seconds is None:
        return None
    return min(datetime.timedelta(seconds=max(0.0, seconds)), LONGEST)
