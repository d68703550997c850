"""Started by certbot for each DNS record, as a script: hands it to the platform's process that started certbot.

That one has the credentials and does what is asked for: nothing secret is in this process, its arguments or its
environment. Arguments: the socket to ask at, and "present" or "remove".
"""

from __future__ import annotations

import json
import os
import socket
import sys


def main() -> int:
    path, act = sys.argv[1:]
    asked = {"act": act, "domain": os.environ["CERTBOT_DOMAIN"], "value": os.environ["CERTBOT_VALIDATION"]}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        connection.sendall(json.dumps(asked).encode() + b"\n")
        with connection.makefile("rb") as answer:
            return 0 if answer.read() == b"done\n" else 1


if __name__ == "__main__":
    sys.exit(main())
