"""Every setting of the platform, read from the environment once. docs/settings.md lists them (a test compares)."""

from __future__ import annotations

import ipaddress
import os
import platform
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from apps.core import plans
from apps.core.places import default_state

ROOT = Path(__file__).resolve().parent.parent
KNOWN_KEYS = frozenset({"", "secret", "changeme", "django-insecure", "insecure"})
HOST = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
METRICS_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{24,200}")  # what a bearer token may be made of
DOCKER_SOCKET = Path("/var/run/docker.sock")
# As Docker reads it: without a dot, a port or "localhost" the first part would be a name on Docker Hub.
REGISTRY = re.compile(
    r"(localhost|[a-z0-9-]+(\.[a-z0-9-]+)+|[a-z0-9.-]+(?=:))(:\d{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
)
BASE_IMAGE = re.compile(r"(\*|[a-z]+(-build)?)=[\w.:/@{}-]+")
SCHEMES = {
    "docker_host": ("unix", "tcp", "ssh"),
    "nomad_addr": ("https", "http"),
    "nodes_url": ("https", "http"),
    "database_url": ("postgres", "postgresql", "sqlite"),
    "valkey_url": ("redis", "rediss", "unix"),
    "vault_addr": ("https", "http"),
    "artifacts_url": ("s3", "file"),
    "cache_url": ("s3", "file"),
}
CHOICES = {"nomad_driver": ("docker", "exec", "raw_exec"), "nomad_discovery": ("nomad", "consul")}
RANGES = {
    "port": (1, 65535),
    "public_port": (0, 65535),
    "lease_seconds": (1, 3600),
    "workers": (1, 1000),
    "web_workers": (1, 1000),
    "log_days": (1, 36500),
    "log_mb": (1, 1_000_000),
    "cache_days": (1, 36500),
    "cache_mb": (1, 1_000_000_000),
    "revisions_kept": (0, 100_000),
    "clone_mb": (1, 1_000_000),
    "clone_files": (1, 100_000_000),
    "clone_seconds": (1, 86400),
    "build_seconds": (1, 86400),
    "build_memory": (16, 10_000_000),
    "build_disk_mb": (1, 1_000_000_000),
    "build_files": (1, 1_000_000_000),
    "build_output_mb": (1, 1_000_000),
    "build_cpu": (0.01, 1024),
    "drain_seconds": (0, 3600),
}


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
    public_port: int = 0  # the port written into addresses, when something in front maps it; 0: `port`
    secure: bool = False  # https in front: secure cookies, https addresses
    trusted_proxies: str = ""  # networks whose X-Forwarded-For nginx believes, comma-separated
    sandbox: str = "auto"  # auto | required | off
    engine: str = "process"  # process | docker | nomad
    docker_host: str = ""  # unix:///…, tcp://…; empty: /var/run/docker.sock where there is one
    docker_networks: str = ""  # networks of the Docker daemon that every app joins, comma-separated
    nomad_addr: str = ""  # https://…:4646; empty: http://127.0.0.1:4646
    nomad_token: str = ""  # of a policy as in docs/nomad.md, where the cluster has ACLs
    nomad_namespace: str = "default"
    nomad_region: str = ""  # Nomad's own; empty: that of the agent asked
    nomad_datacenters: str = ""  # region=datacenter,… where a region of pods is called otherwise in Nomad
    nomad_node_pool: str = ""
    nomad_driver: str = "docker"  # docker | exec | raw_exec
    nomad_discovery: str = "nomad"  # nomad | consul: where services are registered
    nomad_user: str = ""  # who tasks of exec and raw_exec run as; empty: the driver's own choice
    nomad_ca: str = ""  # files of PEM: the cluster's CA, and this platform's certificate and key
    nomad_cert: str = ""
    nomad_key: str = ""
    nodes_url: str = ""  # where nodes of a cluster reach the dashboard's host; empty: its public address
    lease_seconds: int = 30  # how long a worker that went silent keeps what it was working on
    workers: int = 2  # deployments at once
    region: str = "local"  # where this host stands: new pods get it, and builders build for it
    builds: bool = True  # the workers of this host build too; no: only those started by manage.py builder do
    builder: str = ""  # this host's name among the builders; empty: its host name
    builder_labels: str = ""  # what operators may want to know of this builder, comma-separated
    plans: str = ""  # limits of teams as JSON, over the plans shipped: {"free": {"minutes": 100, "slots": 1}}
    web_workers: int = 2  # processes that make pages
    log_format: str = "auto"  # console | json; auto: json in production
    log_days: int = 14  # how long log lines are kept
    log_mb: int = 50  # how much of one stream is kept, compressed
    cache_days: int = 15  # idle days after which build caches and fetched toolchains go
    cache_mb: int = 10240  # the most that the build caches of one team keep
    cache_url: str = ""  # s3://bucket/prefix?endpoint=… or file:///directory: where machines share them; empty: nowhere
    metrics_token: str = ""  # what Prometheus sends to read /metrics; empty: there is no such address
    revisions_kept: int = 20  # sealed revisions whose artifacts are kept for rollback, beside the live one
    clone_mb: int = 2048  # largest checkout
    clone_files: int = 200_000  # most files in a checkout
    clone_seconds: int = 300
    build_seconds: int = 1800  # install and build, each
    build_memory: int = 4096  # MB
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
    allowed_networks: str = ""  # private networks that clones and egress may reach, comma-separated
    database_url: str = ""  # postgres://… ; empty: SQLite in the state directory
    valkey_url: str = ""  # redis://… ; empty: the embedded Valkey's socket
    artifacts_url: str = ""  # s3://bucket/prefix?endpoint=… or file:///…, where hosts find what others built
    vault_addr: str = ""  # https://… ; empty: the embedded OpenBao
    vault_role_id: str = ""  # AppRole of the platform, for a Vault outside
    vault_secret_id: str = ""
    failpoints: bool = False  # tests only: see apps/core/failpoints.py

    @property
    def public_address(self) -> str:
        """The dashboard's address without a slash at the end."""
        return self.url(self.dashboard_host)

    def url(self, host: str) -> str:
        port = self.public_port or self.port
        scheme, usual = ("https", 443) if self.secure else ("http", 80)
        return f"{scheme}://{host}" + ("" if port == usual else f":{port}")

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
    def builder_queue(self) -> str:
        """Where the messages for the builder of this host go."""
        return f"builder.{self.builder_name}"

    @property
    def joined_networks(self) -> tuple[str, ...]:
        return tuple(name.strip() for name in self.docker_networks.split(",") if name.strip())

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
    _check(config)
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


def _check(config: Config) -> None:
    if config.sandbox not in ("auto", "required", "off"):
        raise ImproperlyConfigured("BRAINPOD_SANDBOX must be auto, required or off.")
    if config.engine not in ("process", "docker", "nomad"):
        raise ImproperlyConfigured("BRAINPOD_ENGINE must be process, docker or nomad.")
    if config.log_format not in ("auto", "console", "json"):
        raise ImproperlyConfigured("BRAINPOD_LOG_FORMAT must be auto, console or json.")
    if len(str(config.run)) > 60:
        raise ImproperlyConfigured("BRAINPOD_STATE is too long: sockets beneath it may have at most 107 characters.")
    _check_numbers(config)
    _check_networks(config)
    _check_addresses(config)
    _check_fleet(config)
    _check_images(config)
    if config.metrics_token and not METRICS_TOKEN.fullmatch(config.metrics_token):
        raise ImproperlyConfigured(
            "BRAINPOD_METRICS_TOKEN must be 24 or more letters, digits and . _ ~ + / - = without spaces."
        )
    _check_nomad(config)
    if config.production:
        _check_production(config)


def _check_numbers(config: Config) -> None:
    for name, (lowest, highest) in RANGES.items():
        value = getattr(config, name)
        if not lowest <= value <= highest:  # also false for nan
            raise ImproperlyConfigured(f"BRAINPOD_{name.upper()} must be from {lowest} to {highest}, not {value}.")


def _check_networks(config: Config) -> None:
    for name in ("allowed_networks", "trusted_proxies"):
        for text in filter(None, (part.strip() for part in getattr(config, name).split(","))):
            try:
                ipaddress.ip_network(text)
            except ValueError as error:
                raise ImproperlyConfigured(f"BRAINPOD_{name.upper()}: {error}.") from None
    try:
        ipaddress.ip_address(config.bind)
    except ValueError:
        raise ImproperlyConfigured(f"BRAINPOD_BIND must be an address such as 0.0.0.0, not {config.bind!r}.") from None


def _check_fleet(config: Config) -> None:
    try:
        plans.parse(config.plans)
    except ValueError as error:
        raise ImproperlyConfigured(f"BRAINPOD_PLANS {error}.") from None
    for name in ("region", "builder"):
        value = getattr(config, name)
        if not LABEL.fullmatch(value) and (name == "region" or value):
            words = "small letters, digits and hyphens, at most 40"
            raise ImproperlyConfigured(f"BRAINPOD_{name.upper()} must be {words}, not {value!r}.")


def _check_addresses(config: Config) -> None:
    for name in ("domain", "dashboard_host"):
        if not HOST.fullmatch(getattr(config, name)):
            raise ImproperlyConfigured(f"BRAINPOD_{name.upper()} must be a host name in small letters, without a port.")
    for name, schemes in SCHEMES.items():
        value = getattr(config, name)
        if value and value.partition("://")[0] not in schemes:
            setting = "DATABASE_URL" if name == "database_url" else f"BRAINPOD_{name.upper()}"
            raise ImproperlyConfigured(f"{setting} must begin with {' or '.join(f'{s}://' for s in schemes)}.")
    if config.vault_addr and not (config.vault_role_id and config.vault_secret_id):
        raise ImproperlyConfigured("BRAINPOD_VAULT_ADDR needs BRAINPOD_VAULT_ROLE_ID and BRAINPOD_VAULT_SECRET_ID.")


def _check_images(config: Config) -> None:
    for entry in filter(None, (part.strip() for part in config.base_images.split(","))):
        if not BASE_IMAGE.fullmatch(entry):
            raise ImproperlyConfigured(
                f"BRAINPOD_BASE_IMAGES: {entry!r} is not like python=registry.example/python:{{version}}-slim."
            )
    for name in ("build_ca", "registry_ca"):
        if (path := getattr(config, name)) and not Path(path).is_file():
            raise ImproperlyConfigured(f"BRAINPOD_{name.upper()}: there is no file {path}.")
    if config.registry and not REGISTRY.fullmatch(config.registry):
        raise ImproperlyConfigured(
            f"BRAINPOD_REGISTRY must be like registry.example.org/brainpod, in small letters, not {config.registry!r}."
        )
    if bool(config.registry_user) != bool(config.registry_password):
        raise ImproperlyConfigured("BRAINPOD_REGISTRY_USER and BRAINPOD_REGISTRY_PASSWORD are given together or not.")


def _check_nomad(config: Config) -> None:
    for name, choices in CHOICES.items():
        if getattr(config, name) not in choices:
            raise ImproperlyConfigured(f"BRAINPOD_{name.upper()} must be {' or '.join(choices)}.")
    for region, datacenter in config.nomad_regions.items():
        if not LABEL.fullmatch(region) or not datacenter:
            raise ImproperlyConfigured("BRAINPOD_NOMAD_DATACENTERS must be like frankfurt=dc1,oslo=dc2.")
    if bool(config.nomad_cert) != bool(config.nomad_key):
        raise ImproperlyConfigured("BRAINPOD_NOMAD_CERT and BRAINPOD_NOMAD_KEY go together.")
    for name in ("nomad_ca", "nomad_cert", "nomad_key"):
        path = getattr(config, name)
        if path and not Path(path).is_file():
            raise ImproperlyConfigured(f"BRAINPOD_{name.upper()}: there is no file {path}.")


def _check_production(config: Config) -> None:
    if config.secret_key in KNOWN_KEYS or len(config.secret_key) < 32:
        raise ImproperlyConfigured("BRAINPOD_SECRET_KEY must be set to at least 32 random characters in production.")
    if config.sandbox != "required":
        raise ImproperlyConfigured("BRAINPOD_SANDBOX must be required in production.")
    if config.failpoints or config.debug:
        raise ImproperlyConfigured("BRAINPOD_FAILPOINTS and BRAINPOD_DEBUG are refused in production.")


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
