"""Started as a script, without the platform's packages: remove stale sockets, then become nginx.

nginx does not remove the unix sockets a killed nginx left behind, and refuses to start because of them.
Arguments: the admin socket's path, what those of the hops begin with, then nginx's own argument list.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    admin, hops, *command = sys.argv[1:]
    run, name = os.path.split(hops)
    for socket in (Path(admin), *Path(run).glob(f"{name}*.sock")):
        socket.unlink(missing_ok=True)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
