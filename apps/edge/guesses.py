"""Wrong passwords, counted for each client's address: beyond a few in a minute it is answered 429 until that is over.

nginx counts the guesses on their way to the page of 401. The first one too many leaves a file that is called after the
minute and the address; while there is one, the password of that address' requests is not looked at, the right one
neither, so that an answer says nothing about a guess. No reload, and no part of the platform has to run for it.

An address of IPv6 is its network of 64 bits, as one client has all of that. They are counted for each host too: where
many addresses guess at one, each has a single wrong one in a minute. Who knows the password gets in from any that has
not guessed: nobody is kept out by others' guesses.
"""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Iterator

from apps.edge import pages
from apps.edge.base import EdgeState
from apps.edge.layout import Layout
from apps.edge.tables import LOGGED

MOST = 10  # wrong passwords of an address at once; as many more come back each minute
MOST_AT = 60  # of all addresses at one host; then an address has one
SECONDS = 60  # after which an address that was refused may try again, at the latest
ZONE = "brainpod_guesses"


def maps(state: EdgeState, layout: Layout) -> Iterator[str]:
    """The variables, where any site asks for a password. A request without credentials is no guess."""
    if not any(site.password for site in state.sites):
        return
    yield f"limit_req_zone $bp_guesser zone={ZONE}:4m rate={MOST}r/m;"
    yield f"limit_req_zone $bp_guessed_at zone={ZONE}_at:1m rate={MOST_AT}r/m;"
    yield "log_format brainpod_guess '-';"
    yield 'map "$status:$http_authorization" $bp_guesser {'
    yield "    volatile;"
    yield '    "~^401:." $bp_network;'
    yield '    default "";'
    yield "}"
    yield "map $bp_guesser $bp_guessed_at {"
    yield "    volatile;"
    yield '    "" "";'
    yield "    default $host;"
    yield "}"
    yield from _network()
    yield "map $limit_req_status $bp_guessed {"
    yield "    volatile;"
    yield "    REJECTED_DRY_RUN 1;"
    yield '    default "";'
    yield "}"
    yield "map $time_iso8601 $bp_minute {"
    yield '    "~^(?<bp_this_minute>[0-9T:-]{16})" $bp_this_minute;'
    yield '    default "";'
    yield "}"
    yield "map $bp_ours $bp_refused_by {"
    yield "    volatile;"
    yield f'    "" "{layout.guesses}/$bp_minute-$bp_network";'
    yield f'    default "{pages.NO_FILE}";'
    yield "}"
    yield "map $status $bp_retry_after {"
    yield "    volatile;"
    yield f"    429 {SECONDS};"
    yield '    default "";'
    yield "}"


def _network() -> Iterator[str]:
    """The first four groups of an address of IPv6 as nginx writes it: zeros in it may be left out."""
    group = "[0-9a-f]+"
    yield "map $remote_addr $bp_network {"
    yield f'    "~^(?<bp_groups>{group}::{group})(?::{group}){{4}}$" $bp_groups;'
    for number in (1, 2, 3):
        yield f'    "~^(?<bp_groups>(?:{group}:){{{number}}})(?:{":".join("0" * (4 - number))})?:" $bp_groups;'
    yield f'    "~^(?<bp_groups>(?:{group}:){{4}})" $bp_groups;'
    yield "    default $remote_addr;"
    yield "}"


def gate() -> Iterator[str]:
    """In the `server` of a site with a password, before it is asked for."""
    yield f"error_page 429 {pages.address('429')};"
    yield "if (-f $bp_refused_by) { return 429; }"


def count(layout: Layout) -> Iterator[str]:
    """In the location of such a site's pages."""
    yield "add_header Retry-After $bp_retry_after always;"
    # Only counted here: the password was looked at already, and what is answered is for `gate` to say.
    yield f"limit_req zone={ZONE} burst={MOST - 1} nodelay; limit_req zone={ZONE}_at burst={MOST_AT - 1} nodelay;"
    yield "limit_req_dry_run on; limit_req_log_level info;"
    yield f'access_log "{layout.access_log}" {LOGGED};'
    yield f'access_log "{layout.guesses}/$bp_minute-$bp_network" brainpod_guess if=$bp_guessed;'


def prepare(layout: Layout) -> None:
    """The directory, which nginx's workers write and read."""
    layout.guesses.mkdir(mode=0o700, exist_ok=True)
    if layout.user and os.geteuid() == 0:
        os.chown(layout.guesses, pwd.getpwnam(layout.user.split()[0]).pw_uid, -1)


def forget(layout: Layout) -> None:
    """Remove what counts no more."""
    limit = time.time() - 2 * SECONDS
    for path in layout.guesses.iterdir():
        if path.stat().st_mtime < limit:
            path.unlink(missing_ok=True)
