"""The script a build step runs its commands by: a build secret, so that no value is in the step, its layer or history.

`sh /run/secrets/<id> COMMAND… [-- COMMAND…]` sets the variables and runs each command with `sh -c`, shown first as
`$ COMMAND`, those after `--` not. The first that fails ends it, with its exit code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from apps.builds.detect.plan import CACHE
from apps.builds.stages.commands import own_variables
from apps.engines.process.host import look

STEPS = "brainpod"  # the id of the secret with the app's variables
TOOLS = "brainpod-tools"  # the id of the one without: for what is the same for every app
CERTIFICATES = "brainpod-ca"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
TRUSTING = (
    "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO", "NPM_CONFIG_CAFILE", "BUNDLE_SSL_CA_CERT", "COMPOSER_CAFILE", "HEX_CACERTS_PATH",
)  # fmt: skip
_BEFORE = f"""mkdir -p /layers/deps /layers/tmp {CACHE}
if [ -r /run/secrets/{CERTIFICATES} ]; then
{chr(10).join(f"  export {name}=/run/secrets/{CERTIFICATES}" for name in TRUSTING)}
fi
"""
_AFTER = """if [ -n "$HTTPS_PROXY" ]; then
  place="${HTTPS_PROXY#*://}"; place="${place##*@}"; place="${place%%/*}"
  export YARN_HTTP_PROXY="$HTTP_PROXY" YARN_HTTPS_PROXY="$HTTPS_PROXY"
  way="-Dhttp.proxyHost=${place%:*} -Dhttp.proxyPort=${place##*:}"
  way="$way -Dhttps.proxyHost=${place%:*} -Dhttps.proxyPort=${place##*:}"
  export MAVEN_OPTS="$way $MAVEN_OPTS" GRADLE_OPTS="$way $GRADLE_OPTS"
fi
export PATH="/layers/deps/venv/bin:/app/node_modules/.bin:$PATH"
export BRAINPOD_PYTHON="$(command -v python3 || command -v python)"
show=yes
for command do
  if [ "$command" = -- ]; then show=; continue; fi
  if [ "$show" ]; then printf '$ %s\\n' "$command"; fi
  sh -c "$command" || exit $?
done
"""
_TOOLS_SAY = {
    "GOTOOLCHAIN": "local",
    "GOFLAGS": "-buildvcs=false -modcacherw",
    "npm_config_store_dir": f"{CACHE}/pnpm",
    "npm_config_package_import_method": "copy",
}


def steps(values: Mapping[str, str]) -> bytes:
    """The script for install and build: the app's variables, and ours that they cannot change."""
    return _script({**_TOOLS_SAY, **registries(), **values, **own_variables()})


def tools() -> bytes:
    """The script for steps that run nothing of the app's."""
    return _script(registries())


def assignments(values: Mapping[str, str]) -> bytes:
    """Lines for a shell to read with `.`: every value byte for byte."""
    lines = [f"export {name}={_quoted(value)}\n" for name, value in values.items() if NAME.fullmatch(name)]
    return "".join(lines).encode("utf-8", "surrogateescape")


def _script(values: Mapping[str, str]) -> bytes:
    return _BEFORE.encode() + assignments(values) + _AFTER.encode()


def registries() -> dict[str, str]:
    """Where this machine's package registries are; what names its own files is of no use in an image."""
    found = look().registries
    return {name: value for name, value in found.items() if not value.startswith(("/", "file:"))}


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"
