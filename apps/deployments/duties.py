"""Work that only one worker at a time may do, whatever woke it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from apps.core.leases import Lease, acquire, kept
from apps.deployments.models import Duty


@contextmanager
def duty(name: str) -> Iterator[Lease | None]:
    """The lease of duty `name`, held while the body runs; None when somebody else has it."""
    row, _ = Duty.objects.get_or_create(name=name)
    lease = acquire(row)
    if lease is None:
        yield None
        return
    with kept(lease):
        yield lease
