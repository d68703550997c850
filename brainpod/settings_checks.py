"""What is wrong with a configuration. Every check raises ImproperlyConfigured that names the setting."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

from apps.core import plans
from apps.core.errors import Invalid
from apps.core.schedules import Schedule

if TYPE_CHECKING:
    from brainpod.config import Config

KNOWN_KEYS = frozenset({"", "secret", "changeme", "django-insecure", "insecure"})
HOST = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
METRICS_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{24,200}")  # what a bearer token may be made of
# As Docker reads it: without a dot, a port or "localhost" the first part would be a name on Docker Hub.
REGISTRY = re.compile(
    r"(localhost|[a-z0-9-]+(\.[a-z0-9-]+)+|[a-z0-9.-]+(?=:))(:\d{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
)
BASE_IMAGE = re.compile(r"(\*|[a-z]+(-build)?)=[\w.:/@{}-]+")
MAIL_FROM = re.compile(r"[^\s<>@]+@[^\s<>@]+|[^<>@\r\n]+ <[^\s<>@]+@[^\s<>@]+>")
SENTRY_DSN = re.compile(r"https?://[A-Za-z0-9]+@[A-Za-z0-9.-]+(:\d{1,5})?(/[\w.-]+)*/\d+")
RECIPIENT = re.compile(r"age1[a-z0-9]{58}")
SCHEMES = {
    "docker_host": ("unix", "tcp", "ssh"),
    "nomad_addr": ("https", "http"),
    "nodes_url": ("https", "http"),
    "acme_url": ("https",),
    "cloudflare_url": ("https", "http"),
    "database_url": ("postgres", "postgresql", "sqlite"),
    "valkey_url": ("redis", "rediss", "unix"),
    "vault_addr": ("https", "http"),
    "artifacts_url": ("s3", "file"),
    "cache_url": ("s3", "file"),
    "backups_url": ("s3", "file"),
}
ENGINES = ("process", "docker", "nomad")
CHOICES = {
    "engine": ENGINES,
    "nginx": ("managed", "external"),
    "smtp_security": ("starttls", "tls", "none"),
    "acme": ("auto", "on", "off"),
    "docker_runtime": ("auto", "runc", "runsc"),
    "nomad_driver": ("docker", "exec", "raw_exec"),
    "nomad_discovery": ("nomad", "consul"),
}
RANGES = {
    "port": (1, 65535),
    "tls_port": (-1, 65535),
    "smtp_port": (1, 65535),
    "public_port": (0, 65535),
    "lease_seconds": (1, 3600),
    "workers": (1, 1000),
    "jobs": (1, 1000),
    "web_workers": (1, 1000),
    "log_days": (1, 36500),
    "log_mb": (1, 1_000_000),
    "edge_cache_mb": (1, 1_000_000),
    "request_days": (1, 36500),
    "request_rows": (1000, 1_000_000_000),
    "cache_days": (1, 36500),
    "cache_mb": (1, 1_000_000_000),
    "spare_mb": (0, 1_000_000_000),
    "api_rate": (0, 1_000_000),
    "revisions_kept": (0, 100_000),
    "clone_mb": (1, 1_000_000),
    "clone_files": (1, 100_000_000),
    "clone_seconds": (1, 86400),
    "push_mb": (1, 100_000),
    "push_seconds": (10, 86400),
    "pushes": (1, 100),
    "push_watchers": (0, 500),
    "build_seconds": (1, 86400),
    "build_memory": (16, 10_000_000),
    "build_memory_most": (16, 10_000_000),
    "build_disk_mb": (1, 1_000_000_000),
    "build_files": (1, 1_000_000_000),
    "build_output_mb": (1, 1_000_000),
    "build_cpu": (0.01, 1024),
    "drain_seconds": (0, 3600),
    "backups_platform_kept": (1, 10_000),
    "upgrade_copies": (0, 1_000),
    "terminal_idle_seconds": (10, 86400),
    "terminal_seconds": (60, 604_800),
    "snapshot_kept": (1, 1000),
    "snapshot_days": (1, 36_500),
    "upload_mb": (1, 1_048_576),
    "audit_days": (1, 36_500),
}


def check(config: Config) -> None:
    if config.sandbox not in ("auto", "required", "off"):
        raise ImproperlyConfigured("BRAINPOD_SANDBOX must be auto, required or off.")
    _check_choices(config)
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
    if config.sentry_dsn and not SENTRY_DSN.fullmatch(config.sentry_dsn):
        raise ImproperlyConfigured("BRAINPOD_SENTRY_DSN must be like https://key@sentry.example.com/1.")
    _check_backups(config)
    _check_mail(config)
    _check_nomad(config)
    _check_nginx(config)
    if config.production:
        _check_production(config)


def _check_backups(config: Config) -> None:
    if config.backups_recipient and not RECIPIENT.fullmatch(config.backups_recipient):
        raise ImproperlyConfigured("BRAINPOD_BACKUPS_RECIPIENT must be an age recipient: age1 and 58 more characters.")
    if config.backups_platform:
        try:
            Schedule(config.backups_platform).check()
        except Invalid as error:
            raise ImproperlyConfigured(f"BRAINPOD_BACKUPS_PLATFORM: {error.details[0].message}") from None
        if not config.backups_recipient:
            raise ImproperlyConfigured(
                "BRAINPOD_BACKUPS_PLATFORM needs BRAINPOD_BACKUPS_RECIPIENT: see docs/backups.md."
            )


def _check_mail(config: Config) -> None:
    if config.smtp_host and not HOST.fullmatch(config.smtp_host.lower()):
        raise ImproperlyConfigured("BRAINPOD_SMTP_HOST must be a host name or an address, without a port.")
    if bool(config.smtp_user) != bool(config.smtp_password):
        raise ImproperlyConfigured("BRAINPOD_SMTP_USER and BRAINPOD_SMTP_PASSWORD are given together or not.")
    if config.smtp_user and config.smtp_security == "none":
        raise ImproperlyConfigured("BRAINPOD_SMTP_PASSWORD would be sent openly, as BRAINPOD_SMTP_SECURITY=none.")
    if config.smtp_from and not MAIL_FROM.fullmatch(config.smtp_from):
        raise ImproperlyConfigured("BRAINPOD_SMTP_FROM must be like us@example.com or Name <us@example.com>.")


def _check_choices(config: Config) -> None:
    for name, choices in CHOICES.items():
        if getattr(config, name) not in choices:
            raise ImproperlyConfigured(f"BRAINPOD_{name.upper()} must be {' or '.join(choices)}.")
    if unknown := sorted(set(config.offered) - set(ENGINES)):
        raise ImproperlyConfigured(f"BRAINPOD_ENGINES has {unknown[0]!r}; there are {', '.join(ENGINES)}.")


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
    for name, read_them in (("addresses", "public_addresses"), ("dns_resolvers", "resolvers")):
        try:
            getattr(config, read_them)
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
    for name in ("build_ca", "registry_ca", "acme_ca"):
        if (path := getattr(config, name)) and not Path(path).is_file():
            raise ImproperlyConfigured(f"BRAINPOD_{name.upper()}: there is no file {path}.")
    if config.registry and not REGISTRY.fullmatch(config.registry):
        raise ImproperlyConfigured(
            f"BRAINPOD_REGISTRY must be like registry.example.org/brainpod, in small letters, not {config.registry!r}."
        )
    if bool(config.registry_user) != bool(config.registry_password):
        raise ImproperlyConfigured("BRAINPOD_REGISTRY_USER and BRAINPOD_REGISTRY_PASSWORD are given together or not.")


def _check_nomad(config: Config) -> None:
    for region, datacenter in config.nomad_regions.items():
        if not LABEL.fullmatch(region) or not datacenter:
            raise ImproperlyConfigured("BRAINPOD_NOMAD_DATACENTERS must be like frankfurt=dc1,oslo=dc2.")
    if bool(config.nomad_cert) != bool(config.nomad_key):
        raise ImproperlyConfigured("BRAINPOD_NOMAD_CERT and BRAINPOD_NOMAD_KEY go together.")
    for name in ("nomad_ca", "nomad_cert", "nomad_key"):
        path = getattr(config, name)
        if path and not Path(path).is_file():
            raise ImproperlyConfigured(f"BRAINPOD_{name.upper()}: there is no file {path}.")


def _check_nginx(config: Config) -> None:
    try:
        outside = config.outside
    except ValueError as error:
        raise ImproperlyConfigured(f"BRAINPOD_NGINX_RELOAD and BRAINPOD_NGINX_TEST: {error}.") from None
    if outside is None:
        return
    for name, path in (("nginx_directory", outside.directory), ("nginx_pid", outside.pid)):
        if not path.is_absolute():
            raise ImproperlyConfigured(f"BRAINPOD_{name.upper()} must be an absolute path, as BRAINPOD_NGINX=external.")
    if not outside.reload:
        raise ImproperlyConfigured("BRAINPOD_NGINX_RELOAD must be a command, as BRAINPOD_NGINX=external.")


def _check_production(config: Config) -> None:
    if config.secret_key in KNOWN_KEYS or len(config.secret_key) < 32:
        raise ImproperlyConfigured("BRAINPOD_SECRET_KEY must be set to at least 32 random characters in production.")
    if config.sandbox != "required":
        raise ImproperlyConfigured("BRAINPOD_SANDBOX must be required in production.")
    if config.failpoints or config.debug:
        raise ImproperlyConfigured("BRAINPOD_FAILPOINTS and BRAINPOD_DEBUG are refused in production.")
