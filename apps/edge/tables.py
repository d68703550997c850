"""The fixed tables of the configuration: content types, variables computed from the request, the access log."""

from __future__ import annotations

from apps.core.links import HIDDEN, PREFIXES

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

# The rows of the Cache-Control table for static sites, first match first. The path is the file's beneath the site.
HTML = "no-store, no-cache, must-revalidate, max-age=0, s-maxage=0"
IMMUTABLE = "public, max-age=31536000, immutable"
OTHER = "public, max-age=3600, must-revalidate"
EXTENSIONS = "js|mjs|css|woff2?|ttf|otf|eot|png|jpe?g|gif|svg|webp|avif|ico|bmp|tiff?"

LINKS = f"^(?<link_kept>/({'|'.join(PREFIXES)})/)."  # one-time links: whoever has one is let in

MAPS = (
    "map $uri $cache_control {",
    f'    "~*\\.html?$" "{HTML}";',
    f'    "~^/(assets|_assets|static)/" "{IMMUTABLE}";',
    f'    "~*\\.({EXTENSIONS})$" "{IMMUTABLE}";',
    f'    default "{OTHER}";',
    "}",
    "map $uri $dashboard_cache {",
    f'    "~\\.[0-9a-f]{{8,64}}\\.[a-z0-9.]+$" "{IMMUTABLE}";',
    '    default "no-cache";',
    "}",
    "map $uri $hidden {",
    '    "~^/\\.well-known/[^.]" "";',
    '    "~/\\." 1;',
    '    default "";',
    "}",
    "map $uri $spa_file {",
    '    "~\\.[^/]*$" $uri;',
    "    default /index.html;",
    "}",
    "map $uri $logged_path {",
    f'    "~*{LINKS}" "${{link_kept}}{HIDDEN}";',
    "    default $uri;",
    "}",
    "map $http_x_request_id $request_number {",
    '    "~^[A-Za-z0-9._-]{8,128}$" $http_x_request_id;',
    "    default $request_id;",
    "}",
    # Whose request it was: what the location says, or the app at the root for one refused before it had a location.
    "map $served $app {",
    '    "" $app_0;',
    "    default $served;",
    "}",
    # How long a connection that is kept open lasted says nothing about how fast its app answered.
    "map $sent_http_content_type $stream {",
    '    "~*^text/event-stream" 1;',
    "    default 0;",
    "}",
    "map $http_upgrade $websocket {",
    '    "~*^websocket$" websocket;',
    '    default "";',
    "}",
    "map $websocket $hop {",
    "    websocket upgrade;",
    "    default close;",
    "}",
    "map $http_host $port_given {",
    '    "~(?<port_digits>:[0-9]{1,5})$" $port_digits;',
    '    default "";',
    "}",
    "map $trusted:$http_x_forwarded_proto $proto {",
    "    1:https https;",
    "    1:http http;",
    "    default $scheme;",
    "}",
)

# Without the query string: tokens travel in it. apps/edge/access_log.py reads it.
LOG = (
    'log_format requests escape=json \'{"at":$msec,"id":"$request_number","host":"$host",\'',
    '    \'"method":"$request_method","path":"$logged_path","status":$status,"bytes":$bytes_sent,\'',
    '    \'"seconds":$request_time,"client":"$remote_addr","upstream":"$upstream_addr",\'',
    '    \'"upstream_status":"$upstream_status","upstream_seconds":"$upstream_response_time",\'',
    '    \'"received":$request_length,"stream":$stream,"app":"$app"}\';',
)
