"""What Celery's parts do when a connection to the broker is gone, as brainpod/celery.py has mended them."""

from __future__ import annotations

import uuid

import pytest
from kombu import Connection

from brainpod import celery


@pytest.mark.parametrize("answer", ["ack", "reject", "requeue"])
def test_what_came_over_a_connection_that_is_gone_is_let_be(valkey: str, answer: str) -> None:
    """It ended the worker, and every build with it."""
    assert celery.redis.Channel.QoS is celery.QoS
    broker = valkey.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=")
    name = f"gone-{uuid.uuid4().hex[:8]}"
    with Connection(broker) as connection:
        queue = connection.SimpleQueue(name)
        queue.put({"n": 1})
        message = queue.get(timeout=10)
        message.channel.close()
        getattr(message, answer)()


def test_what_is_acknowledged_in_time_is_gone(valkey: str) -> None:
    broker = valkey.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=")
    with Connection(broker) as connection:
        queue = connection.SimpleQueue(f"acked-{uuid.uuid4().hex[:8]}")
        queue.put({"n": 1})
        message = queue.get(timeout=10)
        tag = message.delivery_tag
        assert connection.default_channel.client.hexists("unacked", tag)
        message.ack()
        assert not connection.default_channel.client.hexists("unacked", tag)
