"""Jupyter reads JUPYTER_TOKEN by itself."""

import os

c = get_config()  # noqa: F821 (Jupyter has it there)
c.ServerApp.ip = "0.0.0.0"
c.ServerApp.port = int(os.environ["PORT"])
c.ServerApp.port_retries = 0
c.ServerApp.root_dir = "/work"
c.ServerApp.open_browser = False
c.ServerApp.allow_root = True
c.ServerApp.allow_remote_access = True
c.ServerApp.trust_xheaders = True
