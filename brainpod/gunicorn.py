"""gunicorn's own lines, through the same handlers as everything else."""

from __future__ import annotations

from typing import Any

from gunicorn import glogging

from brainpod import logging


class Logger(glogging.Logger):
    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        logging.apply()
        self.error_log.handlers.clear()
        self.error_log.propagate = True
