"""docs/errors.md has every error code of the platform with what to do about it, and none that is not there.

The failures of builds and apps are a catalogue of their own: docs/failures.md is made from it and has those.
Codes are literal strings where an error is made. The few places that take them from a table or hand on another
error's are listed in COMPUTED, so that a new one is noticed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from apps.builds.failures.catalogue import CATALOGUE, GENERIC
from apps.core import errors
from apps.sources import failures as sources

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "errors.md"
CODE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")

FIRST = {"UserError", "Conflict", "PlatformError", "Unavailable"}
"""Families whose first argument is the code; their subclasses too. Others: `code=`, or always the same one."""
THIRD = {"render_error"}
IMPLIED = {"Invalid": "invalid", "NotFound": "not_found"}
CORE = "apps/core/errors.py"  # the families themselves
KEYWORDS = ("code", "error_code")

TABLES = {row[1] for row in sources._CAUSES}
FAILURES = {entry.code for entry in (*CATALOGUE, *GENERIC.values())}
COMPUTED = {
    ("apps/builds/failures/diagnosis.py", "found.entry.code"),  # the catalogue's
    ("apps/builds/image/railpack/preparing.py", "found.entry.code"),  # the catalogue's, by what Railpack says
    ("apps/builds/image/railpack/preparing.py", "code"),  # the catalogue's: found_in knows it
    ("apps/deployments/health.py", "said.entry.code"),  # the catalogue's, by an app's last lines
    ("apps/deployments/health.py", "error.code"),  # handed on, with what the app said
    ("apps/sources/failures.py", "code"),  # its table
    ("apps/certificates/failures.py", "entry.code"),  # its own table, literal there
    ("apps/certificates/issuing.py", "error.code"),  # handed on: to the row
    ("apps/deployments/health.py", "seen.code"),  # assigned where a probe is judged
    ("apps/deployments/pipeline.py", "code"),  # handed on: an error's, to the deployment's row
    ("apps/deployments/pipeline.py", "error.code"),
    ("apps/deployments/pipeline.py", "failure.code"),
    ("apps/deployments/inspections.py", "error.code"),  # to the log
    ("apps/deployments/errands.py", "error.code"),  # handed on: to the row
    ("apps/deployments/errands.py", "failure.code"),
    ("apps/dashboard/build_plans.py", "row.error_code"),  # that row's
    ("apps/connections/oauth/protocol.py", "code"),  # OAuth's own code, and no error's
    ("apps/engines/process/client.py", "code"),  # handed on: the agent's own
    ("apps/dashboard/middleware.py", "error.code"),  # handed on: to the error page and the log
    ("apps/flatrun/door.py", "error.code"),  # likewise: to the log
}


@cache
def modules() -> dict[str, ast.Module]:
    files = sorted([*(ROOT / "apps").rglob("*.py"), *(ROOT / "brainpod").rglob("*.py")])
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text()) for path in files}


def name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


@cache
def families() -> frozenset[str]:
    """FIRST and every class made of them that leaves their arguments as they are."""
    classes = [node for tree in modules().values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found: set[str] = set(FIRST)
    while True:
        more = {
            c.name
            for c in classes
            if {name_of(base) for base in c.bases} & found
            and not any(isinstance(part, ast.FunctionDef) and part.name == "__init__" for part in c.body)
        }
        if more <= found:
            return frozenset(found - IMPLIED.keys())
        found |= more


def arguments_of(call: ast.Call) -> Iterator[ast.expr]:
    """The arguments of `call` that are codes."""
    name = name_of(call.func)
    given = [k.value for k in call.keywords if k.arg in KEYWORDS]
    yield from given
    if given:
        return
    if name in families():
        yield from call.args[:1]
    elif name in THIRD:
        yield from call.args[2:3]
    elif name in IMPLIED:
        yield ast.Constant(IMPLIED[name])


def inherited(node: ast.AST) -> Iterator[ast.Call]:
    """`super().__init__(code, …)` in a class of an error that gives itself its code."""
    if isinstance(node, ast.ClassDef) and {name_of(base) for base in node.bases} & families():
        for part in ast.walk(node):
            if isinstance(part, ast.Call) and name_of(part.func) == "__init__":
                yield part


def literals(node: ast.expr) -> list[str]:
    """The strings an expression may be: one, or either of `a if … else b`."""
    if isinstance(node, ast.IfExp):
        return literals(node.body) + literals(node.orelse)
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def assigned(node: ast.AST) -> Iterator[str]:
    """What is assigned to something called `code`: a class's attribute, a variable, an object's attribute."""
    pairs: list[tuple[ast.expr, ast.expr]] = []
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        pairs = [(node.target, node.value)]
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs += zip(target.elts, node.value.elts, strict=False)
            else:
                pairs.append((target, node.value))
    for target, value in pairs:
        if name_of(target) == "code":
            yield from literals(value)


def scan() -> tuple[dict[str, str], set[tuple[str, str]]]:
    """Every literal code with a place where it is made, and the places where it is not a literal."""
    codes: dict[str, str] = dict.fromkeys(TABLES, "a table of causes")
    computed = set()
    for path, tree in modules().items():
        for node in ast.walk(tree):
            found = list(assigned(node))
            arguments = [call.args[0] for call in inherited(node)] if path != CORE else []
            arguments += arguments_of(node) if isinstance(node, ast.Call) else []
            for argument in arguments:
                words = literals(argument)
                found += words
                if not words:
                    computed.add((path, ast.unparse(argument)))
            codes |= {code: f"{path}:{getattr(node, 'lineno', 0)}" for code in found if CODE.fullmatch(code)}
    return codes, computed


def sections() -> dict[str, str]:
    """Heading → what stands under it."""
    parts = re.split(r"^### (.+)$", PAGE.read_text(), flags=re.MULTILINE)[1:]
    return {head.strip(): body for head, body in zip(parts[::2], parts[1::2], strict=True)}


def test_every_code_is_documented_and_every_documented_one_exists() -> None:
    codes, _ = scan()
    documented = {head.strip("`") for head in sections()}
    missing = {code: place for code, place in codes.items() if code not in documented | FAILURES}
    assert missing == {}, "not in docs/errors.md"
    assert documented & FAILURES == set(), "in docs/failures.md already"
    assert documented - codes.keys() == set(), "in docs/errors.md and nowhere in the source"


def test_codes_are_literals_but_for_the_places_known() -> None:
    _, computed = scan()
    assert computed == COMPUTED


def test_a_heading_says_what_is_seen_why_and_what_to_do() -> None:
    for head, body in sections().items():
        assert CODE.fullmatch(head.strip("`")), head
        assert head == f"`{head.strip('`')}`", f"{head} is written as code"
        for word in ("Seen", "Cause", "Do"):
            assert re.search(rf"^- \*\*{word}\*\*: \S.{{5,}}", body, re.MULTILINE), f"{head} has no {word}"


def test_no_code_is_there_twice() -> None:
    heads = re.findall(r"^### (.+)$", PAGE.read_text(), re.MULTILINE)
    assert len(heads) == len(set(heads))


@pytest.mark.parametrize(
    ("source", "codes"),
    [
        ('raise UserError("one_thing", "m")', ["one_thing"]),
        ('raise errors.Unavailable("two_things", "m")', ["two_things"]),
        ('Invalid([], code="three")', ["three"]),
        ('Invalid("text")', ["invalid"]),
        ('move(row, "failed", error_code="four")', ["four"]),
        ('render_error(request, 403, "five", "m")', ["five"]),
        ('UserError("a" if bad else "b", "m")', ["a", "b"]),
    ],
)
def test_the_scan_sees_a_code(source: str, codes: list[str]) -> None:
    call = next(node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    assert [word for argument in arguments_of(call) for word in literals(argument)] == codes


def test_the_scan_knows_the_families() -> None:
    made = [errors.UserError("a_b", "m"), errors.Conflict("a_b", "m"), errors.PlatformError("a_b", "m")]
    assert {error.code for error in made} == {"a_b"}
    assert families() >= FIRST
