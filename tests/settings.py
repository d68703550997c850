"""The platform's settings with a state directory of the run's own."""

import atexit
import os
import shutil
import sys
import tempfile

KEPT = ("BRAINPOD_STATE_OF_TESTS", "BRAINPOD_TEMPLATE_OF_TESTS", "BRAINPOD_SOAK", "BRAINPOD_SCREENSHOTS")
_state = os.environ.get("BRAINPOD_STATE_OF_TESTS")
if not _state:
    _state = os.environ["BRAINPOD_STATE_OF_TESTS"] = tempfile.mkdtemp(prefix="bp-t-")
    os.chmod(_state, 0o711)
    atexit.register(shutil.rmtree, _state, ignore_errors=True)
for _name in [name for name in os.environ if name.startswith("BRAINPOD_") and name not in KEPT]:
    del os.environ[_name]
os.environ["BRAINPOD_STATE"] = _state

# Tests start hundreds of Python processes: without kept bytecode each of them compiles the platform anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

from brainpod.settings import *  # noqa: E402, F403
from brainpod.settings import BRAINPOD, DATABASES, STORAGES  # noqa: E402

if not BRAINPOD.database_url:
    # A file, as in production: an in-memory database hides every lock the platform has to live with.
    DATABASES["default"]["TEST"] = {"NAME": str(BRAINPOD.state / "test.sqlite3")}
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
