"""An outcome in lines of text, in the words of the dashboard."""

from __future__ import annotations

from collections.abc import Iterator

from apps.manifests.actions import Outcome

_SIGNS = {"create": "+", "update": "~", "delete": "-"}


def lines_of(found: Outcome) -> Iterator[str]:
    """For a terminal: the draft's changes, what deploying does, what to look out for."""
    if not found.anything:
        yield "Nothing differs."
        return
    yield "In the draft:"
    yield from (f"  {_SIGNS[it.change]} {it.kind} {it.name}" for it in found.changes)
    if found.engine:
        yield f"  ~ the pod runs on {found.engine}"
    if not found.changes and not found.engine:
        yield "  nothing"
    yield "Deploying it:"
    lines = found.plan.changes if found.deployable else ()
    yield from (f"  {it.action:8} {it.consequence}{' (cannot be undone)' if it.destructive else ''}" for it in lines)
    if not lines:
        yield "  does nothing"
    yield from (f"Note: {it.path} {it.message}" for it in found.plan.warnings)
    yield from (f"Not set: {name}.{secret}" for name, secret in found.missing)
