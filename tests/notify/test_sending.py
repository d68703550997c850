"""Tries, times and isolation: real requests to a real server."""

from __future__ import annotations

import datetime
import json
import multiprocessing
import os
import signal
import threading
import time
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from apps.accounts.models import User
from apps.core.errors import Conflict, Unavailable
from apps.notify import actions, keys, outgoing, sending
from apps.notify.carrying import retry_after
from apps.notify.models import Delivery, Endpoint
from tests.notify.conftest import Add, Clock, How, Receiver, send, tell
from tests.stack.components import wait_for

MINUTE = 60.0


def waits(delivery: Delivery) -> float:
    """Minutes until it is due."""
    delivery.refresh_from_db()
    assert delivery.next_at is not None
    return round((delivery.next_at - timezone.now()).total_seconds() / MINUTE, 1)


def test_it_is_tried_six_times_and_then_given_up(add: Add, receiver: Receiver, clock: Clock) -> None:
    receiver.how["/hook"] = How(500, body=b"broken")
    [delivery] = tell(add())
    for number, minutes in enumerate((1, 5, 30, 120, 720), start=1):
        send()
        assert len(receiver.got) == number
        assert waits(delivery) == pytest.approx(minutes, abs=0.2)
        clock.pass_by(minutes=minutes - 0.1)
        send()
        assert len(receiver.got) == number, "too early"
        clock.pass_by(minutes=0.3)
    send()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.tries, delivery.next_at) == ("failed", 6, None)
    assert [attempt["status"] for attempt in delivery.attempts] == [500] * 6
    assert delivery.attempts[0]["answer"] == "broken"
    assert len({one.headers["webhook-id"] for one in receiver.got}) == 1
    assert len({one.body for one in receiver.got}) == 1
    clock.pass_by(days=2)
    send()
    assert len(receiver.got) == 6


def test_after_a_failure_one_success_is_enough(add: Add, receiver: Receiver, clock: Clock) -> None:
    receiver.how["/hook"] = How(503)
    endpoint = add()
    [delivery] = tell(endpoint)
    send()
    endpoint.refresh_from_db()
    assert endpoint.state == "failing"
    del receiver.how["/hook"]
    clock.pass_by(minutes=1.1)
    send()
    endpoint.refresh_from_db()
    delivery.refresh_from_db()
    assert (delivery.state, endpoint.state) == ("delivered", "working")


@pytest.mark.parametrize(
    ("status", "given", "minutes"),
    [
        (429, "600", 10),
        (503, "1200", 20),
        (429, "5", 1),
        (429, "999999999", 24 * 60),
        (500, "600", 1),
        (429, "soon", 1),
    ],
)
def test_an_endpoint_may_ask_for_time(
    status: int, given: str, minutes: float, add: Add, receiver: Receiver, clock: Clock
) -> None:
    receiver.how["/hook"] = How(status, {"Retry-After": given})
    [delivery] = tell(add())
    send()
    assert waits(delivery) == pytest.approx(minutes, abs=0.2)


def test_the_time_asked_for_may_be_a_date() -> None:
    at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=7)
    assert retry_after(at.strftime("%a, %d %b %Y %H:%M:%S GMT")) == pytest.approx(420, abs=3)
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


def test_gone_switches_it_off(add: Add, receiver: Receiver) -> None:
    receiver.how["/hook"] = How(410)
    endpoint = add()
    first, second = tell(endpoint)[0], tell(endpoint)[0]
    send()
    assert len(receiver.got) == 1
    for row in (first, second, endpoint):
        row.refresh_from_db()
    assert (first.state, second.state, endpoint.enabled) == ("failed", "failed", False)
    assert "410" in endpoint.off_because


def test_days_of_nothing_but_failures_switch_it_off(add: Add, receiver: Receiver, clock: Clock, alice: User) -> None:
    receiver.how["/hook"] = How(404)
    endpoint = add()
    for days in (1, 2, 3):
        tell(endpoint)
        send()
        endpoint.refresh_from_db()
        assert endpoint.enabled, days
        clock.pass_by(days=2)
    tell(endpoint)
    send()
    endpoint.refresh_from_db()
    assert not endpoint.enabled
    assert "5 days" in endpoint.off_because
    assert "Answered 404" in endpoint.off_because
    actions.change(endpoint=endpoint, name=endpoint.name, by=alice)
    assert (endpoint.enabled, endpoint.off_because, endpoint.failing_since) == (True, "", None)


def test_a_redirect_is_not_followed(add: Add, receiver: Receiver) -> None:
    receiver.how["/hook"] = How(302, {"Location": "http://169.254.169.254/latest/meta-data/"})
    receiver.how["/other"] = How(307, {"Location": f"{receiver.url}/inside"})
    first, second = tell(add()), tell(add("/other"))
    send()
    for [delivery] in (first, second):
        delivery.refresh_from_db()
        assert delivery.state == "pending"
        assert "not followed" in delivery.words
    assert {one.path for one in receiver.got} == {"/hook", "/other"}


def test_an_endless_answer_is_left(add: Add, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "SECONDS", 1.0)
    receiver.how["/hook"] = How(200, drip=0.05)
    receiver.how["/long"] = How(200, body=b"x" * 5_000_000)
    slow, long = tell(add())[0], tell(add("/long"))[0]
    began = time.monotonic()
    send()
    assert time.monotonic() - began < 20
    for delivery in (slow, long):
        delivery.refresh_from_db()
    assert slow.state == "pending"
    assert "did not answer within 1 second" in slow.words
    assert (long.state, len(long.attempts[0]["answer"])) == ("delivered", 500)


@pytest.mark.django_db(transaction=True)
def test_a_slow_endpoint_holds_up_nobody(add: Add, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "SECONDS", 3.0)
    receiver.how["/slow"] = How(200, delay=30)
    slow, fast = add("/slow"), add("/fast")
    for _ in range(3):
        tell(slow)
    told = [tell(fast)[0] for _ in range(20)]
    began = time.monotonic()
    worker = threading.Thread(target=_send_from_a_thread)
    worker.start()
    try:
        wait_for(lambda: len(receiver.at("/fast")) == 20, 60)
        took = time.monotonic() - began
        assert Delivery.objects.filter(endpoint=slow).exclude(attempts=[]).count() <= took / 3
        late = tell(fast)[0]  # while the sender is still busy with the slow one
        wait_for(lambda: late.message_id in receiver.ids("/fast"), 30)
    finally:
        worker.join(60)
    assert receiver.most_open["/fast"] == 1, "one at a time"
    assert receiver.ids("/fast") == [one.message_id for one in told] + [late.message_id], "in order"
    assert set(Delivery.objects.filter(endpoint=slow).values_list("state", flat=True)) == {"pending"}


@pytest.mark.django_db(transaction=True)
def test_many_that_hang_leave_room_for_those_that_work(
    add: Add, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "SECONDS", 4.0)
    hanging = [add(f"/hang{number}") for number in range(9)]
    Endpoint.objects.update(failing_since=timezone.now())
    for number, endpoint in enumerate(hanging):
        receiver.how[f"/hang{number}"] = How(200, delay=20)
        tell(endpoint)
    working = [add(f"/work{number}") for number in range(8)]
    for endpoint in working:
        for _ in range(3):
            tell(endpoint)
    send()
    hung = min(one.at for one in receiver.got if one.path.startswith("/hang"))
    worked = max(one.at for one in receiver.got if one.path.startswith("/work"))
    assert len([one for one in receiver.got if one.path.startswith("/work")]) == 24
    assert worked - hung < 4.0, "before any of those that hang was given up"


def _send_from_a_thread() -> None:
    try:
        send()
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_send_each_once(add: Add, receiver: Receiver) -> None:
    endpoints = [add(f"/{number}") for number in range(5)]
    for _ in range(4):
        tell(*endpoints)
    start = threading.Barrier(4)

    def work() -> None:
        start.wait(30)
        _send_from_a_thread()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    send()
    assert len(receiver.got) == 20
    for number in range(5):
        assert len(set(receiver.ids(f"/{number}"))) == 4
    assert set(Delivery.objects.values_list("state", "tries")) == {("delivered", 1)}


@pytest.mark.django_db(transaction=True)
def test_of_many_claims_of_one_delivery_one_is_granted(add: Add) -> None:
    [delivery] = tell(add())
    start, granted = threading.Barrier(6), []

    def work() -> None:
        try:
            start.wait(30)
            if sending.claim(delivery.pk):
                granted.append(1)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert granted == [1]


def _send_and_die(monkey: Any) -> None:
    connections.close_all()
    sending.failpoint = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
    sending.send_due()
    os._exit(0)


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_before_it_noted_the_answer_is_made_up_for(add: Add, receiver: Receiver) -> None:
    [delivery] = tell(add())
    connections.close_all()
    worker = multiprocessing.get_context("fork").Process(target=_send_and_die, args=(None,))
    worker.start()
    worker.join(60)
    assert worker.exitcode == -signal.SIGKILL
    assert len(receiver.got) == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.tries) == ("pending", 0)
    send()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.tries) == ("delivered", 1)
    assert len(receiver.got) == 2, "at least once"
    assert len(set(receiver.ids("/hook"))) == 1, "and recognisably the same"


def test_who_lost_its_claim_writes_nothing(add: Add) -> None:
    [delivery] = tell(add())
    claimed = sending.claim(delivery.pk)
    assert claimed
    Delivery.objects.filter(pk=delivery.pk).update(fence=claimed.lease.fence + 1)
    assert not sending.note(claimed, sending.Result(True, "Answered 200.", 200))
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("pending", [])


def test_a_mistake_of_ours_is_a_failure_like_another(
    add: Add, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise KeyError("planted")

    monkeypatch.setattr(sending, "carry", broken)
    [delivery] = tell(add())
    send()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.tries) == ("pending", 1)
    assert "the platform's log has it" in delivery.words


def test_without_the_secret_store_it_waits(add: Add, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    [delivery] = tell(add())

    def away(_: Any) -> Any:
        raise Unavailable("secretstore_unavailable", "The secret store does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(sending.keys, "read", away)
        send()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.tries, delivery.attempts, waits(delivery)) == ("pending", 0, [], 1.0)
    Delivery.objects.update(next_at=timezone.now())
    send()
    delivery.refresh_from_db()
    assert delivery.state == "delivered"


def test_an_address_that_is_lost_is_said(add: Add, receiver: Receiver) -> None:
    endpoint = add()
    keys.forget(endpoint)
    [delivery] = tell(endpoint)
    send()
    delivery.refresh_from_db()
    assert "give it again" in delivery.words


def test_a_test_is_sent_once_and_shows_what_came_of_it(add: Add, receiver: Receiver, alice: User) -> None:
    endpoint = add()
    sent = actions.send_test(endpoint=endpoint, by=alice)
    assert (sent.state, sent.words) == ("delivered", "Answered 200.")
    assert json.loads(receiver.got[0].body)["event"] == "test"
    with pytest.raises(Conflict, match="moment ago"):
        actions.send_test(endpoint=endpoint, by=alice)
    receiver.how["/bad"] = How(500)
    sent = actions.send_test(endpoint=add("/bad"), by=alice)
    assert (sent.state, sent.next_at) == ("failed", None)


def test_what_was_given_up_can_be_sent_again(add: Add, receiver: Receiver, alice: User) -> None:
    endpoint = add()
    [delivery] = tell(endpoint)
    with pytest.raises(Conflict, match="still being tried"):
        actions.redeliver(delivery=delivery, by=alice)
    Delivery.objects.filter(pk=delivery.pk).update(state="failed", next_at=None, tries=6)
    actions.redeliver(delivery=delivery, by=alice)
    send()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.tries, delivery.again_by) == ("delivered", 1, alice)
    assert receiver.ids("/hook") == [delivery.message_id]
    Endpoint.objects.update(enabled=False)
    delivery.endpoint.refresh_from_db()
    with pytest.raises(Conflict, match="switched off"):
        actions.redeliver(delivery=delivery, by=alice)
