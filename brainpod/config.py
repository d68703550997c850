"""Every setting of the platform, read from the environment once. docs/settings.md lists them (a test compares)."""

from __future__ import annotations

import ipaddress
import os
import platform
import re
import secrets
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from apps.core.addresses import endpoint
from apps.core.places import default_state
from apps.edge.outside import Outside
from brainpod import settings_checks

ROOT = Path(__file__).resolve().parent.parent
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
LETS_ENCRYPT_STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
BETWEEN_PORTS = 443 - 80
DOCKER_SOCKET = Path("/var/run/docker.sock")


@dataclass(frozen=True, slots=True)
class Config:
    """Field `port` is read from BRAINPOD_PORT, and so on; DATABASE_URL keeps the name other platforms gave it."""

    # everything the platform keeps: database, secrets, artifacts, disks, sockets
    state: Path = field(default_factory=lambda: default_state(ROOT))
    production: bool = False  # refuses a missing SECRET_KEY, no sandbox, failpoints
    debug: bool = False  # Django's debug pages and the component gallery
    secret_key: str = ""  # signs sessions; made and kept in the state directory when empty outside production
    domain: str = "localhost"  # pods answer at <pod>.<domain>
    dashboard_host: str = "localhost"  # the dashboard's own host name, which no route can have
    bind: str = "127.0.0.1"  # the address nginx listens on
    port: int = 8080  # the port nginx listens on
    tls_port: int = -1  # the port nginx answers TLS on; 0: none; -1: 363 above `port`: 8443 beside 8080, 443 beside 80
    public_port: int = 0  # the port written into addresses, when something in front maps it; 0: `port`
    secure: bool = False  # https in front: secure cookies, https addresses
    addresses: str = ""  # IP addresses that lead to this platform alone, comma-separated: see docs/domains.md
    dns_resolvers: str = ""  # who is asked about custom domains, comma-separated: address or address:port
    acme: str = "auto"  # auto | on | off: request certificates; auto: unless the base domain is localhost
    acme_url: str = ""  # the ACME directory; empty: Let's Encrypt, whose terms are agreed to with that
    acme_staging: bool = False  # Let's Encrypt's server for trials: no limits, and browsers trust nothing of it
    acme_email: str = ""  # where the authority writes to
    acme_ca: str = ""  # a file of CA certificates that the ACME directory's address is checked with
    cloudflare_url: str = "https://api.cloudflare.com/client/v4"  # Cloudflare's API
    trusted_proxies: str = ""  # networks whose X-Forwarded-For nginx believes, comma-separated
    infrastructure: str = ""  # the file that declares services; empty: infrastructure.yml in the state directory
    nginx: str = "managed"  # managed: the platform runs nginx; external: somebody else does, and includes ours
    nginx_directory: str = ""  # external: the directory for our configuration, which that nginx includes
    nginx_reload: str = "nginx -s reload"  # external: makes it read its configuration; split as by a shell, run without
    nginx_test: str = "nginx -t"  # external: tests its configuration; empty: that is not asked for
    nginx_pid: str = "/run/nginx.pid"  # external: the file with the number of its master process
    nginx_user: str = ""  # external: whom its workers run as; empty: nobody
    sandbox: str = "auto"  # auto | required | off
    engine: str = "process"  # process | docker | nomad: what pods run on that do not choose
    engines: str = ""  # those that pods may choose, comma-separated; the one above is always among them
    docker_host: str = ""  # unix:///…, tcp://…; empty: /var/run/docker.sock where there is one
    docker_networks: str = ""  # networks of the Docker daemon that every app joins, comma-separated
    docker_runtime: str = "auto"  # auto | runc | runsc: what containers run in; auto: gVisor where the daemon has it
    nomad_addr: str = ""  # https://…:4646; empty: http://127.0.0.1:4646
    nomad_token: str = ""  # of a policy as in docs/nomad.md, where the cluster has ACLs
    nomad_namespace: str = "default"
    nomad_region: str = ""  # Nomad's own; empty: that of the agent asked
    nomad_datacenters: str = ""  # region=datacenter,… where a region of pods is called otherwise in Nomad
    nomad_node_pool: str = ""
    nomad_driver: str = "docker"  # docker | exec | raw_exec
    nomad_discovery: str = "nomad"  # nomad | consul: where services are registered
    nomad_user: str = ""  # who tasks of exec and raw_exec run as; empty: the driver's own choice
    nomad_open_files: int = 65536  # most a container may have open: no more than the nodes' Docker may give
    nomad_ca: str = ""  # files of PEM: the cluster's CA, and this platform's certificate and key
    nomad_cert: str = ""
    nomad_key: str = ""
    nodes_url: str = ""  # where nodes of a cluster reach the dashboard's host; empty: its public address
    lease_seconds: int = 30  # how long a worker that went silent keeps what it was working on
    workers: int = 2  # deployments at once
    jobs: int = 4  # runs of scheduled jobs at once
    region: str = "local"  # where this host stands: new pods get it, and builders build for it
    builds: bool = True  # the workers of this host build too; no: only those started by manage.py builder do
    builder: str = ""  # this host's name among the builders; empty: its host name
    builder_labels: str = ""  # what operators may want to know of this builder, comma-separated
    plans: str = ""  # limits of teams as JSON, over the plans shipped: {"free": {"minutes": 100, "slots": 1}}
    web_workers: int = 2  # processes that make pages
    log_format: str = "auto"  # console | json; auto: json in production
    log_days: int = 14  # how long log lines are kept
    log_mb: int = 50  # how much of one stream is kept, compressed
    edge_cache_mb: int = 512  # the most that answers kept by the edge take, of routes that want it
    request_days: int = 7  # how long the request log of routes is kept
    request_rows: int = 500_000  # and how many requests of one pod, at about 40 bytes each
    cache_days: int = 15  # idle days after which build caches and fetched toolchains go
    cache_mb: int = 10240  # the most that the build caches of one team keep
    spare_mb: int = 200  # free on the state directory's disk, below which nothing new is built
    cache_url: str = ""  # s3://bucket/prefix?endpoint=… or file:///directory: where machines share them; empty: nowhere
    api_rate: int = 600  # requests of a token in a minute; 0: as many as it likes
    metrics_token: str = ""  # what Prometheus sends to read /metrics; empty: there is no such address
    revisions_kept: int = 20  # sealed revisions whose artifacts are kept for rollback, beside the live one
    clone_mb: int = 2048  # largest checkout
    clone_files: int = 200_000  # most files in a checkout
    clone_seconds: int = 300
    push_mb: int = 512  # largest push to the platform's own repositories
    push_seconds: int = 900  # how long one may take to arrive
    pushes: int = 4  # pushes that arrive, and clones of pushed repositories, at once
    push_watchers: int = 24  # pushes whose deployment is shown to its end, at once
    build_seconds: int = 1800  # install and build, each
    build_memory: int = 4096  # MB
    build_memory_most: int = 16384  # MB that an app may ask for
    build_disk_mb: int = 20480  # what one command may have in the directories it writes to
    build_files: int = 1_000_000  # and how many files
    build_output_mb: int = 100  # what one command may print
    build_cpu: float = 2.0
    base_images: str = ""  # what generated images begin with: python=mirror/python:{version}-slim,…
    build_ca: str = ""  # a file of CA certificates that build steps of images trust
    registry: str = ""  # host/path beneath which images are pushed and pulled; empty: they stay where they were built
    registry_user: str = ""  # who we are there; empty: what the Docker configuration of the platform's user says
    registry_password: str = field(default="", repr=False)
    registry_ca: str = ""  # a file of CA certificates that the platform trusts when it asks the registry itself
    drain_seconds: float = 30.0  # the most that requests under way in replaced instances are waited for
    terminal_idle_seconds: int = 900  # without a key pressed, after which a terminal ends
    terminal_seconds: int = 28800  # the longest a terminal lasts
    snapshot_kept: int = 10  # snapshots of a disk that are kept; the oldest go when there are more
    snapshot_days: int = 90  # and how long
    upload_mb: int = 2048  # the largest file that may be uploaded to a disk
    audit_days: int = 365  # how long it is kept who did what: the audit log, work in databases, files of disks
    allowed_networks: str = ""  # private networks that clones and egress may reach, comma-separated
    database_url: str = ""  # postgres://… ; empty: SQLite in the state directory
    valkey_url: str = ""  # redis://… ; empty: the embedded Valkey's socket
    artifacts_url: str = ""  # s3://bucket/prefix?endpoint=… or file:///…, where hosts find what others built
    backups_url: str = ""  # s3://bucket/prefix?endpoint=… or file:///…, where backups are copied to
    backups_recipient: str = ""  # age1…: what backups are sealed for besides the platform's own key
    backups_platform: str = ""  # when the platform itself is backed up, a line of cron: 0 4 * * *; empty: by hand alone
    backups_platform_kept: int = 7  # how many backups of the platform stay
    upgrade_copies: int = 3  # copies of the database from before upgrades that stay; 0: none is made
    vault_addr: str = ""  # https://… ; empty: the embedded OpenBao
    vault_role_id: str = ""  # AppRole of the platform, for a Vault outside
    vault_secret_id: str = ""
    smtp_host: str = ""  # the mail server that notifications go out by; empty: no mail
    smtp_port: int = 587
    smtp_security: str = "starttls"  # starttls | tls | none
    smtp_user: str = ""  # empty: the server is not told who we are
    smtp_password: str = field(default="", repr=False)
    smtp_from: str = ""  # whom mail is from; empty: brainpod@ and the base domain
    sentry_dsn: str = field(default="", repr=False)  # where errors of the platform itself are reported; empty: nowhere
    sentry_environment: str = "production"  # what this installation is called there
    failpoints: bool = False  # tests only: see apps/core/failpoints.py

    @property
    def offered(self) -> tuple[str, ...]:
        """The engines that pods may run on; the default first."""
        named = (name.strip() for name in self.engines.split(","))
        return tuple(dict.fromkeys((self.engine, *filter(None, named))))

    @property
    def outside(self) -> Outside | None:
        """The nginx that somebody else runs. Raises ValueError for a command that cannot be split."""
        if self.nginx != "external":
            return None
        reload, test = (tuple(shlex.split(text)) for text in (self.nginx_reload, self.nginx_test))
        return Outside(Path(self.nginx_directory), reload, test, Path(self.nginx_pid), self.nginx_user)

    @property
    def needs_agent(self) -> bool:
        """Whether the agent of the process engine runs here: it runs apps, or builds for nodes that cannot."""
        return bool({"process", "nomad"} & set(self.offered))

    @property
    def public_address(self) -> str:
        """The dashboard's address without a slash at the end."""
        return self.url(self.dashboard_host)

    def url(self, host: str) -> str:
        port = self.public_port or (self.secure and self.https_port) or self.port
        scheme, usual = ("https", 443) if self.secure else ("http", 80)
        return f"{scheme}://{host}" + ("" if port == usual else f":{port}")

    @property
    def other_address(self) -> str:
        """The dashboard's address by https, where `public_address` is by http and both are nginx's own ports."""
        if self.secure or self.public_port or not self.https_port:
            return ""
        return f"https://{self.dashboard_host}" + ("" if self.https_port == 443 else f":{self.https_port}")

    @property
    def acme_on(self) -> bool:
        """Whether certificates are requested."""
        local = self.domain == "localhost" or self.domain.endswith(".localhost")
        return self.acme == "on" or (self.acme == "auto" and not local)

    @property
    def acme_directory(self) -> str:
        return self.acme_url or (LETS_ENCRYPT_STAGING if self.acme_staging else LETS_ENCRYPT)

    @property
    def https_port(self) -> int:
        """What nginx answers TLS on; 0: nothing."""
        if self.tls_port >= 0:
            return self.tls_port
        return self.port + BETWEEN_PORTS if self.port + BETWEEN_PORTS <= 65535 else 0

    @property
    def nodes_address(self) -> str:
        """Where nodes of a cluster reach this platform, without a slash at the end."""
        return self.nodes_url.rstrip("/") or self.public_address

    @property
    def log_form(self) -> str:
        """ "json" or "console"."""
        return ("json" if self.production else "console") if self.log_format == "auto" else self.log_format

    @property
    def docker_address(self) -> str:
        """The Docker daemon's address; empty where none is set up."""
        if self.docker_host:
            return self.docker_host
        return f"unix://{DOCKER_SOCKET}" if DOCKER_SOCKET.is_socket() else ""

    @property
    def railpack(self) -> str:
        """The program on this machine; empty where it is not installed."""
        return os.environ.get("BRAINPOD_RAILPACK_BINARY") or shutil.which("railpack") or ""

    @property
    def nomad_regions(self) -> dict[str, str]:
        """Datacenters by region, as far as the setting names them."""
        pairs = [entry.strip().partition("=") for entry in self.nomad_datacenters.split(",") if entry.strip()]
        return {region.strip(): datacenter.strip() for region, _, datacenter in pairs}

    @property
    def run(self) -> Path:
        """Sockets, in one short directory: a unix socket's path has at most 107 bytes."""
        return self.state / "run"

    @property
    def builder_name(self) -> str:
        return self.builder or re.sub(r"[^a-z0-9]+", "-", platform.node().lower())[:40].strip("-") or "builder"

    @property
    def mail_from(self) -> str:
        return self.smtp_from or f"Brainpod <brainpod@{self.domain}>"

    @property
    def builder_queue(self) -> str:
        """Where the messages for the builder of this host go."""
        return f"builder.{self.builder_name}"

    @property
    def joined_networks(self) -> tuple[str, ...]:
        return tuple(name.strip() for name in self.docker_networks.split(",") if name.strip())

    @property
    def public_addresses(self) -> frozenset[str]:
        return frozenset(str(ipaddress.ip_address(a.strip())) for a in self.addresses.split(",") if a.strip())

    @property
    def resolvers(self) -> tuple[tuple[str, int], ...]:
        """Addresses and ports; none: the system's own."""
        return tuple(endpoint(text, 53) for text in self.dns_resolvers.split(",") if text.strip())

    @property
    def networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        return tuple(ipaddress.ip_network(n.strip()) for n in self.allowed_networks.split(",") if n.strip())


def read(environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration that `environ` describes. Raises ImproperlyConfigured naming the setting."""
    given: dict[str, Any] = {}
    for one in fields(Config):
        name = "DATABASE_URL" if one.name == "database_url" else f"BRAINPOD_{one.name.upper()}"
        if name in environ:
            given[one.name] = _convert(name, environ[name], str(one.type))
    config = Config(**given)
    settings_checks.check(config)
    return config


def _convert(name: str, text: str, kind: str) -> Any:
    try:
        match kind:
            case "bool":
                return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}[
                    text.strip().lower()
                ]
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "Path":
                return Path(text).expanduser().resolve()
            case _:
                return text
    except (KeyError, ValueError):
        words = {"bool": "yes or no", "int": "a whole number", "float": "a number"}[kind]
        raise ImproperlyConfigured(f"{name} must be {words}, not {text!r}.") from None


def secret_key(config: Config) -> str:
    """The key given, or one made once and kept 0600 in the state directory."""
    if config.secret_key:
        return config.secret_key
    path = config.state / "secret-key"
    try:
        return path.read_text()
    except FileNotFoundError:
        config.state.mkdir(parents=True, exist_ok=True, mode=0o711)
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(48))
        except FileExistsError:
            pass
        return path.read_text()
