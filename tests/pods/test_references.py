"""References: what is filled in, what stays, and that nothing else of a value changes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.pods.models import Snapshot
from apps.pods.references import Reference, References, circular, referenced, references_in
from tests.pods.specs import TEXT, app, env, snapshot


def _shop() -> Snapshot:
    made = snapshot(
        web=("App", app(env=env(API="${api.url}/v1"))),
        api=("App", app()),
        front=("Route", {"rules": [{"app": "web"}, {"path": "/api", "app": "api"}]}),
        settings=(
            "Config",
            {"variables": env(GREETING="hello from ${front.host}", A="${settings.B}", B="${settings.A}")},
        ),
    )
    made["front"].spec["hostname"] = "shop.localhost"
    return made


def test_addresses_of_routes_and_apps() -> None:
    fill = References(_shop(), {}).fill
    assert fill("${front.host}") == ("shop.localhost", [])
    assert fill("${front.url}")[0].endswith("//shop.localhost:8080")
    assert fill("${api.url}")[0].endswith("shop.localhost:8080/api")
    assert fill("${web.host}")[0] == "shop.localhost"


def test_variables_of_configs_are_filled_in_with_their_own_references() -> None:
    assert References(_shop(), {}).fill("<${settings.GREETING}>") == ("<hello from shop.localhost>", [])


def test_what_does_not_resolve_stays_and_warns() -> None:
    for text in ("${nobody.url}", "${settings.NONE}", "${settings.A}", "${web.port}"):
        filled, warnings = References(_shop(), {}).fill(text)
        assert filled == text
        assert len(warnings) == 1
        assert text in warnings[0]


def test_secrets_are_not_filled_in() -> None:
    found = References(snapshot(settings=("Config", {"secrets": {"KEY": 1}})), {}).fill("${settings.KEY}")
    assert found[0] == "${settings.KEY}"
    assert "attach settings" in found[1][0]


def test_values_that_multiply_stay_small() -> None:
    doubling = env(V0="x" * 1000) + [{"name": f"V{n}", "value": f"${{c.V{n - 1}}}" * 2} for n in range(1, 100)]
    filled, _ = References(snapshot(c=("Config", {"variables": doubling})), {}).fill("${c.V99}")
    assert len(filled) <= 64 * 1024


def test_a_long_chain_is_followed() -> None:
    chain = env(V0="end") + [{"name": f"V{n}", "value": f"${{c.V{n - 1}}}"} for n in range(1, 500)]
    assert References(snapshot(c=("Config", {"variables": chain})), {}).fill("${c.V499}") == ("end", [])


def test_what_decides_the_values_of_an_app() -> None:
    made = _shop()
    assert referenced(made, "web") == {"api", "front"}
    assert referenced(made, "api") == set()


@given(st.text(st.characters(blacklist_categories=("Cs",)) | st.sampled_from(list("${}.abA"))))
def test_without_references_every_byte_is_kept(text: str) -> None:
    assert References({}, {}).fill(text)[0] == text


@given(st.lists(st.tuples(TEXT, st.sampled_from(["A", "B"]))))
def test_the_text_around_references_is_kept(pieces: list[tuple[str, str]]) -> None:
    values = {"A": "1$", "B": "${x.y}"}
    resolve = References(snapshot(c=("Config", {"variables": env(**values)})), {}).fill
    text = "".join(f"{before}|${{c.{name}}}" for before, name in pieces)
    assert resolve(text)[0] == "".join(f"{before}|{values[name]}" for before, name in pieces)


REFS = st.sampled_from([Reference("c", name) for name in "ABCDEF"])


@settings(max_examples=200)
@given(st.dictionaries(REFS, st.sets(REFS)))
def test_everything_on_a_circle_is_found_and_the_rest_is_in_order(graph: dict[Reference, set[Reference]]) -> None:
    needs = {ref: {to for to in on if to in graph} for ref, on in graph.items()}
    found = circular(needs)

    def reachable(start: Reference) -> set[Reference]:
        seen: set[Reference] = set()
        todo = list(needs[start])
        while todo:
            ref = todo.pop()
            if ref not in seen:
                seen.add(ref)
                todo += needs[ref]
        return seen

    on_circle = {ref for ref in needs if ref in reachable(ref)}
    assert on_circle <= found
    for ref in found - on_circle:  # between two circles
        assert reachable(ref) & on_circle
        assert any(ref in reachable(other) for other in on_circle)


def test_references_are_found_in_their_order() -> None:
    assert [str(ref) for ref in references_in("${a.B} $${c.d} ${NO.x} ${HOME} ${a.b.c}")] == ["${a.B}", "${c.d}"]
