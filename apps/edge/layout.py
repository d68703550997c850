"""Where the edge keeps its files, and what stays the same while it runs."""

from __future__ import annotations

import grp
import ipaddress
import os
import pwd
import re
import resource
from dataclasses import dataclass
from pathlib import Path

from apps.core.errors import PlatformError
from apps.core.places import first_closed
from apps.edge.outside import Outside

PLAIN = re.compile(r"/[A-Za-z0-9 ._/@+:,=~-]*")
HOPS = "edge-hop-"
CONNECTIONS = 4096  # of one worker; each proxied request takes two


@dataclass(frozen=True, slots=True)
class Layout:
    """`state/nginx` and `run`, with the addresses of the dashboard. Sockets are paths without `unix:`."""

    state: Path
    run: Path
    port: int
    bind: str
    dashboard_host: str
    dashboard_pages: tuple[str, ...]
    dashboard_sockets: str
    static_root: Path
    dashboard_git: str = ""  # where pushes and clones of git are answered; empty: nowhere
    push_mb: int = 512  # the largest push
    trusted_proxies: tuple[str, ...] = ()
    workers: int = 2
    cache_mb: int = 512  # the most that answers kept take on the disk
    open_files: int = CONNECTIONS * 2
    tls_port: int = 0  # none: nothing answers on TLS
    user: str = ""  # "name group" that root's workers become; empty for an ordinary user
    outside: Outside | None = None  # the nginx that somebody else runs; none: the platform runs one

    @property
    def home(self) -> Path:
        return self.state / "nginx"

    @property
    def configuration(self) -> Path:
        return self.outside.directory / "brainpod.conf" if self.outside else self.home / "conf" / "nginx.conf"

    @property
    def beside(self) -> Path:
        """Where a configuration is written that is to become that one by a rename; nobody includes it there."""
        return self.outside.directory / ".brainpod.next" if self.outside else self.home / "conf" / "next.conf"

    @property
    def sizes(self) -> Path:
        """Beside the configuration of an nginx outside: what holds for all of its servers, and may stand there once."""
        return self.configuration.with_name("brainpod-sizes.conf")

    @property
    def pid(self) -> Path:
        return self.outside.pid if self.outside else self.home / "nginx.pid"

    @property
    def links(self) -> Path:
        return self.run / "edge"

    @property
    def admin(self) -> Path:
        return self.run / "edge-admin.sock"

    def hop(self, index: int) -> Path:
        return self.run / hop_name(index)

    @property
    def tls(self) -> Path:
        """Links from names to their certificates."""
        return self.links / "tls"

    @property
    def certificates(self) -> Path:
        return self.home / "certificates"

    @property
    def acme(self) -> Path:
        """Where answers to an ACME server's challenges are put."""
        return self.home / "acme"

    @property
    def error_log(self) -> Path:
        return self.home / "logs" / "error.log"

    @property
    def access_log(self) -> Path:
        return self.home / "logs" / "access.log"

    @property
    def old_access_log(self) -> Path:
        return self.home / "logs" / "access.log.1"

    @property
    def passwords(self) -> Path:
        return self.home / "passwords"

    @property
    def guesses(self) -> Path:
        return self.home / "guesses"

    @property
    def listen(self) -> str:
        return self._at(self.port)

    @property
    def listen_tls(self) -> str:
        return self._at(self.tls_port)

    def _at(self, port: int) -> str:
        return f"[{self.bind}]:{port}" if ":" in self.bind else f"{self.bind}:{port}"

    @property
    def tls_suffix(self) -> str:
        """What an https address has behind its host."""
        return f":{self.tls_port}" if self.tls_port not in (0, 443) else ""

    def check(self) -> None:
        """Raise PlatformError("edge_settings") for a setting that cannot stand in a configuration."""
        paths = [self.state, self.run, self.static_root, *self.dashboard_pages, self.dashboard_sockets]
        paths += [self.dashboard_git] if self.dashboard_git else []
        paths += [self.outside.directory] if self.outside else []
        for path in map(str, paths):
            if not PLAIN.fullmatch(path):
                raise _settings(f"{path!r} has a character that cannot stand in the edge's configuration.")
        for socket in (
            *self.dashboard_pages,
            self.dashboard_sockets,
            self.dashboard_git,
            str(self.admin),
            f"{self.links}/{'0' * 16}/00.sock",
        ):
            if len(socket.encode()) > 107:
                raise _settings(f"The socket path {socket!r} is longer than 107 bytes.")
        try:
            ipaddress.ip_address(self.bind)
            for network in self.trusted_proxies:
                ipaddress.ip_network(network)
        except ValueError as error:
            raise _settings(f"An address of the edge is not one: {error}.") from None
        if not (self.dashboard_pages and re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", self.dashboard_host)):
            raise _settings("The dashboard needs a host name and at least one socket.")

    def make(self) -> None:
        """The directories, with modes that let root's workers, who are nobody, pass through and read pages."""
        modes = {"": 0o711, "conf": 0o700, "pages": 0o755, "logs": 0o700, "tmp": 0o711, "certificates": 0o711}
        # Complete: certbot takes away no directory that it found, and so none that another one of it needs.
        modes |= dict.fromkeys(("acme", "acme/.well-known", "acme/.well-known/acme-challenge"), 0o755)
        for name, mode in modes.items():
            _directory(self.home / name, mode)
        if self.user and os.geteuid() == 0:  # they open the logs anew by their names when one was put aside
            os.chown(self.home / "logs", -1, grp.getgrnam(self.user.split()[1]).gr_gid)
            (self.home / "logs").chmod(0o710)
        _directory(self.passwords, 0o711)
        if self.outside:
            try:
                self.outside.directory.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise _settings(f"The directory for nginx cannot be made: {error}.") from None
        for path in (self.run, self.links, self.tls):
            _directory(path, 0o711)
        kept = self.tls / ".kept"
        if not kept.is_symlink() or kept.readlink() != self.certificates:
            kept.unlink(missing_ok=True)
            kept.symlink_to(self.certificates)


def hop_name(index: int) -> str:
    """Of a socket that nginx listens on itself (apps/edge/hop.py), beside the directory of links."""
    return f"{HOPS}{index}.sock"


def _directory(path: Path, mode: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    if path.stat().st_uid == os.geteuid():
        path.chmod(mode)


def _settings(message: str) -> PlatformError:
    return PlatformError("edge_settings", message)


def worker_user(*paths: Path, outside: str = "") -> str:
    """Whom root's workers become: nobody, or root where nobody could not reach `paths` (a state in root's home).

    `outside`: whom those of an nginx outside are. Raises PlatformError("edge_settings").
    """
    if os.geteuid() != 0:
        return ""
    if outside:
        try:
            return f"{outside} {grp.getgrgid(pwd.getpwnam(outside).pw_gid).gr_name}"
        except KeyError:
            raise _settings(f"There is no user {outside!r} whom nginx's workers could be.") from None
    return "root root" if any(first_closed(path) for path in paths) else _nobody()


def _nobody() -> str:
    entry = pwd.getpwnam("nobody")
    return f"nobody {grp.getgrgid(entry.pw_gid).gr_name}"


def open_files() -> int:
    """How many files a worker may have open here."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = CONNECTIONS * 4
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
