"""Which repositories a user may name, decided without touching the network: the part that forms ask."""

from __future__ import annotations

import ipaddress
import re
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from apps.core.addresses import Network, is_public
from apps.core.errors import Detail, Invalid
from apps.core.names import NAME

_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_PATH = re.compile(r"[A-Za-z0-9_.~%+@/-]+")
_SCP = re.compile(r"(?P<user>[^@:/]+)@(?P<host>[^:/@\[\]]+):(?P<path>[^:]+)")
PULL_REQUEST = re.compile(r"refs/(pull|merge-requests)/[1-9][0-9]{0,9}/head")  # what a host keeps for each
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_PORTS = {"https": 443, "ssh": 22}
_EXAMPLE = "Use https://github.com/you/app.git, ssh://git@host/you/app.git, git@host:you/app.git or brainpod:team/app."


@dataclass(frozen=True, slots=True)
class ParsedUrl:
    """A repository's address, taken apart. `url` is the address git is given; for `brainpod` the name users write.

    `name`: of a hosted repository, `<pod>/<app>` for one that is pushed to.
    """

    scheme: Literal["https", "ssh", "brainpod"]
    url: str
    host: str = ""
    port: int = 0
    user: str = ""
    team: str = ""
    name: str = ""


def check_url(
    url: str, *, team: str | None = None, field: str = "source.repo", allowed: Iterable[Network] = ()
) -> ParsedUrl:
    """`url` taken apart, if it is one that may be cloned.

    `team`: the only team whose hosted repositories (`brainpod:<team>/<name>`) may be named. `allowed`: private
    networks that literal addresses may lie in. Raises Invalid naming `field`; the message never repeats credentials.
    """
    if not url or len(url) > 1000:
        raise _refused(field, f"must be the address of a git repository. {_EXAMPLE}")
    if any(ord(c) <= 32 or ord(c) >= 127 for c in url):
        raise _refused(field, "must be plain characters without spaces; write others percent-encoded.")
    if url.startswith("-"):
        raise _refused(field, f"must not start with a hyphen. {_EXAMPLE}")
    if url.startswith("brainpod:"):
        return _hosted(url, team, field)
    if "::" in url.partition("/")[0]:
        raise _refused(field, f"names a git remote helper, which is not run here. {_EXAMPLE}")
    if "://" in url:
        return _standard(url, field, tuple(allowed))
    if match := _SCP.fullmatch(url):
        user, host, path = match["user"], match["host"], match["path"]
        return _parsed("ssh", user, host, 22, "/" + path.lstrip("/"), url, field, tuple(allowed))
    raise _refused(field, f"must be an https or ssh address; local paths are not cloned. {_EXAMPLE}")


def whole_ref(name: str) -> str:
    """The ref that `name`, which check_ref took, stands for."""
    return name if name.startswith("refs/") else f"refs/heads/{name}"


def check_ref(name: str, field: str = "source.branch") -> str:
    """The name of a branch, by git's own rules and ours; or the whole ref of a pull request. Raises Invalid naming
    `field`.
    """
    if PULL_REQUEST.fullmatch(name):
        return name
    parts = name.split("/")
    bad = (
        not 1 <= len(name) <= 200
        or name.startswith(("-", "refs/"))
        or name in ("@", "HEAD")
        or any(ord(c) <= 32 or ord(c) == 127 or c in "~^:?*[\\" for c in name)
        or any(mark in name for mark in ("..", "@{"))
        or any(not part or part.startswith(".") or part.endswith((".lock", ".")) for part in parts)
    )
    if bad:
        raise _refused(field, "must be the name of a branch, such as main or feature/sign-in.")
    return name


def _hosted(url: str, team: str | None, field: str) -> ParsedUrl:
    owner, *names = url.removeprefix("brainpod:").removesuffix(".git").split("/")
    if not 1 <= len(names) <= 2 or not all(map(_is_name, (owner, *names))):
        raise _refused(field, "must be brainpod:<team>/<name> or brainpod:<team>/<pod>/<app>, all lower-case names.")
    name = "/".join(names)
    if team is not None and owner != team:
        raise _refused(field, "is not a repository of this team.")
    return ParsedUrl("brainpod", f"brainpod:{owner}/{name}", team=owner, name=name)


def _is_name(text: str) -> bool:
    return bool(NAME.fullmatch(text)) and "--" not in text


def _standard(url: str, field: str, allowed: tuple[Network, ...]) -> ParsedUrl:
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refused(field, f"is not an address. {_EXAMPLE}") from None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        raise _refused(field, f"must be an https or ssh address. {_EXAMPLE}")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise _refused(field, "must not have a query or fragment.")
    user, _, secret = parts.netloc.rpartition("@")[0].partition(":")
    if secret or (scheme == "https" and "@" in parts.netloc):
        raise _refused(field, "must not carry a user name, password or token.")
    if port == 0:
        raise _refused(field, "must not have port 0.")
    return _parsed(scheme, user, parts.hostname or "", port or _PORTS[scheme], parts.path, url, field, allowed)


def _parsed(
    scheme: str, user: str, host: str, port: int, path: str, url: str, field: str, allowed: tuple[Network, ...]
) -> ParsedUrl:
    if user and not _USER.fullmatch(user):
        raise _refused(field, "must have a plain user name.")
    host = _host(host, field, allowed)
    decoded = urllib.parse.unquote(path)
    bad = (
        not _PATH.fullmatch(path)
        or not path.strip("/")
        or any(ord(c) < 32 or c == "\\" for c in decoded)
        or {".", ".."} & set(decoded.split("/"))
        or decoded.lstrip("/").startswith(("-", "~"))
    )
    if bad:
        raise _refused(field, "must have the plain path of a repository, such as /you/app.git.")
    at = f"{user}@" if user else ""
    authority = f"[{host}]" if ":" in host else host
    written = "" if port == _PORTS[scheme] else f":{port}"
    kind: Literal["https", "ssh"] = "https" if scheme == "https" else "ssh"
    return ParsedUrl(kind, f"{scheme}://{at}{authority}{written}{path}", host, port, user)


def _host(host: str, field: str, allowed: tuple[Network, ...]) -> str:
    host = host.lower().rstrip(".")
    address = _literal(host)
    if address is not None:
        within = any(address.version == net.version and address in net for net in allowed)
        if not within and not is_public(str(address)):
            raise _refused(field, "leads to a private address, which is not reached from here.")
        return str(address)
    labels = host.split(".")
    well_formed = all(_LABEL.fullmatch(label) for label in labels) and not _NUMBER.fullmatch(labels[-1])
    if not host or len(host) > 253 or not well_formed:
        raise _refused(field, "must have the name of a host, such as github.com.")
    if labels[-1] in ("localhost", "local", "internal") and not allowed:
        raise _refused(field, "leads to a private address, which is not reached from here.")
    return host


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that `host` is, in any notation the C library reads: 127.1, 0x7f.0.0.1, 017700000001, 2130706433."""
    if ":" in host:
        try:
            return ipaddress.ip_address(host)
        except ValueError:
            return None
    parts = host.split(".")
    if not 1 <= len(parts) <= 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    try:
        *high, low = (int(p, 16 if p[:2] in ("0x", "0X") else 8 if p[0] == "0" else 10) for p in _plain(parts))
        if any(number > 255 for number in high):
            raise ValueError
        value = low + sum(number << (24 - 8 * position) for position, number in enumerate(high))
        if low >= 1 << (8 * (4 - len(high))):
            raise ValueError
        return ipaddress.IPv4Address(value)
    except ValueError:
        return ipaddress.IPv4Address(0)  # digits and dots that are no address: treated as one that is refused


def _plain(parts: list[str]) -> list[str]:
    return [part + "0" if part in ("0x", "0X") else part for part in parts]


def _refused(field: str, message: str) -> Invalid:
    return Invalid([Detail(field, message)])
