"""Writes deploy/ for systemd: from the Procfile a unit for each line and a target for all, or one unit for `make up`.

`python dev/units.py [DIRECTORY] [--home /opt/brainpod]`. What is particular to one service stands in OF below. A test
compares.
"""

from __future__ import annotations

import argparse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME, STATE, ENVIRONMENT = "/opt/brainpod", "/var/lib/brainpod", "/etc/brainpod/environment"
FIRST = ("valkey", "openbao", "engine")  # nothing else is of use before these
HARDENED = """\
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths={state}
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
"""
# Sandboxes are user namespaces with a /proc of their own: the kernel refuses one where parts of the outer /proc are
# covered, which is what ProtectKernelTunables and PrivateDevices do, and RestrictNamespaces would refuse them all.
OF = {
    "engine": """\
# TERM ends the apps in order. USR2 ends the agent alone: what it ran goes on and the next one takes it over.
RestartKillSignal=SIGUSR2
KillMode=process
TimeoutStopSec=90
Delegate=yes
NoNewPrivileges=yes
ProtectSystem=full
ProtectHome=yes
""",
    "worker": "KillSignal=SIGQUIT\nTimeoutStopSec=30\n",
    "nginx": "AmbientCapabilities=CAP_NET_BIND_SERVICE\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\n",
}


def lines() -> dict[str, str]:
    """The Procfile's, by name; the command as it stands there."""
    text = (ROOT / "Procfile").read_text().splitlines()
    pairs = (line.partition(": ") for line in text if line and not line.startswith("#"))
    return {name: command for name, _, command in pairs}


ONE = """\
# Made by dev/units.py. Everything in one unit; `systemctl reload brainpod` begins anew while apps go on.
[Unit]
Description=Brainpod
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
Restart=on-failure
RestartSec=5
User=brainpod
Group=brainpod
WorkingDirectory={home}
EnvironmentFile={environment}
Environment=BRAINPOD_STATE={state}
UMask=0077
ExecStart={home}/.venv/bin/python manage.py up --no-demo
ExecReload=/bin/kill -USR2 $MAINPID
# TERM has the supervisor stop everything in order. When it dies its services do, and apps go on.
KillMode=process
TimeoutStopSec=120
LimitNOFILE=65536
Delegate=yes
# No capability for low ports: bubblewrap refuses to start with one (docs/install.md has the other way).
NoNewPrivileges=yes
ProtectSystem=full
ProtectHome=yes

[Install]
WantedBy=multi-user.target
"""


def files(home: str = HOME) -> dict[str, str]:
    """Text by path beneath deploy/."""
    one = ONE.format(home=home, state=STATE, environment=ENVIRONMENT)
    return {f"systemd/{name}": text for name, text in _units(home).items()} | {"systemd-one/brainpod.service": one}


def _units(home: str) -> dict[str, str]:
    made = {f"brainpod-{name}.service": _service(name, command, home) for name, command in lines().items()}
    services = " ".join(name for name in made if name != "brainpod-release.service")
    made["brainpod.target"] = (
        "# Made by dev/units.py.\n[Unit]\nDescription=Brainpod\n"
        f"Wants={services}\n\n[Install]\nWantedBy=multi-user.target\n"
    )
    return made


def _service(name: str, command: str, home: str) -> str:
    release = name == "release"
    after = ["network-online.target"]
    if not release:
        after += ["brainpod-release.service"]
        after += [f"brainpod-{one}.service" for one in FIRST if name not in FIRST]
        after += [f"brainpod-{one}.service" for one in ("pages", "sockets", "git") if name == "nginx"]
    unit = ["# Made by dev/units.py from the Procfile.", "[Unit]", f"Description=Brainpod: {name}"]
    unit += ["Wants=network-online.target", f"After={' '.join(after)}"]
    if name == "nginx":  # not restarted with the others: apps answer meanwhile, and the release gives it what is new
        unit += ["Wants=brainpod-release.service", "StartLimitIntervalSec=0"]
    elif not release:
        unit += ["Requires=brainpod-release.service", "PartOf=brainpod.target", "StartLimitIntervalSec=0"]
    service = ["", "[Service]", "Type=oneshot" if release else "Type=exec"]
    service += ["RemainAfterExit=yes", "TimeoutStartSec=600"] if release else ["Restart=always", "RestartSec=1"]
    service += ["User=brainpod", "Group=brainpod", f"WorkingDirectory={home}", f"EnvironmentFile={ENVIRONMENT}"]
    service += [f"Environment=BRAINPOD_STATE={STATE} DJANGO_SETTINGS_MODULE=brainpod.settings", "UMask=0077"]
    service += [f"ExecStart={home}/{command}", "LimitNOFILE=65536"]
    extra = OF.get(name, "") + ("" if name == "engine" else HARDENED.format(state=STATE))
    return "\n".join([*unit, *service]) + "\n" + extra


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=ROOT / "deploy")
    parser.add_argument("--home", default=HOME, help="where the checkout is")
    given = parser.parse_args()
    for name, text in files(given.home).items():
        path = given.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
