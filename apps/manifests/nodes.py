"""YAML as text with places: every value is what is written there, and knows its line.

Nothing is guessed of a value: `on`, `1.10` and `0755` stay as they are, and become a flag or a number where a field
wants one. Tags, second documents, doubled keys and files that unfold to more than they should are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from apps.manifests.problems import FileRefused, Place, refused

LARGEST = 2 * 1024 * 1024  # bytes
DEEPEST = 30
MOST = 50_000  # values, anchors unfolded

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
START = Place(1, 1)
_MERGE = "<<"


@dataclass(slots=True)
class Node:
    """`value`: text, a list, or a mapping. `keys`: where the keys of a mapping stand. `empty`: nothing is written."""

    value: str | list[Node] | dict[str, Node]
    place: Place
    keys: dict[str, Place] = field(default_factory=dict)
    empty: bool = False
    size: int = 1

    @property
    def text(self) -> str | None:
        return self.value if isinstance(self.value, str) else None

    def items(self) -> Iterator[tuple[str, Node]]:
        """Of a mapping; of anything else none."""
        if isinstance(self.value, dict):
            yield from self.value.items()

    def entries(self) -> list[Node]:
        """Of a list; of anything else none."""
        return self.value if isinstance(self.value, list) else []

    def get(self, key: str) -> Node | None:
        return self.value.get(key) if isinstance(self.value, dict) else None

    def plain(self) -> Any:
        """As text, lists and dicts; what is empty is left out of its mapping."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items() if not node.empty}
        return [node.plain() for node in self.value] if isinstance(self.value, list) else self.value


def read(content: str | bytes) -> Node:
    """The one document of `content`. Raises FileRefused."""
    text = _decoded(content)
    reader = _Reader()
    try:
        for event in yaml.parse(text, Loader=_Loader):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _place(mark) if mark else START
        raise refused(place, f"is not YAML: {error.problem or error.context}.") from None
    except yaml.YAMLError:
        raise refused(START, "is not YAML: it has characters that no YAML file may have.") from None
    if reader.root is None:
        raise refused(START, "is empty.")
    return reader.root


def _decoded(content: str | bytes) -> str:
    raw = content.encode(errors="replace") if isinstance(content, str) else content
    if len(raw) > LARGEST:
        raise refused(START, f"is too large: at most {LARGEST // 1024 // 1024} MB.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise refused(START, "is not UTF-8 text.") from None


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1)


@dataclass(slots=True)
class _Open:
    """A list or a mapping that is being read; `key` is the one whose value comes next."""

    node: Node
    anchor: str | None
    key: tuple[str, Place] | None = None
    merged: list[Node] = field(default_factory=list)


class _Reader:
    """Builds nodes from the parser's events without recursion, so that no depth of nesting can exhaust the stack."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}

    def take(self, event: Any) -> None:
        place = _place(event.start_mark)
        match event:
            case yaml.DocumentStartEvent() if self.root is not None:
                raise refused(place, "begins a second document: one file is one document.")
            case yaml.AliasEvent():
                self._add(self._anchored(event.anchor, place), place)
            case yaml.ScalarEvent():
                _check_tag(event, place)
                empty = not event.value and not event.style
                node = Node(event.value, place, empty=empty)
                self._remember(event.anchor, node)
                self._add(node, place)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                _check_tag(event, place)
                if len(self._open) >= DEEPEST:
                    raise refused(place, f"is nested too deeply: at most {DEEPEST} levels.")
                start: list[Node] | dict[str, Node] = [] if isinstance(event, yaml.SequenceStartEvent) else {}
                self._open.append(_Open(Node(start, place), event.anchor))
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                closed = self._open.pop()
                _merge(closed)
                self._remember(closed.anchor, closed.node)
                self._add(closed.node, closed.node.place)

    def _anchored(self, anchor: str | None, place: Place) -> Node:
        if any(it.anchor == anchor for it in self._open) and anchor not in self._anchors:
            raise refused(place, f"*{anchor} stands within what it names.")
        if anchor is None or anchor not in self._anchors:
            raise refused(place, f"*{anchor} names nothing: there is no &{anchor} above.")
        return self._anchors[anchor]

    def _remember(self, anchor: str | None, node: Node) -> None:
        if anchor:
            self._anchors[anchor] = node

    def _add(self, node: Node, place: Place) -> None:
        if not self._open:
            self.root = node
            return
        holder = self._open[-1]
        if isinstance(holder.node.value, list):
            holder.node.value.append(node)
        elif holder.key is None:
            holder.key = _key(holder, node, place)
            return
        elif holder.key[0] == _MERGE:
            holder.merged += node.entries() or [node]
            holder.key = None
        else:
            assert isinstance(holder.node.value, dict)
            holder.node.value[holder.key[0]] = node
            holder.key = None
        holder.node.size += node.size
        if holder.node.size > MOST:
            raise refused(place, f"unfolds to too much: at most {MOST} values.")


def _key(holder: _Open, node: Node, place: Place) -> tuple[str, Place]:
    if node.text is None or node.empty:
        raise refused(place, "is a key that is not plain text: write a name.")
    if (before := holder.node.keys.get(node.text)) and node.text != _MERGE:
        raise refused(place, f"{shown(node.text)} stands here twice: first on line {before.line}. Remove one.")
    holder.node.keys[node.text] = place
    return node.text, place


def _merge(closed: _Open) -> None:
    """What `<<` names, beneath what is written."""
    closed.node.keys.pop(_MERGE, None)
    for source in closed.merged:
        if not isinstance(source.value, dict) or not isinstance(closed.node.value, dict):
            raise refused(source.place, "must be a mapping: << takes over what another mapping says.")
        for key, node in source.value.items():
            closed.node.value.setdefault(key, node)
            closed.node.keys.setdefault(key, source.keys.get(key, source.place))


def _check_tag(event: Any, place: Place) -> None:
    if event.tag and event.tag not in ("!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
        raise refused(place, "has a tag, which is not read: write the value without the word that begins with “!”.")


def shown(key: str) -> str:
    """A key of somebody's file within a sentence."""
    printable = "".join(c if c.isprintable() else "?" for c in key)
    return printable if len(printable) <= 60 else f"{printable[:60]}…"


__all__ = ["DEEPEST", "LARGEST", "MOST", "START", "FileRefused", "Node", "read", "shown"]
