"""Takes the pictures of docs/images anew: `python dev/screenshots.py`, with Chromium, in some minutes.

The browser's tests take them of pods that they make; here is which of them are shown.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
SHOWN = ("pod", "draft", "app", "deployment-failed")
TEST = "tests/browser/test_pages.py::test_every_page_is_sound"


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="bp-i-") as folder:
        base = Path(folder) / "base"
        command = [sys.executable, "-m", "pytest", "-q", TEST, f"--basetemp={base}"]
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        for name in SHOWN:
            shutil.copyfile(base / "screenshots0" / f"{name}-1280-light.png", IMAGES / f"{name}.png")
    return code


if __name__ == "__main__":
    sys.exit(main())
