"""The composition of the platform. Every process that wakes workers needs its Celery app."""

from brainpod.celery import app as celery_app

__all__ = ["celery_app"]
