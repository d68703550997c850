"""The whole configuration of nginx as text, from the desired state. Pure: the golden files compare its result."""

from __future__ import annotations

import re
from collections.abc import Iterator

from apps.edge import pages, tenants
from apps.edge.base import EdgeState
from apps.edge.layout import CONNECTIONS, Layout
from apps.edge.tables import LINKS, LOG, MAPS, TYPES

KEEPALIVE_MIN = 1  # seconds for which a leaving worker still answers its idle clients, so that none is cut off
FIRST_LINE = re.compile(r"# generation ([0-9]+)\n")


def render(state: EdgeState, layout: Layout, generation: int) -> str:
    """A configuration that serves `state` (already checked) and says `generation` when asked."""
    lines = [
        f"# generation {generation}",
        *_process(layout),
        "http {",
        *_indented(_http(layout)),
        *_indented(_forwarded(layout)),
        *_indented(_admin(layout, generation)),
        *_indented(_stranger(layout)),
        *_indented(_dashboard(layout)),
        *_indented(tenants.maps(state)),
        *_indented(tenants.pools(state, layout)),
        *_indented(tenants.servers(state, layout)),
        "}",
    ]
    return "\n".join(lines) + "\n"


def generation_of(text: str) -> int:
    """The generation a configuration was rendered for; 0 for a text that is none."""
    found = FIRST_LINE.match(text)
    return int(found[1]) if found else 0


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"    {line}" for line in lines)


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


def _http(layout: Layout) -> Iterator[str]:
    yield "server_names_hash_bucket_size 512; server_names_hash_max_size 65536;"
    yield "map_hash_bucket_size 512; map_hash_max_size 65536;"
    yield "uninitialized_variable_warn off;"  # $served: only the locations of apps have it
    yield from TYPES
    yield from MAPS
    yield from LOG
    yield f'access_log "{layout.access_log}" requests buffer=32k flush=1s;'
    for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        yield f'{name}_temp_path "{layout.home}/tmp/{name}";'
    yield "sendfile on; tcp_nopush on; server_tokens off; absolute_redirect off; log_not_found off;"
    yield "client_header_buffer_size 1k; large_client_header_buffers 4 8k;"
    yield "client_header_timeout 30s; client_body_timeout 60s; send_timeout 60s;"
    yield f"keepalive_timeout 75s; keepalive_requests 10000; keepalive_min_timeout {KEEPALIVE_MIN}s;"
    yield "gzip_types text/css text/plain text/javascript application/json application/wasm image/svg+xml;"
    yield "gzip_vary on; gzip_min_length 1024; gzip_proxied any;"
    for code in (400, 405, 413, 414, 500, 502, 504):
        yield f"error_page {code} {pages.address(str(code))};"
    yield f"error_page 494 =431 {pages.address('431')};"
    yield "add_header X-Request-ID $request_number always;"
    yield "proxy_http_version 1.1; proxy_connect_timeout 5s; proxy_next_upstream error; proxy_next_upstream_tries 5;"
    yield "proxy_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate X-Accel-Charset;"
    yield "proxy_hide_header X-Request-ID;"
    headers = {
        "Host": "$host$port_given",
        "Upgrade": "$websocket",
        "Connection": "$hop",
        "X-Real-IP": "$remote_addr",
        "X-Forwarded-For": "$remote_addr",
        "X-Forwarded-Proto": "$proto",
        "X-Forwarded-Host": "$host$port_given",
        "X-Request-ID": "$request_number",
        "Forwarded": '""',
        "Proxy": '""',
    }
    for header, value in headers.items():
        yield f"proxy_set_header {header} {value};"


def _forwarded(layout: Layout) -> Iterator[str]:
    """Whose word is taken for the client's address and scheme: nobody's but the trusted proxies'."""
    yield "geo $realip_remote_addr $trusted {"
    yield "    default 0;"
    for network in layout.trusted_proxies:
        yield f"    {network} 1;"
    yield "}"
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
    yield f"    listen {layout.listen} default_server;"
    yield '    server_name "";'
    yield from (f"    {line}" for line in tenants.answer("not_connected"))
    yield from (f"    {line}" for line in tenants.own_pages(layout))
    yield "}"


def _dashboard(layout: Layout) -> Iterator[str]:
    yield "upstream brainpod_pages {"
    yield "    least_conn;"
    for socket in layout.dashboard_pages:
        yield f'    server "unix:{socket}" max_fails=0;'
    yield "}"
    yield f'upstream brainpod_sockets {{ server "unix:{layout.dashboard_sockets}" max_fails=0; }}'
    yield "server {"
    yield f"    listen {layout.listen};"
    names = dict.fromkeys((layout.dashboard_host, "127.0.0.1", "[::1]"))
    yield f"    server_name {' '.join(names)};"
    yield "    client_max_body_size 32m;"
    yield "    location / { proxy_pass http://brainpod_pages; }"
    # nginx names the address in what it says about an upstream that fails.
    yield f'    location ~* "{LINKS}" {{ error_log "{layout.error_log}" emerg; proxy_pass http://brainpod_pages; }}'
    yield "    location @pages { proxy_pass http://brainpod_pages; }"
    yield "    location /ws/ {"
    yield "        proxy_pass http://brainpod_sockets;"
    yield "        proxy_buffering off; proxy_read_timeout 3600s; proxy_send_timeout 3600s;"
    yield "    }"
    yield "    location /static/ {"
    yield f'        alias "{layout.static_root}/";'
    yield "        try_files $uri @pages;"
    yield "        gzip on;"
    yield "        add_header Cache-Control $dashboard_cache;"
    yield "        add_header X-Content-Type-Options nosniff;"
    yield "        add_header X-Request-ID $request_number always;"
    yield "    }"
    yield from (f"    {line}" for line in tenants.own_pages(layout))
    yield "}"
