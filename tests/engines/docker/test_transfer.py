"""What daemons of every age say of a push, read."""

from __future__ import annotations

import pytest

from apps.engines.docker.transfer import Failed, Journey

DIGEST = f"sha256:{'5e' * 32}"


@pytest.mark.parametrize(
    "last",
    [
        {"aux": {"Tag": "1", "Digest": DIGEST, "Size": 528}},
        {"status": f"1: digest: {DIGEST} size: 528"},  # containerd's store of images
    ],
)
def test_under_which_digest_it_is_stored(last: dict[str, object]) -> None:
    journey = Journey(on_line=print)
    journey.take({"status": "The push refers to repository [registry.example/shop]"})
    journey.take({"status": "Pushed", "id": "0123456789ab"})
    assert journey.digest == ""
    journey.take(last)
    assert (journey.digest, journey.words) == (DIGEST, "1 layer")


def test_an_error_is_no_digest() -> None:
    journey = Journey(on_line=print)
    with pytest.raises(Failed, match="denied"):
        journey.take({"error": "denied", "status": f"1: digest: {DIGEST} size: 528"})
    assert journey.digest == ""
