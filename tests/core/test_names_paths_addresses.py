"""What is refused, and the field the refusal names."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.addresses import is_public
from apps.core.errors import Invalid
from apps.core.ids import new_id
from apps.core.masking import MASK, Mask
from apps.core.names import check_name, check_variable
from apps.core.paths import beneath, check_relative


@pytest.mark.parametrize("name", ["", "A", "1a", "-a", "a-", "a--b", "a_b", "a.b", "a b", "é", "a" * 64, "a\n", "a\0"])
def test_names_that_are_no_dns_labels(name):
    with pytest.raises(Invalid) as error:
        check_name(name, "pod.name")
    assert error.value.details[0].path == "pod.name"


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "É", "LD_PRELOAD", "ld_preload", "BASH_FUNC_x", "A=B", "A\n"])
def test_variables_that_are_refused(name):
    with pytest.raises(Invalid) as error:
        check_variable(name, "env.0.name")
    assert error.value.details[0].path == "env.0.name"


@pytest.mark.parametrize("path", ["/etc", "..", "a/../b", "-rf", "~root", "a\\b", "a\0", "a\nb", "x" * 401])
def test_paths_that_lead_elsewhere(path):
    with pytest.raises(Invalid):
        check_relative(path, "source.rootDir")


def test_links_out_and_pipes(tmp_path):
    root = tmp_path / "repository"
    root.mkdir()
    (tmp_path / "outside").write_text("secret")
    (root / "out").symlink_to("../outside")
    (root / "in").symlink_to("file")
    (root / "file").write_text("fine")
    os.mkfifo(root / "pipe")
    assert beneath(root, "in") == root / "file"
    for path in ("out", "pipe"):
        with pytest.raises(Invalid):
            beneath(root, path)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
     "100.64.0.1", "0.0.0.0", "224.0.0.1", "fd00::1", "fe80::1", "255.255.255.255"],
)  # fmt: skip
def test_private_addresses_in_every_wrapping(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_public_addresses(address):
    assert is_public(address)


@given(st.text(min_size=8, alphabet=st.characters(min_codepoint=33, max_codepoint=126)), st.binary(max_size=7))
def test_a_masked_value_is_found_however_it_is_written(value, before):
    import base64
    import json
    import urllib.parse

    mask = Mask([value])
    assert mask(f"a {value} b") == f"a {MASK} b"
    assert value not in mask(json.dumps({"k": value}))
    assert urllib.parse.quote(value, safe="") not in mask(urllib.parse.quote(value, safe=""))
    encoded = base64.b64encode(before + value.encode()).decode()
    assert mask(encoded) != encoded


def test_ids_sort_by_time():
    made = [new_id() for _ in range(50)]
    assert len(set(made)) == 50
    assert all(len(i) == 16 for i in made)
