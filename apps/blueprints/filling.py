"""`{{ inputs.x }}` in the values of a file that is read already: what is filled in is a value, never read as YAML.

There is nothing but names of inputs between the braces: no expressions, no conditions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from apps.manifests.nodes import Node, shown
from apps.manifests.problems import Place, Problem

_HOLE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_INPUT = re.compile(r"\s*inputs\.([a-z][a-z0-9_]{0,39})\s*")


def filled(node: Node, values: Mapping[str, str]) -> Node:
    """`node` with its holes filled. A value that is one hole alone, of an input left empty, is left out."""
    if isinstance(node.value, dict):
        return replace(node, value={key: filled(inner, values) for key, inner in node.value.items()})
    if isinstance(node.value, list):
        inner = [filled(entry, values) for entry in node.value]
        return replace(node, value=[entry for entry in inner if not (entry.empty and entry.text == "")])
    if "{{" not in node.value:
        return node
    text = _HOLE.sub(lambda found: values[_named(found)], node.value)
    return replace(node, value=text, empty=not text and _HOLE.fullmatch(node.value.strip()) is not None)


def _named(found: re.Match[str]) -> str:
    match = _INPUT.fullmatch(found[1])
    assert match is not None  # `wrong_holes` has been asked
    return match[1]


def texts(node: Node, path: str) -> Iterator[tuple[str, Place, str, bool]]:
    """(path, place, text, whether it is a key) of everything beneath `node`."""
    if isinstance(node.value, dict):
        for key, inner in node.value.items():
            yield f"{path}.{shown(key)}", node.keys[key], key, True
            yield from texts(inner, f"{path}.{shown(key)}")
    elif isinstance(node.value, list):
        for number, inner in enumerate(node.value):
            yield from texts(inner, f"{path}.{number}")
    else:
        yield path, node.place, node.value, False


def named_in(text: str) -> list[str]:
    """The inputs that `text` has holes for."""
    return [match[1] for found in _HOLE.finditer(text) if (match := _INPUT.fullmatch(found[1]))]


def wrong_holes(node: Node, path: str, inputs: set[str]) -> Iterator[Problem]:
    """What cannot be filled: holes in keys, of other things than inputs, of inputs that nobody is asked."""
    for where, place, text, is_key in texts(node, path):
        if "{{" not in text:
            continue
        if is_key:
            yield Problem(place, where, "must not have {{ in it: only values are filled in, never names.")
            continue
        rest = _HOLE.sub("", text)
        if "{{" in rest:
            yield Problem(place, where, "has {{ without }}: write {{ inputs.name }}.")
        for found in _HOLE.finditer(text):
            match = _INPUT.fullmatch(found[1])
            if match is None:
                said = shown(" ".join(found[1].split()))
                yield Problem(
                    place, where, f"{said} is not understood: between {{{{ and }}}} stands inputs.name alone."
                )
            elif match[1] not in inputs:
                yield Problem(place, where, f"inputs.{match[1]} is asked nowhere: add it beneath inputs.")
