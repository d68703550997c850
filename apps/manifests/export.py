"""A revision as brainpod.yaml: the same text for the same revision, without a value of a secret."""

from __future__ import annotations

from typing import Any

import yaml

from apps.dns.names import shown
from apps.manifests import shapes
from apps.pods import kinds
from apps.pods.models import Resource, Revision

VERSION = 1


class _Dumper(yaml.SafeDumper):
    """Long text in blocks, lists indented beneath their key, no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
    style = None if data.isprintable() else "|" if _in_a_block(data) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


def _in_a_block(text: str) -> bool:
    """Whether it comes back to the byte out of a block, whose readers take other line ends for plain ones."""
    lines = text.split("\n")
    return not text[:1].isspace() and all(line.isprintable() and line == line.rstrip() for line in lines)


_Dumper.add_representer(str, _text)


class _Rewriter(_Dumper):
    """For what was read by `nodes.read`, where all is text: nothing needs quotes to stay what it is."""


_Rewriter.yaml_implicit_resolvers = {}
_Rewriter.add_representer(str, lambda dumper, data: _text(dumper, data) if data else _empty(dumper))


def _empty(dumper: yaml.SafeDumper) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", "", style="'")


def exported(revision: Revision | None, *, pod: str, commits: bool = False) -> str:
    """`revision` (None: nothing) of the pod called `pod`. `commits`: with the commits its apps are pinned to."""
    found: dict[str, Any] = {"version": VERSION, "pod": pod}
    if revision and revision.engine:
        found["engine"] = revision.engine
    found["resources"] = {}
    rows = sorted(revision.resources.all(), key=lambda row: row.name) if revision else []
    for kind in shapes.ordered():
        if named := {row.name: described(row, commits=commits) for row in rows if row.kind == kind}:
            found["resources"][kind] = named
    return dumped(found)


def dumped(found: dict[str, Any]) -> str:
    return yaml.dump(found, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6)


def rewritten(found: dict[str, Any]) -> str:
    """`found`, text and lists and mappings of it, in the form of a file; read, it is the same."""
    return yaml.dump(found, Dumper=_Rewriter, sort_keys=False, allow_unicode=True, width=10**6)


def described(resource: Resource, *, commits: bool = False) -> dict[str, Any]:
    """The fields that are not the default."""
    kind = kinds.get(resource.kind)
    spec = kind.read(resource.spec)
    whole = spec.model_dump(mode="json")
    said = spec.model_dump(mode="json", exclude_defaults=True)
    said = {name: said.get(name, whole[name]) for name in whole if name in said or name in shapes.ALWAYS}
    for name in shapes.ASSIGNED:
        said.pop(name, None)
    for name in shapes.fields(kind.name, "pairs") & said.keys():
        said[name] = {pair["name"]: pair.get("value", "") for pair in said[name]}
    for name in shapes.fields(kind.name, "secrets") & said.keys():
        said[name] = sorted(said[name])
    for name in shapes.fields(kind.name, "password") & said.keys():
        said[name] = True
    if "domains" in said:
        said["domains"] = [shown(domain) for domain in said["domains"]]
    if "rules" in said:
        said["rules"] = [{"path": rule.get("path", "/"), **rule} for rule in said["rules"]]
    if "source" in said and not commits:
        said["source"].pop("commit", None)
    return {name: value for name, value in said.items() if value != {} and (name != "version" or value)}
