"""Names, addresses, roles and passwords that must be refused, each with the field in the error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.labels import check_email, check_label, check_password, check_role
from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.core.errors import Invalid

BAD_NAMES = {
    "empty": "",
    "spaces": "   ",
    "too long": "x" * 81,
    "newline": "a\nb",
    "carriage return": "a\rb",
    "tab": "a\tb",
    "nul": "a\0b",
    "escape sequence": "\x1b[31mred",
    "bell": "a\x07",
    "delete": "a\x7f",
    "right-to-left override": "a\u202egpj.exe",
    "isolate": "a\u2066b",
    "zero width space": "a\u200bb",
    "zero width joiner": "\u200d",
    "byte order mark": "\ufeffadmin",
    "line separator": "a\u2028b",
    "paragraph separator": "a\u2029b",
    "private use": "a\ue000",
    "surrogate": "a\ud800",
    "unassigned": "a\U000e0fff",
    "soft hyphen": "ad\u00admin",
    "punctuation": "...",
    "hyphens": "---",
    "slashes": "../..",
}
BAD_EMAILS = {
    "empty": "",
    "no at": "ada.example.com",
    "no domain": "ada@",
    "no local part": "@example.com",
    "two ats": "a@b@example.com",
    "space": "ada lovelace@example.com",
    "newline": "ada@example.com\nbcc: eve@example.com",
    "nul": "ada@example.com\0",
    "no dot": "ada@example",
    "dots": "ada@example..com",
    "leading dot": ".ada@example.com",
    "comma": "ada@example.com,eve@example.com",
    "semicolon": "ada@example.com;eve@example.com",
    "angle brackets": "Ada <ada@example.com>",
    "mailto": "mailto:ada@example.com",
    "look-alike": "аda@example.com",
    "right-to-left": "ada\u202e@example.com",
    "long local part": "a" * 250 + "@example.com",
    "long domain": "ada@" + "a" * 250 + ".com",
    "script": "<script>@example.com",
    "hyphen domain": "ada@-example.com",
}
BAD_ROLES = ["", "root", "Owner", "OWNER", "owner ", "superuser", "None", "0", "viewer,owner", "owner\0"]
BAD_PASSWORDS = {"short": "a1b2c3", "common": "password123", "the name": "Adalovelace1", "megabytes": "x" * 201}


@pytest.mark.parametrize("text", BAD_NAMES.values(), ids=BAD_NAMES.keys())
def test_bad_names_are_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_label(text, "name")
    assert [detail.path for detail in caught.value.details] == ["name"]


@pytest.mark.parametrize("text", BAD_EMAILS.values(), ids=BAD_EMAILS.keys())
def test_bad_addresses_are_refused(text: str) -> None:
    with pytest.raises(Invalid, match="email"):
        check_email(text)


@pytest.mark.parametrize("text", BAD_ROLES)
def test_bad_roles_are_refused(text: str) -> None:
    with pytest.raises(Invalid, match="role"):
        check_role(text)


@pytest.mark.parametrize("text", BAD_PASSWORDS.values(), ids=BAD_PASSWORDS.keys())
def test_bad_passwords_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(Invalid, match="password") as caught:
        check_password(text, user=User(email="adalovelace1@example.com", name="Adalovelace1"))
    assert text not in str(caught.value)


@pytest.mark.parametrize("text", ["Ada", "  Ada Lovelace ", "Łódź 3", "田中", "R&D <team>", "O'Neil", "a" * 80, "é"])
def test_good_names(text: str) -> None:
    assert check_label(text) == text.strip()


@given(st.text(max_size=100))
def test_a_name_that_was_let_in_is_let_in_again_the_same(text: str) -> None:
    try:
        once = check_label(text)
    except Invalid:
        return
    assert check_label(once) == once
    assert "\n" not in once
    assert 0 < len(once) <= 80


def test_addresses_are_kept_in_lower_case() -> None:
    assert check_email(" Ada@Example.COM ") == "ada@example.com"


def test_roles_are_ordered_by_power() -> None:
    assert Role.OWNER > Role.ADMIN > Role.DEVELOPER > Role.VIEWER
    assert sorted(Role, reverse=True)[0] is Role.OWNER
    assert Role.ADMIN >= "admin"
    assert not Role.VIEWER >= Role.DEVELOPER
