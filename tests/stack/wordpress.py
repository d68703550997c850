"""WordPress as Debian packages it: files as they are in its repository."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

BRANCH = "6.1-branch"
PACKAGES = ("wordpress", "wordpress-theme-twentytwentythree", "php-getid3", "libjs-cropper", "libjs-underscore")


def unpacked(directory: Path) -> Path:
    """Where it lies in `directory`; nothing is installed. Skips where there is no apt."""
    if not shutil.which("apt-get"):
        pytest.skip("WordPress comes from Debian's packages, and this machine has no apt-get")
    root = directory / "root"
    subprocess.run(["apt-get", "download", "-qq", *PACKAGES], cwd=directory, capture_output=True, check=True)
    for package in directory.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
    # Debian links libraries that it packages by themselves; .htaccess leads into its /etc.
    files = directory / "files"
    shutil.copytree(root / "usr/share/wordpress", files, ignore_dangling_symlinks=True)
    (files / "wp-config.php").unlink()  # Debian's own
    return files
