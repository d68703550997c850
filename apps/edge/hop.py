"""Several instances of one rule that are reached by an address: through sockets of nginx's own.

A pool names sockets, so that where its instances are can change without a configuration. The n-th socket here belongs
to nobody: who asks says whose n-th instance is meant, and the file system says where that is (apps/edge/links.py).

A socket that nginx listens on stays until nginx is started anew, whether or not a pool still has that many instances:
nginx removes one that its new configuration leaves out, while workers that are leaving still ask through it.
"""

from __future__ import annotations

from collections.abc import Iterator

from apps.edge import links
from apps.edge.base import EdgeState
from apps.edge.layout import HOPS, Layout

HEADER = "X-Brainpod-Rule"
LONGEST = 3600  # seconds; who asks gives up earlier


def count(state: EdgeState) -> int:
    """How many of the sockets there have to be."""
    pools = [rule for site in state.sites if site.answer == "live" for rule in site.rules if links.hops(rule)]
    return max((len(rule.upstreams) for rule in pools), default=0)


def listening(text: str, layout: Layout) -> int:
    """How many of the sockets there are by the configuration `text`."""
    return text.count(f'listen "unix:{layout.run / HOPS}')


def asking(variable: str) -> Iterator[str]:
    """In the location of a rule whose directory of links is in `variable`.

    Another instance is asked, whatever the method, where the socket closes without an answer: it says that nothing has
    reached the app.
    """
    yield f"proxy_set_header {HEADER} {variable};"
    yield "proxy_next_upstream error non_idempotent;"


def server(state: EdgeState, layout: Layout, there: int) -> Iterator[str]:
    """What listens there, passing everything on as it came. `there`: how many of the sockets there are already."""
    number = max(count(state), there)
    if not number:
        return
    yield "map $server_addr $bp_hop_instance {"
    yield '    "~-(?<bp_hop_digits>[0-9]+)\\.sock$" $bp_hop_digits;'
    yield "    default none;"
    yield "}"
    yield "map $http_x_brainpod_rule $bp_hop_rule {"
    yield '    "~^[0-9a-f]{16}$" $http_x_brainpod_rule;'
    yield "    default none;"
    yield "}"
    yield "server {"
    yield from (f'    listen "unix:{layout.hop(index)}";' for index in range(number))
    yield "    access_log off; client_max_body_size 0;"
    yield "    large_client_header_buffers 8 16k;"  # it is told more than the client said
    yield "    error_page 500 502 504 = @unreached;"
    yield "    location / {"
    yield f'        root "{layout.links}/$bp_hop_rule/$bp_hop_instance.to"; proxy_pass http://$bp_to;'
    yield "        proxy_request_buffering off; proxy_buffering off;"
    yield f"        proxy_read_timeout {LONGEST}s; proxy_send_timeout {LONGEST}s;"
    yield "        proxy_set_header Host $http_host;"
    yield "        proxy_set_header Upgrade $bp_websocket;"
    yield "        proxy_set_header Connection $bp_hop;"
    yield f'        proxy_set_header {HEADER} "";'
    yield "    }"
    # What an app was sent any of is not sent to another one.
    yield "    location @unreached {"
    yield '        if ($upstream_bytes_sent ~ "^[1-9]") { return 502; }'
    yield "        return 444;"
    yield "    }"
    yield "}"
