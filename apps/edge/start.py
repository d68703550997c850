"""Started as a script, without the platform's packages: remove a stale admin socket, then become nginx.

nginx does not remove the unix socket a killed nginx left behind, and refuses to start because of it.
Arguments: the socket's path, then nginx's own argument list.
"""

from __future__ import annotations

import contextlib
import os
import sys


def main() -> None:
    socket, *command = sys.argv[1:]
    with contextlib.suppress(FileNotFoundError):
        os.unlink(socket)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
