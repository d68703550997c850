"""What of the configuration concerns one route, for the people of its team.

Servers and maps are shared by the sites of everybody: they are not cut out of the configuration, but made for the
route's hosts alone, by what makes the whole. So there is nobody else's host to leave out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from apps.edge import caching, guesses, links, tenants, tls
from apps.edge.base import EdgeState, Shown
from apps.edge.layout import Layout


def shown(state: EdgeState, route: str, layout: Layout, generation: int) -> Shown:
    """`state`: what is served; `route`: "pod/route"."""
    own = EdgeState(tuple(site for site in state.sites if site.route == route))
    return Shown(
        "\n".join(_lines(own, layout, generation)) + "\n" if own.sites else "", _links(own, layout), layout.links
    )


def _lines(own: EdgeState, layout: Layout, generation: int) -> Iterator[str]:
    yield f"# Of the configuration with the number {generation}, what concerns these hosts alone. Tables and servers of"
    yield "# the whole are shared by all sites that are alike."
    yield from tenants.maps(own)
    yield from guesses.maps(own, layout)
    yield from tls.names(layout, own)
    yield from caching.zone(own, layout)
    yield from tenants.pools(own, layout)
    yield from tenants.servers(own, layout)


def _links(own: EdgeState, layout: Layout) -> tuple[tuple[str, str], ...]:
    """As they are in the file system; empty what leads nowhere."""
    found = []
    for link in links.wanted(own):
        try:
            found.append((link, os.readlink(f"{layout.links}/{link}")))  # noqa: PTH115 - as it stands, not resolved
        except OSError:
            found.append((link, ""))
    return tuple(found)
