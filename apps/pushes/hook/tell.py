"""Passes what git says has moved to the platform, and what the platform says to whoever pushes.

`BRAINPOD_PUSH_FD` is a socket whose other end is apps/pushes/attending.py. What is written to the standard error is
git's side band: the client shows it as it comes.
"""

import os
import socket
import sys

with socket.socket(fileno=int(os.environ["BRAINPOD_PUSH_FD"])) as line:
    line.sendall(sys.stdin.buffer.read())
    line.shutdown(socket.SHUT_WR)
    while words := line.recv(65536):
        sys.stderr.buffer.write(words)
        sys.stderr.buffer.flush()
