"""What holds of any text: parsers answer or refuse, and what one part lets through the next one takes."""

from __future__ import annotations

import base64
import json
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.builds.site import parse_headers, parse_redirects
from apps.core.errors import Invalid, UserError
from apps.core.masking import Mask
from apps.dns.names import normalise
from apps.edge.inputs import check_header, check_host, check_network, check_redirect
from apps.manifests.importing import convert
from apps.manifests.reading import parse
from tests.security.entries import REPO

few = settings(max_examples=60)
TEXT = st.text(max_size=60)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("aA1²-_.:/${}\0 \n", max_size=6),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["version", "resources", "services", "App", "Config", "web", "secrets", "variables", "env", "deploy",
             "replicas", "healthcheck", "retries", "interval", "environment", "volumes", "ports", "formation",
             "quantity", "source", "rules", "addons", "build", "image"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@few
@given(TEXT | VALUE.map(lambda value: json.dumps(value, ensure_ascii=False)))
def test_any_file_is_read_or_refused_with_a_line(text: str) -> None:
    for read in (
        lambda: parse(text, team="home"),
        lambda: parse(f'{{"version": 1, "resources": {text}}}', team="home"),
        lambda: convert({"compose": text}, repo=REPO),
        lambda: convert({"compose": f'{{"services": {{"web": {text}}}}}'}, repo=REPO),
        lambda: convert({"app_json": text, "procfile": text}, repo=REPO),
        lambda: convert({"app_json": f'{{"formation": {{"web": {text}}}}}'}, repo=REPO),
    ):
        said: UserError | None = None
        try:
            read()
        except UserError as error:
            said = error
        assert said is None or (said.code == "file_refused" and "line " in str(said))


@few
@given(TEXT)
def test_what_is_kept_of_a_sites_files_is_what_the_edge_takes(text: str) -> None:
    for line in (text, f"/a {text}", f"{text} /b", f"/a /b {text}"):
        for redirect in parse_redirects(line)[0]:
            assert list(check_redirect(redirect, own=True)) == []
    for header in parse_headers(f"/*\n  {text}\n{text}\n  X-A: {text}")[0]:
        assert list(check_header(header.name, header.value)) == []


@few
@given(st.text(max_size=40) | st.from_regex(r"[a-zäß-]{1,8}(\.[a-zé]{1,8}){1,3}", fullmatch=True))
def test_a_domain_that_is_taken_is_a_host_of_the_edge(text: str) -> None:
    with suppress(Invalid):
        name = normalise(text)
        assert check_host(name) == ""
        assert normalise(name) == name


@few
@given(st.ip_addresses(), st.integers(0, 128))
def test_the_network_that_is_proposed_is_taken(address: object, length: int) -> None:
    said = check_network(f"{address}/{length}")
    if said.startswith("must be "):
        assert check_network(said.removeprefix("must be ").removesuffix(".")) == ""
    assert check_network(str(address)) == ""


@few
@given(
    st.lists(
        st.text('abcXYZ019+/=%&"\\ü ', min_size=8, max_size=30).filter(lambda it: it.strip() == it),
        min_size=1,
        max_size=4,
    ),
    TEXT,
)
def test_no_secret_comes_out_beside_another(secrets: list[str], around: str) -> None:
    """Whatever else is secret, and whether it was known from the start or came later."""
    for mask in (Mask(secrets), Mask(secrets[:1]).also(secrets[1:]), Mask([]).also(secrets)):
        for secret in secrets:
            shown = mask(f"{around}{secret}{around} {json.dumps(secret)} {base64.b64encode(secret.encode()).decode()}")
            assert secret not in shown
