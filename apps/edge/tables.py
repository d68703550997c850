"""The fixed tables of the configuration: content types, variables computed from the request, the access log."""

from __future__ import annotations

import re

from apps.core.links import HIDDEN, PREFIXES
from apps.edge.pages import NO_FILE

TYPES = (
    "types {",
    "    text/html html htm; text/css css; text/javascript js mjs; text/plain txt; text/xml xml rss atom;",
    "    text/csv csv; text/markdown md; text/vtt vtt; text/calendar ics;",
    "    application/json json map; application/manifest+json webmanifest; application/ld+json jsonld;",
    "    application/wasm wasm; application/pdf pdf; application/zip zip; application/gzip gz tgz;",
    "    font/woff woff; font/woff2 woff2; font/ttf ttf; font/otf otf; application/vnd.ms-fontobject eot;",
    "    image/png png; image/jpeg jpg jpeg; image/gif gif; image/svg+xml svg svgz; image/webp webp;",
    "    image/avif avif; image/x-icon ico; image/bmp bmp; image/tiff tif tiff;",
    "    audio/mpeg mp3; audio/ogg ogg; audio/wav wav; audio/mp4 m4a; audio/flac flac;",
    "    video/mp4 mp4; video/webm webm; video/quicktime mov;",
    "}",
    "default_type application/octet-stream; charset utf-8;",
    "charset_types text/css text/javascript text/plain text/xml text/csv text/markdown application/json;",
)

TYPE_OF = {  # extensions: content type
    found[2]: found[1] for line in TYPES[1:-3] for found in re.finditer(r"(\S+/\S+) ([^;]+);", line)
}


def is_text(kind: str) -> bool:
    """Whether files of this content type say their charset."""
    return kind == "text/html" or kind in TYPES[-1].rstrip(";").split()[1:]


# The rows of the Cache-Control table for static sites, first match first. The path is the file's beneath the site.
HTML = "no-store, no-cache, must-revalidate, max-age=0, s-maxage=0"
IMMUTABLE = "public, max-age=31536000, immutable"
OTHER = "public, max-age=3600, must-revalidate"
EXTENSIONS = "js|mjs|css|woff2?|ttf|otf|eot|png|jpe?g|gif|svg|webp|avif|ico|bmp|tiff?"

LINKS = f"^(?<bp_link_kept>/({'|'.join(PREFIXES)})/)."  # one-time links: whoever has one is let in

_AS = "(|\\.br|\\.gz)$"  # of a file served packed, as $bp_kept says, the name goes on behind its own extension

MAPS = (
    "map $sent_http_location $bp_sent_on {",
    '    "" "";',
    "    default on;",
    "}",
    'map "$bp_sent_on$bp_kept$uri" $bp_cache_control {',
    f'    "~^on" "{HTML}";',  # a redirect is no file of that name: the next deployment may have one
    f'    "~*^/.*\\.html?$" "{HTML}";',
    f'    "~*^packed/.*\\.html?{_AS}" "{HTML}";',
    f'    "~^(packed)?/+(assets|_assets|static)/" "{IMMUTABLE}";',
    f'    "~*^/.*\\.({EXTENSIONS})$" "{IMMUTABLE}";',
    f'    "~*^packed/.*\\.({EXTENSIONS}){_AS}" "{IMMUTABLE}";',
    f'    default "{OTHER}";',
    "}",
    "map $uri $bp_dashboard_cache {",
    f'    "~\\.[0-9a-f]{{8,64}}\\.[a-z0-9.]+$" "{IMMUTABLE}";',
    '    default "no-cache";',
    "}",
    "map $uri $bp_hidden {",
    '    "~^/\\.well-known/[^.]" "";',
    '    "~/\\." 1;',
    '    "~/_(redirects|headers)$" 1;',  # read when the site was stored: apps/builds/site
    '    default "";',
    "}",
    # Clean addresses: a directory's page beneath its slash, and a page whose address was written with one.
    "map $uri $bp_index {",
    '    "~/$" "${uri}index.html";',
    f"    default {NO_FILE};",
    "}",
    "map $uri $bp_without_slash {",
    '    "~^(?<bp_bare>/.*[^/])/+$" "$bp_bare.html";',
    f"    default {NO_FILE};",
    "}",
    # One slash at its beginning, whatever was asked for: it is never another host's address.
    "map $request_uri $bp_with_slash {",
    '    "~^(?:https?://[^/?#]*)?/*(?<bp_folder>[^/?#\\\\\\\\][^?#]*)" "/$bp_folder/";',
    "    default /;",
    "}",
    "map $uri $bp_spa_file {",
    '    "~\\.[^/]*$" $uri;',
    "    default /index.html;",
    "}",
    "map $uri $bp_plain_path {",
    f'    "~*{LINKS}" "${{bp_link_kept}}{HIDDEN}";',
    "    default $uri;",
    "}",
    # Of a pod's request the path as it was asked for: rewritten, or on the way to an error's page, it says nothing.
    "map $request_uri $bp_asked_path {",
    '    "~^(?:https?://[^/?#]*)?(?<bp_asked>/[^?#]*)" $bp_asked;',
    "    default $uri;",
    "}",
    "map $bp_route $bp_logged_path {",
    '    "" $bp_plain_path;',
    "    default $bp_asked_path;",
    "}",
    "map $http_x_request_id $bp_request_number {",
    '    "~^[A-Za-z0-9._-]{8,128}$" $http_x_request_id;',
    "    default $request_id;",
    "}",
    # Whose request it was: what the location says, or the app at the root for one refused before it had a location.
    "map $bp_served $bp_app {",
    '    "" $bp_app_0;',
    "    default $bp_served;",
    "}",
    # How long a connection that is kept open lasted says nothing about how fast its app answered.
    "map $sent_http_content_type $bp_stream {",
    '    "~*^text/event-stream" 1;',
    "    default 0;",
    "}",
    "map $http_upgrade $bp_websocket {",
    '    "~*^websocket$" websocket;',
    '    default "";',
    "}",
    # Where the one instance of a rule is: apps/edge/links.py. Looked up once for each request, as nginx would look anew
    # for every mention of `$realpath_root`: who is asked and under which name the answer is kept must not differ.
    'map "" $bp_place {',
    '    default "$realpath_root";',
    "}",
    "map $bp_place $bp_to {",
    '    "~/(?<bp_to_address>[0-9.]+:[0-9]+|\\[[0-9a-f:]+\\]:[0-9]+)$" $bp_to_address;',
    '    default "unix:$bp_place/0.sock:";',
    "}",
    "map $bp_websocket $bp_hop {",
    "    websocket upgrade;",
    "    default close;",
    "}",
    "map $http_host $bp_port_given {",
    '    "~(?<bp_port_digits>:[0-9]{1,5})$" $bp_port_digits;',
    '    default "";',
    "}",
    "map $bp_trusted:$http_x_forwarded_proto $bp_proto {",
    "    1:https https;",
    "    1:http http;",
    "    default $scheme;",
    "}",
)

# What is passed on with every request; a location with headers of its own repeats them.
HEADERS = {
    "Host": "$host$bp_port_given",
    "Upgrade": "$bp_websocket",
    "Connection": "$bp_hop",
    "X-Real-IP": "$remote_addr",
    "X-Forwarded-For": "$remote_addr",
    "X-Forwarded-Proto": "$bp_proto",
    "X-Forwarded-Host": "$host$bp_port_given",
    "X-Request-ID": "$bp_request_number",
    "Forwarded": '""',
    "Proxy": '""',
}

LOGGED = "brainpod buffer=32k flush=1s"  # how; behind where

# Without the query string: tokens travel in it. apps/edge/access_log.py reads it.
LOG = (
    'log_format brainpod escape=json \'{"at":$msec,"id":"$bp_request_number","host":"$host",\'',
    '    \'"method":"$request_method","path":"$bp_logged_path","status":$status,"bytes":$bytes_sent,\'',
    '    \'"seconds":$request_time,"client":"$remote_addr","upstream":"$upstream_addr",\'',
    '    \'"upstream_status":"$upstream_status","upstream_seconds":"$upstream_response_time",\'',
    '    \'"received":$request_length,"stream":$bp_stream,"app":"$bp_app",\'',
    '    \'"route":"$bp_route","cache":"$bp_cache_said"}\';',
)
