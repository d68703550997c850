"""Writes deploy/compose/compose.yaml: a service for each line of the Procfile, with every setting. A test compares.

`python -m dev.compose`. What is particular to one service stands in OF below; why it is as it is, in docs/compose.md.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from brainpod.config import Config
from dev.units import FIRST, lines

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "deploy" / "compose" / "compose.yaml"
HEAD = """\
# Made by dev/compose.py from the Procfile and brainpod/config.py; docs/compose.md says how it is used.
name: brainpod

x-platform: &platform
  image: ${IMAGE:-brainpod:local}
  restart: unless-stopped
  network_mode: service:host
  pid: service:host
  read_only: true
  tmpfs: ["/tmp:mode=1777"]
  volumes: ["state:/var/lib/brainpod"]
  cap_drop: [ALL]
  security_opt: ["no-new-privileges:true"]
  logging: &logging
    driver: json-file
    options: {max-size: 5m, max-file: "3"}
  environment:
    # What this file decides; the rest is as docs/settings.md says, where .env gives it.
"""
HOST = """\

x-first: &first
  host: {condition: service_started, restart: true}
  release: {condition: service_completed_successfully}

x-stores: &stores
  <<: *first
%(stores)s
x-health: &health
  interval: 30s
  timeout: 10s
  retries: 3
  start_period: 120s

services:
  # The one machine that all below are processes of: its addresses, its process numbers.
  host:
    image: ${IMAGE:-brainpod:local}
    build:
      context: ../..
      dockerfile: deploy/compose/Dockerfile
      args:
        BASE: ${BASE:-python:3.11-slim-bookworm}
    command: [sleep, infinity]
    init: true
    restart: unless-stopped
    networks: [outside, inside]
    ports: ["${PUBLISHED_HTTP:-80}:80", "${PUBLISHED_HTTPS:-443}:443"]
    sysctls: {net.ipv4.ip_unprivileged_port_start: 0}
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    logging: *logging

  database:
    image: ${POSTGRES_IMAGE:-postgres:15.14-bookworm}
    user: postgres
    restart: unless-stopped
    networks: [inside]
    volumes: ["database:/var/lib/postgresql/data"]
    environment:
      POSTGRES_USER: brainpod
      POSTGRES_DB: brainpod
      POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?openssl rand -hex 32}
    shm_size: 128m
    stop_signal: SIGINT
    stop_grace_period: 60s
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    logging: *logging
    healthcheck:
      test: [CMD, pg_isready, --quiet, --username=brainpod, --dbname=brainpod, --host=127.0.0.1]
      interval: 5s
      timeout: 5s
      retries: 5
      start_period: 60s
"""
TAIL = """\

networks:
  outside: {}
  inside: {internal: true}

volumes:
  state: {}
  database: {}
"""
# Sandboxes are user namespaces with a /proc of their own. Docker's seccomp profile and AppArmor's refuse them, and the
# kernel does where parts of the outer /proc are covered.
OF = {
    "release": """\
    restart: "no"
    depends_on:
      host: {condition: service_started}
      database: {condition: service_healthy}
""",
    "engine": """\
    stop_grace_period: 90s
    security_opt: ["no-new-privileges:true", "seccomp:unconfined", "apparmor:unconfined", "systempaths=unconfined"]
""",
    "worker": "    stop_signal: SIGQUIT\n    stop_grace_period: 30s\n",
}
DECIDED = {
    "state": "/var/lib/brainpod",
    "database_url": "postgres://brainpod:${POSTGRES_PASSWORD:?openssl rand -hex 32}@database/brainpod",
    "secret_key": "${BRAINPOD_SECRET_KEY:?openssl rand -hex 32}",
    "dashboard_host": "${BRAINPOD_DASHBOARD_HOST:?the name of the dashboard}",
    "domain": "${BRAINPOD_DOMAIN:?the domain of the pods}",
    "production": "${BRAINPOD_PRODUCTION:-yes}",
    "sandbox": "${BRAINPOD_SANDBOX:-required}",
    "secure": "${BRAINPOD_SECURE:-yes}",
    "bind": "0.0.0.0",
    "port": "80",
    "tls_port": "443",
}
# The stores and the nginx are the ones in this file.
LEFT_OUT = frozenset({"valkey_url", "vault_addr", "vault_role_id", "vault_secret_id", "debug", "failpoints"})
NGINX = "nginx"
UNCHECKED = ("release", "logs")  # one ends, and the other answers nobody


def text() -> str:
    """The whole file."""
    stores = "".join(f"  {name}: {{condition: service_started}}\n" for name in FIRST)
    parts = [HEAD, *_environment(), HOST % {"stores": stores}]
    parts += [_service(name, command) for name, command in lines().items()]
    return "".join([*parts, TAIL])


def setting(name: str) -> str:
    return "DATABASE_URL" if name == "database_url" else f"BRAINPOD_{name.upper()}"


def _environment() -> list[str]:
    made = [f'    {setting(name)}: "{value}"\n' for name, value in DECIDED.items()]
    passed = [one.name for one in fields(Config) if one.name not in {*DECIDED, *LEFT_OUT}]
    names = [setting(name) for name in passed if name.partition("_")[0] != NGINX]
    return [*made, *(f"    {name}:\n" for name in sorted([*names, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]))]


def _service(name: str, command: str) -> str:
    made = f"\n  {name}:\n    <<: *platform\n    command: [{', '.join(command.split())}]\n{OF.get(name, '')}"
    if name == NGINX:
        services = [f"      {one}: {{condition: service_started}}\n" for one in ("pages", "sockets", "git")]
        made += "    depends_on:\n      <<: *stores\n" + "".join(services)
    elif name != "release":
        made += f"    depends_on: *{'first' if name in FIRST else 'stores'}\n"
    if name not in UNCHECKED:
        check = f"[CMD, python3, -IS, deploy/compose/healthy.py, {name}]"
        made += f"    healthcheck:\n      <<: *health\n      test: {check}\n"
    return made


if __name__ == "__main__":
    FILE.write_text(text())
