"""What the configuration asks of an nginx beyond its core, and whether a given one was built with it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

# Modules that are built on request, and what is not to be had without them.
ASKED_FOR = {
    "http_secure_link_module": "keys of MCP servers",
    "http_auth_request_module": "apps that sleep",
    "http_realip_module": "clients' addresses behind a trusted proxy",
    "http_ssl_module": "HTTPS",
}
# Modules that are built unless they are left out.
USUAL = (
    "http_rewrite_module",
    "http_proxy_module",
    "http_map_module",
    "http_limit_req_module",
    "http_geo_module",
    "http_gzip_module",
    "http_charset_module",
    "http_fastcgi_module",
    "http_uwsgi_module",
    "http_scgi_module",
    "http_upstream_least_conn_module",
    "http_upstream_keepalive_module",
)


def lacking(binary: Path) -> list[str]:
    """What this nginx does not have, in words; empty when everything is there. Raises OSError if it does not run."""
    done = subprocess.run(
        [binary, "-V"], capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL
    )
    return missing_in(done.stdout + done.stderr)


def missing_in(told: str) -> list[str]:
    """The same of what `nginx -V` prints."""
    given = set(re.findall(r"--(with(?:out)?-\w+)(?=\s|$)", told))
    wanted = [f"{name} ({use})" for name, use in ASKED_FOR.items() if f"with-{name}" not in given]
    return wanted + [name for name in USUAL if f"without-{name}" in given]
