"""TLS: which certificate a name gets is a link in the file system that nginx follows when a client shakes hands.

So a certificate that arrives, is renewed or breaks is no change of the configuration: one rename, no reload, and never
anybody else's trouble (docs/adr/0016). `run/edge/tls/<host>` leads to `.kept/<name>`, a directory that never changes
once it is there, beneath `state/nginx/certificates`.
"""

from __future__ import annotations

from collections.abc import Iterator

from apps.edge.base import DEFAULT as NONE_YET
from apps.edge.base import EdgeState
from apps.edge.layout import Layout

DEFAULT = ".default"  # the link of every name without one of its own, and of clients that name none
PANEL = ".dashboard"  # no host name begins with a dot
SELF_SIGNED = "self-signed"
KEPT = ".kept"
CHALLENGES = "/.well-known/acme-challenge/"
SWEEP = 1  # seconds after which a worker looks whether a certificate it knows has changed
CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)


def listens(layout: Layout, more: str = "") -> Iterator[str]:
    """Where a server listens; `more`: parameters of both, such as default_server."""
    end = f" {more};" if more else ";"
    yield f"listen {layout.listen}{end}"
    if layout.tls_port:
        yield f"listen {layout.listen_tls} ssl{end}"


def settings(layout: Layout, state: EdgeState) -> Iterator[str]:
    """What holds for every server that answers on TLS."""
    if not layout.tls_port:
        return
    yield f"ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers {CIPHERS}; ssl_prefer_server_ciphers off;"
    yield "ssl_session_cache shared:brainpod_tls:10m; ssl_session_timeout 8h; ssl_session_tickets on;"
    # A pair of entries for each name; in steps, so that one more is no other configuration.
    names = 2 * (2 + sum(bool(site.certificate) for site in state.sites))
    yield f"ssl_certificate_cache max={max(1024, 1 << names.bit_length())} valid={SWEEP}s inactive=10m;"
    yield f'ssl_certificate "{layout.tls}/$bp_certificate/chain.pem";'
    yield f'ssl_certificate_key "{layout.tls}/$bp_certificate/key.pem";'
    yield "http2 on;"


def names(layout: Layout, state: EdgeState) -> Iterator[str]:
    """From the name a client asks for to the link of its certificate."""
    if not layout.tls_port:
        return
    yield "map $ssl_server_name $bp_certificate {"
    yield f"    {layout.dashboard_host} {PANEL};"
    yield from sorted(f"    {site.host} {site.host};" for site in state.sites if site.certificate)
    yield f"    default {DEFAULT};"
    yield "}"


def challenges(layout: Layout) -> Iterator[str]:
    """In every server: what an ACME server asks for, whatever else the name answers, on both ports."""
    yield f"location ^~ {CHALLENGES} {{"
    yield f'    alias "{layout.acme}{CHALLENGES}";'
    yield "    auth_basic off; allow all; default_type text/plain; types { }"
    yield "}"


def links(state: EdgeState) -> dict[str, str]:
    """Every link of certificates, relative to the directory of links, and what it points at."""
    found = {f"tls/{DEFAULT}": _kept(state.certificate or SELF_SIGNED), f"tls/{PANEL}": _kept(state.panel)}
    for site in state.sites:
        if site.certificate:
            found[f"tls/{site.host}"] = _kept(site.certificate)
    return found


def _kept(name: str) -> str:
    return f"{KEPT}/{name}" if name and name != NONE_YET else DEFAULT


def sound(layout: Layout, wanted: dict[str, str]) -> dict[str, str]:
    """`wanted`, but a certificate that is not there gives way to the default one, and that to the self-signed one."""

    def there(target: str) -> bool:
        return all((layout.tls / target / name).is_file() for name in ("chain.pem", "key.pem"))

    found = {}
    for link, target in wanted.items():
        if target.startswith(f"{KEPT}/") and not there(target):
            target = f"{KEPT}/{SELF_SIGNED}" if link == f"tls/{DEFAULT}" else DEFAULT
        found[link] = target
    return found
