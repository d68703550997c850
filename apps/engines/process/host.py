"""What this host lends to workloads: toolchains outside /usr, CA certificates, the way to its package registries.

Only settings that say where packages are and how they are trusted are passed on, and only to `run_once`, which
installs and builds. Credentials in the user's own files (.npmrc tokens, .netrc) are not.
"""

from __future__ import annotations

import configparser
import os
import shutil
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

PUBLIC_REGISTRIES = frozenset(
    {
        "pypi.org", "files.pythonhosted.org", "registry.npmjs.org", "registry.yarnpkg.com", "nodejs.org", "jsr.io",
        "proxy.golang.org", "sum.golang.org", "index.crates.io", "static.crates.io", "crates.io",
        "repo.maven.apache.org", "repo1.maven.org", "plugins.gradle.org", "services.gradle.org", "rubygems.org",
        "index.rubygems.org", "repo.packagist.org", "packagist.org", "hex.pm", "repo.hex.pm", "builds.hex.pm",
        "api.nuget.org", "deno.land",
    }
)  # fmt: skip
CERTIFICATES = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
)
REGISTRIES = (
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_NO_INDEX",
    "PIP_TRUSTED_HOST",
    "PIP_CERT",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_RETRIES",
    "PIP_DISABLE_PIP_VERSION_CHECK",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_INSECURE_HOST",
    "UV_NATIVE_TLS",
    "UV_SYSTEM_CERTS",
    "UV_HTTP_TIMEOUT",
    "UV_PYTHON_INSTALL_MIRROR",
    "NPM_CONFIG_REGISTRY",
    "NPM_CONFIG_CAFILE",
    "NPM_CONFIG_STRICT_SSL",
    "YARN_REGISTRY",
    "YARN_NPM_REGISTRY_SERVER",
)
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OWN_TOOLS = "/opt/brainpod/bin"


@dataclass(frozen=True, slots=True)
class Host:
    """`binds`: host path → path inside, read-only. `path`: directories before the system's in PATH."""

    binds: Mapping[str, str]
    path: tuple[str, ...]
    certificates: Mapping[str, str]
    registries: Mapping[str, str]
    registry_hosts: frozenset[str]
    proxy: str  # http://[user:password@]host:port in front of this host, or ""
    no_proxy: tuple[str, ...]

    @property
    def system_path(self) -> str:
        return ":".join((*self.path, SYSTEM_PATH))


def look(environ: Mapping[str, str] = os.environ, home: Path | None = None) -> Host:
    """This host as it is now."""
    lower = {name.upper(): value for name, value in environ.items()}
    settings = _from_files(home or Path.home())
    settings |= {name: lower[name] for name in REGISTRIES if lower.get(name)}
    certificates = {name: environ[name] for name in CERTIFICATES if environ.get(name)}
    binds, path = _toolchains()
    for value in (*certificates.values(), settings.get("PIP_CERT", ""), settings.get("NPM_CONFIG_CAFILE", "")):
        _bind_existing(binds, value)
    for name in ("PIP_FIND_LINKS", "UV_FIND_LINKS"):
        for value in settings.get(name, "").split():
            _bind_existing(binds, value.removeprefix("file://"))
    hosts = {urlsplit(word).hostname for value in settings.values() for word in value.split() if "://" in word}
    return Host(
        binds=binds,
        path=path,
        certificates=certificates,
        registries=settings,
        registry_hosts=PUBLIC_REGISTRIES | {host for host in hosts if host},
        proxy=lower.get("HTTPS_PROXY") or lower.get("HTTP_PROXY") or "",
        no_proxy=tuple(name.strip().lstrip("*.") for name in lower.get("NO_PROXY", "").split(",") if name.strip()),
    )


def _bind_existing(binds: dict[str, str], value: str) -> None:
    if value.startswith("/") and not value.startswith(("/usr/", "/etc/ssl/", "/etc/pki/")) and Path(value).exists():
        binds[value] = value


def _toolchains() -> tuple[dict[str, str], tuple[str, ...]]:
    binds: dict[str, str] = {}
    path: list[str] = []
    uv = Path(sys.executable).parent / "uv"
    found = str(uv) if uv.exists() else shutil.which("uv")
    if found:
        binds[os.path.realpath(found)] = f"{OWN_TOOLS}/uv"
        path.append(OWN_TOOLS)
    if not sys.base_prefix.startswith("/usr"):
        binds[os.path.realpath(sys.base_prefix)] = sys.base_prefix
        path.append(f"{sys.base_prefix}/bin")
    node = shutil.which("node")
    if node and not os.path.realpath(node).startswith(("/usr/", "/bin/")):
        prefix = str(Path(os.path.realpath(node)).parent.parent)
        if prefix not in ("/", "/opt", "/home", str(Path.home())):
            binds[prefix] = prefix
            path.append(f"{prefix}/bin")
    return binds, tuple(path)


def _from_files(home: Path) -> dict[str, str]:
    """The registry settings of pip's, uv's and npm's own files, as the environment variables that mean the same."""
    found: dict[str, str] = {}
    for path in (Path("/etc/pip.conf"), home / ".pip/pip.conf", home / ".config/pip/pip.conf"):
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read(path)
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue
        for section in ("global", "install"):
            for key, value in parser.items(section) if parser.has_section(section) else ():
                found["PIP_" + key.upper().replace("-", "_")] = value
    for path in (Path("/etc/uv/uv.toml"), home / ".config/uv/uv.toml"):
        found |= _from_uv(path)
    try:
        lines = (home / ".npmrc").read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    for line in lines:
        key, _, value = line.partition("=")
        found["NPM_CONFIG_" + key.strip().upper().replace("-", "_")] = value.strip().strip("\"'")
    return {name: value for name, value in found.items() if name in REGISTRIES and value}


def _from_uv(path: Path) -> dict[str, str]:
    try:
        raw = tomllib.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    found = {}
    if isinstance(raw.get("index-url"), str):
        found["UV_DEFAULT_INDEX"] = raw["index-url"]
    extra = [index for index in raw.get("index", []) if isinstance(index, dict) and "url" in index]
    for index in extra:
        if index.get("default"):
            found["UV_DEFAULT_INDEX"] = str(index["url"])
    others = [str(index["url"]) for index in extra if not index.get("default")]
    if others:
        found["UV_INDEX"] = " ".join(others)
    return found
