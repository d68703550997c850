"""Tokens of one-time links in text."""

from __future__ import annotations

import pytest
from django.urls import URLPattern

from apps.core.links import PREFIXES, hide_tokens
from apps.dashboard.urls import urlpatterns

TOKEN = "dG9rZW4-dG9rZW5f_dG9rZW4tdG9rZW4tdG9rZW4tdG9r"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (f"Not Found: /welcome/{TOKEN}/", "Not Found: /welcome/…/"),
        (f"GET https://pods.test/sign-in/{TOKEN}", "GET https://pods.test/sign-in/…"),
        (f'/sign-in/?next=/invitations/{TOKEN}/"', '/sign-in/?next=/invitations/…/"'),
        (f"?next=%2Finvitations%2F{TOKEN}%2F", "?next=%2Finvitations%2F…%2F"),
        ("/teams/home/invitations/17/", "/teams/home/invitations/17/"),
        ("/sign-in/ and /welcome/", "/sign-in/ and /welcome/"),
    ],
)
def test_they_are_taken_out(text: str, hidden: str) -> None:
    assert hide_tokens(text) == hidden


def test_every_address_with_a_token_is_known() -> None:
    routes = [str(one.pattern) for one in urlpatterns if isinstance(one, URLPattern)]
    assert {route.partition("/")[0] for route in routes if "<str:token>" in route} == set(PREFIXES)
