"""Known vulnerabilities of what is locked, by pip-audit. The advisories are on the network, of which a machine may have
none, or only a mirror that has the packages without them: then this ends with 75 and says so.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCK = "requirements-dev.lock"  # has what runs as well, in the same versions
LEFT_OUT = 75
SECONDS = 180
COMMAND = [sys.executable, "-m", "pip_audit", "-r", LOCK, "--disable-pip", "--require-hashes", "--format", "json",
           "--progress-spinner", "off", "--timeout", "5"]  # fmt: skip


def main() -> int:
    try:
        done = subprocess.run(COMMAND, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
        listed = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        return _left_out(f"they did not answer within {SECONDS} s")
    except (ValueError, KeyError):
        lines = done.stderr.strip().splitlines() or ["pip-audit says nothing"]
        return _left_out(lines[-1][:300])
    return verdict(listed)


def verdict(listed: list[dict[str, Any]]) -> int:
    """0: all are well; 1: some are not; 75: some could not be looked up, and the others are well."""
    unknown = [one["name"] for one in listed if "skip_reason" in one]
    found = [(one, about) for one in listed for about in one.get("vulns", ())]
    for one, about in found:
        fixed = ", ".join(about["fix_versions"]) or "no version yet"
        print(f"{one['name']} {one['version']}: {about['id']}, mended in {fixed}.")
    if found:
        return 1
    if unknown:
        return _left_out(f"nothing is said of {len(unknown)} of {len(listed)} packages, such as {unknown[0]}")
    return 0


def _left_out(why: str) -> int:
    print(f"The advisories could not be reached: {why}. Nothing is known of vulnerabilities.")
    return LEFT_OUT


if __name__ == "__main__":
    sys.exit(main())
