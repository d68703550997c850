"""Addresses with ports, as settings name them."""

from __future__ import annotations

import pytest

from apps.core.addresses import endpoint


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        (" 192.0.2.1:5353 ", ("192.0.2.1", 5353)),
        ("2001:db8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
    ],
)
def test_endpoints(text: str, read: tuple[str, int]) -> None:
    assert endpoint(text, 53) == read


@pytest.mark.parametrize("text", ["", "x", "192.0.2.1:99999", "[::1]:x", ":53", "dns.example.com:53"])
def test_no_endpoints(text: str) -> None:
    with pytest.raises(ValueError):
        endpoint(text, 53)
