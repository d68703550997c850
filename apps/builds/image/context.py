"""What an image is built from: the app's directory in the checkout."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def open_to_all(context: Path) -> None:
    """Readable by everybody, as git makes a checkout elsewhere: COPY keeps modes, and the platform's own umask would
    lock an image's user out."""
    for base, directories, names in os.walk(context):
        for name in (*directories, *names):
            path = os.path.join(base, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISDIR(mode) or stat.S_ISREG(mode):
                os.chmod(path, 0o755 if mode & 0o100 else 0o644)
