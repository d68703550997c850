"""The whole configuration of nginx as text, from the desired state. Pure: the golden files compare its result."""

from __future__ import annotations

import re
from collections.abc import Iterator

from apps.edge import caching, guesses, hop, outside, pages, tenants, tls
from apps.edge.base import EdgeState
from apps.edge.layout import CONNECTIONS, Layout
from apps.edge.tables import HEADERS, LINKS, LOG, LOGGED, MAPS, TYPES

# Files that may take their readers hours; they go where threads may be held (apps/core/downloads.py).
DOWNLOADS = (
    "^/(pods/[^/]+/(backups/[^/]+/content|resources/[^/]+/(files/download|console/export))"
    "|operators/services/[^/]+/console/export)/$"
)
STREAMED = "^/api/v1/pods/[^/]+/events/watch$"  # answers that last: gunicorn's few threads are for pages
KEEPALIVE_MIN = 1  # seconds for which a leaving worker still answers its idle clients, so that none is cut off
SIZES = (  # room for long names: of hosts, and of headers, each of which is a variable
    "server_names_hash_bucket_size 512; server_names_hash_max_size 65536;",
    "map_hash_bucket_size 512; map_hash_max_size 65536;",
    "variables_hash_bucket_size 512; variables_hash_max_size 4096;",
)
FIRST_LINE = re.compile(r"# generation ([0-9]+)\n")


def render(state: EdgeState, layout: Layout, generation: int, hops: int = 0) -> str:
    """A configuration that serves `state` (already checked) and says `generation` when asked.

    `hops`: how many sockets for several instances the nginx that is to take it listens on (apps/edge/hop.py).
    For an nginx outside it is what may stand within `http`: what would hold for everybody's servers stands in ours.
    """
    settings = [*_settings(layout), *_forwarded(layout), *tls.settings(layout, state)]
    around = [*_names(layout), *tls.names(layout, state), *_dashboard_pools(layout)]
    servers = [
        *(() if layout.outside else (*_admin(layout, generation), *_stranger(layout))),
        *_dashboard(layout, generation),
        *caching.zone(state, layout),
        *tenants.maps(state),
        *guesses.maps(state, layout),
        *tenants.pools(state, layout),
        *tenants.servers(state, layout),
        *hop.server(state, layout, hops),
    ]
    first = f"# generation {generation}"
    if layout.outside:
        lines = [
            first,
            "# Written by Brainpod: what is changed here is lost.",
            *around,
            *outside.settled(servers, settings),
        ]
    else:
        lines = [
            first,
            *_process(layout),
            "http {",
            *(f"    {line}" for line in (*SIZES, *around, *settings, *servers)),
            "}",
        ]
    return "\n".join(lines) + "\n"


def generation_of(text: str) -> int:
    """The generation a configuration was rendered for; 0 for a text that is none."""
    found = FIRST_LINE.match(text)
    return int(found[1]) if found else 0


def renumbered(text: str, generation: int) -> str:
    """The same configuration for another generation: rendered anew it would be no other."""
    old = generation_of(text)
    for form in ("# generation {}\n", 'return 200 "{}\\n"; }}\n'):
        text = text.replace(form.format(old), form.format(generation), 1)
    return text


def _process(layout: Layout) -> Iterator[str]:
    if layout.user:
        yield f"user {layout.user};"
    yield "daemon off;"
    yield f"worker_processes {layout.workers};"
    yield f"worker_rlimit_nofile {layout.open_files};"
    yield "worker_shutdown_timeout 600s;"  # longer than any timeout of a site; then long-lived sockets are cut
    yield f'pid "{layout.home}/nginx.pid";'
    yield f'error_log "{layout.error_log}" warn;'
    yield f"events {{ worker_connections {min(CONNECTIONS, layout.open_files // 2)}; }}"


def _names(layout: Layout) -> Iterator[str]:
    """What the rest refers to by name."""
    yield from MAPS
    yield from caching.MAPS
    yield from LOG
    yield "geo $realip_remote_addr $bp_trusted {"
    yield "    default 0;"
    for network in layout.trusted_proxies:
        yield f"    {network} 1;"
    yield "}"


def _settings(layout: Layout) -> Iterator[str]:
    """What holds for every server of ours."""
    yield "uninitialized_variable_warn off;"  # $bp_served: only the locations of apps have it
    yield "proxy_headers_hash_bucket_size 512; proxy_headers_hash_max_size 4096;"
    yield " ".join(line.strip() for line in TYPES)
    yield f'access_log "{layout.access_log}" {LOGGED};'
    for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        yield f'{name}_temp_path "{layout.home}/tmp/{name}";'
    yield "sendfile on; tcp_nopush on; server_tokens off; absolute_redirect off; log_not_found off;"
    # With the wheel's allocator the usual 4 KiB mean that each proxied request maps memory anew: a third of its time.
    yield "request_pool_size 16k;"
    yield "client_header_buffer_size 1k; large_client_header_buffers 4 8k;"
    yield "client_header_timeout 30s; client_body_timeout 60s; send_timeout 60s;"
    yield f"keepalive_timeout 75s; keepalive_requests 10000; keepalive_min_timeout {KEEPALIVE_MIN}s;"
    yield "gzip_types text/css text/plain text/javascript application/json application/wasm image/svg+xml;"
    yield "gzip_vary on; gzip_min_length 1024; gzip_proxied any;"
    yield from pages.errors()
    yield "add_header X-Request-ID $bp_request_number always;"
    yield "proxy_http_version 1.1; proxy_connect_timeout 5s; proxy_next_upstream error; proxy_next_upstream_tries 5;"
    yield "proxy_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate X-Accel-Charset;"
    yield "proxy_hide_header X-Request-ID;"
    for header, value in HEADERS.items():
        yield f"proxy_set_header {header} {value};"


def _forwarded(layout: Layout) -> Iterator[str]:
    """Whose word is taken for the client's address and scheme: nobody's but the trusted proxies'."""
    if layout.trusted_proxies:
        yield "real_ip_header X-Forwarded-For; real_ip_recursive on;"
        for network in layout.trusted_proxies:
            yield f"set_real_ip_from {network};"


def _admin(layout: Layout, generation: int) -> Iterator[str]:
    yield "server {"
    yield f'    listen "unix:{layout.admin}";'
    yield "    access_log off;"
    yield f'    location = /generation {{ return 200 "{generation}\\n"; }}'
    yield "    location / { return 404; }"
    yield "}"


def _stranger(layout: Layout) -> Iterator[str]:
    """Every host that is not known: never a tenant's site."""
    yield "server {"
    yield from (f"    {line}" for line in tls.listens(layout, "default_server"))
    yield '    server_name "";'
    yield '    set $bp_kept "";'  # somewhere it has to be set for nginx to know it (tables.MAPS)
    yield from (f"    {line}" for line in tenants.answer("not_connected"))
    yield from (f"    {line}" for line in tls.challenges(layout))
    yield from (f"    {line}" for line in tenants.own_pages(layout))
    yield "}"


def _dashboard_pools(layout: Layout) -> Iterator[str]:
    yield "upstream brainpod_pages {"
    yield "    least_conn;"
    for socket in layout.dashboard_pages:
        yield f'    server "unix:{socket}" max_fails=0;'
    yield "}"
    yield f'upstream brainpod_sockets {{ server "unix:{layout.dashboard_sockets}" max_fails=0; }}'
    if layout.dashboard_git:
        yield f'upstream brainpod_git {{ server "unix:{layout.dashboard_git}" max_fails=0; }}'


def dashboard_names(layout: Layout) -> list[str]:
    """An nginx outside has addresses that may be other sites'."""
    addresses = () if layout.outside else ("127.0.0.1", "[::1]")
    return list(dict.fromkeys((layout.dashboard_host, *addresses)))


def _dashboard(layout: Layout, generation: int) -> Iterator[str]:
    yield "server {"
    yield from (f"    {line}" for line in tls.listens(layout))
    yield f"    server_name {' '.join(dashboard_names(layout))};"
    if layout.outside:
        yield '    set $bp_kept ""; set $bp_served "";'  # somewhere they have to be set for nginx to know them
        yield f'    location = {outside.GENERATION} {{ access_log off; return 200 "{generation}\\n"; }}'
    yield "    client_max_body_size 32m;"
    yield from (f"    {line}" for line in pages.errors("starting"))
    yield from (f"    {line}" for line in tls.challenges(layout))
    yield "    location / { proxy_pass http://brainpod_pages; }"
    # nginx names the address in what it says about an upstream that fails.
    yield f'    location ~* "{LINKS}" {{ error_log "{layout.error_log}" emerg; proxy_pass http://brainpod_pages; }}'
    yield "    location @pages { proxy_pass http://brainpod_pages; }"
    for place in ("/ws/", f'~ "{STREAMED}"'):
        yield f"    location {place} {{"
        yield "        proxy_pass http://brainpod_sockets;"
        yield "        proxy_buffering off; proxy_read_timeout 3600s; proxy_send_timeout 3600s;"
        # What is passed on at once: with the usual 4 KiB a burst of log lines is mostly system calls.
        yield "        proxy_buffer_size 32k; proxy_buffers 4 32k; proxy_busy_buffers_size 64k;"
        yield "    }"
    if layout.dashboard_git:
        yield from (f"    {line}" for line in _git(layout))
    yield "    location /static/ {"
    yield f'        alias "{layout.static_root}/";'
    yield "        try_files $uri @pages;"
    yield "        gzip on;"
    yield "        add_header Cache-Control $bp_dashboard_cache;"
    yield "        add_header X-Content-Type-Options nosniff;"
    yield "        add_header X-Request-ID $bp_request_number always;"
    yield "    }"
    yield from (f"    {line}" for line in tenants.own_pages(layout))
    yield "}"


def _git(layout: Layout) -> Iterator[str]:
    """Packs pass through as they come, either way: nothing of them is kept here, and a quiet build cuts nobody off.

    The limit is above the one that git itself is given (apps/pushes): its refusal is the one that explains itself.
    """
    yield "location ^~ /git/ {"
    yield "    proxy_pass http://brainpod_git;"
    yield f"    client_max_body_size {layout.push_mb + 64}m;"
    yield "    proxy_request_buffering off; proxy_buffering off; proxy_next_upstream off;"
    yield "    proxy_read_timeout 600s; proxy_send_timeout 600s;"
    yield "}"
    yield f'location ~ "{DOWNLOADS}" {{'
    yield "    proxy_pass http://brainpod_git;"
    yield "    proxy_buffering off; proxy_next_upstream off; proxy_read_timeout 600s; send_timeout 600s;"
    yield "}"
