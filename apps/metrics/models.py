"""Buckets of time, and how far what they are made of has been read."""

from __future__ import annotations

from django.db import models


class Bucket(models.Model):
    """What was counted of one app from `start` on for `step` seconds; with step 0, since it was first seen.

    The columns are apps.metrics.sums.Sums; `latencies` has the buckets' numbers as strings, as JSON does. The pod is
    named by its id, as apps write it into the access log: metrics know nothing of what users describe. Without a pod it
    is the platform's own, which says that it looked. Of a route: apps.metrics.steps.Key.
    """

    pod = models.CharField(max_length=40, blank=True)
    app = models.CharField(max_length=63, blank=True)
    step = models.PositiveIntegerField()
    start = models.BigIntegerField(help_text="seconds of the epoch")
    informational = models.BigIntegerField(default=0)
    succeeded = models.BigIntegerField(default=0)
    redirected = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)
    received = models.BigIntegerField(default=0)
    sent = models.BigIntegerField(default=0)
    timed = models.BigIntegerField(default=0)
    took_ms = models.BigIntegerField(default=0)
    cpu_ms = models.BigIntegerField(default=0)
    watched_ms = models.BigIntegerField(default=0)
    looks = models.BigIntegerField(default=0)
    memory_mb = models.BigIntegerField(default=0)
    memory_most = models.BigIntegerField(default=0)
    restarts = models.BigIntegerField(default=0)
    latencies = models.JSONField(default=dict)
    figures = models.JSONField(default=dict)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("pod", "app", "step", "start"), name="metrics_one_bucket_per_start"),
        )
        indexes = (models.Index(fields=("step", "start"), name="metrics_by_age"),)

    def __str__(self) -> str:
        return f"{self.pod}/{self.app} {self.start}+{self.step}"


class Reading(models.Model):
    """How far a source has been read. `version` counts the writes: two who read at once cannot both be right."""

    source = models.CharField(max_length=40, primary_key=True)
    version = models.BigIntegerField(default=0)
    state = models.JSONField(default=dict)
    written_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.source


class DiskUsage(models.Model):
    """What is on a disk, as it was last measured. `used` in bytes of the file system, what is linked counted once.

    Not `whole`: counting took too long or something could not be read, so it is at least this much.
    """

    pod = models.CharField(max_length=40)
    disk = models.CharField(max_length=63)
    used = models.BigIntegerField(default=0)
    entries = models.BigIntegerField(default=0)
    whole = models.BooleanField(default=True)
    measured_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("pod", "disk"), name="metrics_one_usage_per_disk"),)

    def __str__(self) -> str:
        return f"{self.pod}/{self.disk}"


class Statements(models.Model):
    """What a database server spent most time on, as it last said itself: apps.metrics.databases.Statement, as lists."""

    pod = models.CharField(max_length=40)
    database = models.CharField(max_length=63)
    rows = models.JSONField(default=list)
    said_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("pod", "database"), name="metrics_one_list_per_database"),)

    def __str__(self) -> str:
        return f"{self.pod}/{self.database}"
