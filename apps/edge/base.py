"""What the edge is: the whole state of what the outside can reach, applied at once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

Answer = Literal["live", "not_deployed", "deploying", "failed", "disabled", "maintenance"]

Compression = Literal["files", "all", "off"]


@dataclass(frozen=True, slots=True)
class Redirect:
    """Requests for `path` are sent to `target`, with `status` 301, 302, 307 or 308.

    `path`: "*" for every one, its path kept behind `target`, a host ("//example.com": with the scheme and the port it
    came by); else "/old", with or without a slash at its end, or "/old/*", that and everything beneath. A segment
    ":name" stands for any. `target`: a path or an address, with ":name" and, for what the star stood for, ":splat".

    In a rule, of static files: `path` and `target` are those of the site. 200 answers with the file `target`, 404
    with the site's page for that. A file that is there comes first, unless `force`.
    """

    path: str
    target: str
    status: int = 307
    force: bool = False


@dataclass(frozen=True, slots=True)
class Header:
    """A header of every answer for a path as in Redirect.path, "/*" being all."""

    path: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Rule:
    """Requests beneath `path` go to files in `directory`, else to `upstreams` (`unix:/path` or `address:port`).

    With neither, they are answered 502. `strip`: the app, or the directory, sees the path without `path`.
    `stopped`: they are answered by a page that says so. `sleeps`: while there are no upstreams, requests wait until the
    platform has started one (apps/deployments/waker.py); going to sleep and waking are no change of the configuration.
    """

    path: str  # "/" or "/api/": begins and ends with a slash
    upstreams: tuple[str, ...] = ()
    directory: str = ""
    strip: bool = False
    spa: bool = True  # static: an unknown path without a file extension gets /index.html
    mcp: bool = False  # streams stay open, and a session stays with the instance it began at: apps/edge/sessions.py
    keyed: bool = False  # only requests with one of `keys` pass: apps/edge/keyed.py
    keys: tuple[tuple[str, str], ...] = ()  # (name, digest) of those that count
    key: str = ""  # identifies this rule across generations (route id and rule name)
    stopped: bool = False
    sleeps: bool = False
    cache: str = ""  # answers are kept as the app's headers allow, until this becomes another; empty: they are not
    app: str = ""  # whose requests these are, "pod/app": stands in the access log; empty: nobody's
    redirects: tuple[Redirect, ...] = ()  # static, as the two below: the first that fits counts
    headers: tuple[Header, ...] = ()  # each that fits
    packed: tuple[str, ...] = ()  # "br", "gz": files of the site are there in these too, with that at their names' end


@dataclass(frozen=True, slots=True)
class Site:
    """One host name and what it answers. Anything but "live" is one of the edge's own pages.

    Where something is deployed, or about to be for the first time, what is below `body_mb` comes before the answer.
    """

    host: str
    answer: Answer = "live"
    rules: tuple[Rule, ...] = ()
    timeout: int = 60  # seconds
    body_mb: int = 100
    certificate: str = ""  # see EdgeState
    https: bool = False  # it answers on TLS
    https_only: bool = False  # what comes without TLS is sent there; as `hsts` of no effect without `https`
    hsts: int = 0  # days for which browsers come by TLS alone; 0: not said
    allow: tuple[str, ...] = ()  # networks whose clients are let in; empty: everybody
    password: str = ""  # "user:hash" as in a file of passwords; empty: none is asked for
    redirects: tuple[Redirect, ...] = ()  # the first that fits counts
    headers: tuple[tuple[str, str], ...] = ()  # (name, value) of every answer, in place of the app's
    compression: Compression = "files"
    route: str = ""  # whose host this is, "pod/route": stands in the access log; empty: nobody's


@dataclass(frozen=True, slots=True)
class EdgeState:
    """Certificates are named as in Edge.keep_certificate. `certificate`: what names without one of their own get, empty
    for the self-signed one; `panel`: the dashboard's, empty for the former.

    That of a site is empty for a name that never has one of its own, and DEFAULT for one that has none yet: getting it,
    and every other change of it, is then no change of the configuration. One that is not there, or cannot be read,
    gives way to the default.
    """

    sites: tuple[Site, ...] = ()
    certificate: str = ""
    panel: str = ""


DEFAULT = "default"

remembered = functools.lru_cache(maxsize=20_000)
"""For what follows from one site alone: of thousands of them, few are others than at the last apply."""


@remembered
def same(site: Site) -> Site:
    """One object for all sites that are equal: what is remembered of it is then found without comparing them."""
    return site


@dataclass(frozen=True, slots=True)
class Applied:
    """`reloaded`: nginx had to read a configuration; False when renames alone were enough."""

    generation: int
    reloaded: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """`text`: a configuration with these hosts alone. `links`: (link, where it leads now), relative to `folder`."""

    text: str
    links: tuple[tuple[str, str], ...]
    folder: Path


@dataclass(frozen=True, slots=True)
class Served:
    """The configuration that is in place. `since`: of its being put there, or back; seconds of the epoch, 0.0: none is.

    `refused`: in words why the last one that was to take its place did not, at `refused_at`; empty once one did.
    """

    text: str = ""
    generation: int = 0
    since: float = 0.0
    refused: str = ""
    refused_at: float = 0.0


class Edge(Protocol):
    """All raise Unavailable when nginx cannot be reached or refuses; the previous state then still serves."""

    def apply(self, desired: Callable[[], EdgeState]) -> Applied:
        """Make what `desired()` returns the state of the edge; callers are serialised across processes.

        `desired` is called with the lock held, so the last applier has seen everything committed before it. On
        return every new request is answered by the new state.
        """
        ...

    def settle(self, timeout: float = 10.0) -> None:
        """Wait until no worker of an older generation is left that could still open a connection to an old upstream."""
        ...

    def keep_certificate(self, name: str, chain: str, key: str) -> None:
        """Keep a certificate with those above it and its private key (PEM) for states that name it; see
        `certificates` for what is kept. `name`: 1 to 80 small letters, digits and hyphens."""
        ...

    def certificates(self) -> set[str]:
        """The names of those kept that are complete."""
        ...

    def certificate_changes(self) -> dict[str, float]:
        """The same names, and when a file of each last changed in any way (seconds of the epoch)."""
        ...

    def certificate(self, name: str) -> tuple[str, str] | None:
        """Chain and key (PEM) kept as `name`; None where nginx's workers could not read both, or others could."""
        ...

    def keep_default_certificate(self) -> None:
        """Make the self-signed one anew if it is missing, broken, or ends soon."""
        ...

    def forget_certificates(self, names: Iterable[str]) -> None:
        """Remove those that no state names any more."""
        ...

    def challenges(self) -> Path:
        """The directory whose files beneath `.well-known/acme-challenge` every host answers with."""
        ...

    def generation(self) -> int:
        """What the serving nginx says it serves."""
        ...

    def served(self) -> Served:
        """The whole configuration, for operators: it has everybody's hosts."""
        ...

    def shown(self, route: str) -> Shown:
        """What of the configuration concerns the hosts of `route` ("pod/route"), and nobody else's."""
        ...

    def access_logs(self) -> tuple[Path, ...]:
        """The files that may have lines of requests, the older one first; apps/edge/access_log.py reads a line."""
        ...

    def journal(self) -> Path:
        """The directory of what was asked of each pod, for people to search (apps/edge/journal)."""
        ...

    def rotate_access_log(self, most: int) -> bool:
        """Put the access log aside if it has more than `most` bytes, in place of the one put aside before; whether
        that was done. What is in neither file afterwards is gone."""
        ...
