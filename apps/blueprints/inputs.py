"""What a blueprint asks: how an input is written in its file, and what is taken for one."""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from apps.blueprints.patterns import compiled
from apps.core.errors import Detail, Invalid
from apps.dns.names import normalise
from apps.manifests.nodes import Node, shown
from apps.manifests.problems import Place, Problem

Kind = Literal["text", "secret", "choice", "hostname", "boolean"]
KINDS = ("text", "secret", "choice", "hostname", "boolean")
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
MOST = 30
LONGEST = 2000  # characters of a value
_FIELDS = ("label", "kind", "help", "default", "required", "generate", "pattern", "choices")
_ALPHABET = string.ascii_letters + string.digits
_LEAST, _LARGEST = 8, 128  # characters made up
_FLAGS = {"true": "true", "false": "false"}


@dataclass(frozen=True, slots=True)
class Input:
    """`generate`: how many random characters stand for it where nothing is given; 0: none do."""

    name: str
    label: str
    kind: Kind = "text"
    help: str = ""
    default: str = ""
    required: bool = False
    generate: int = 0
    pattern: str = ""
    choices: tuple[str, ...] = ()

    @property
    def secret(self) -> bool:
        return self.kind == "secret"

    @property
    def sample(self) -> str:
        """A value to try the blueprint out with; of one with a pattern and no default it need not match."""
        host = f"{self.name.replace('_', '')}.example.com"  # another for each: a route has none twice
        made = {"hostname": host, "boolean": "false", "choice": self.choices[0] if self.choices else ""}
        return self.default or made.get(self.kind, "example")

    def taken(self, given: Any) -> str:
        """What `given`, text or a flag, stands for. Raises Invalid without a path."""
        if isinstance(given, bool):
            given = str(given).lower() if self.kind == "boolean" else ""
        if given is None:
            given = ""
        if not isinstance(given, str):
            raise Invalid("must be true or false." if self.kind == "boolean" else "must be text.")
        value = given if self.secret else given.strip()
        if not value:
            value = self._made() if self.generate else self.default
        if not value:
            if self.required:
                raise Invalid("must be given.")
            return "false" if self.kind == "boolean" else ""
        self._check(value)
        return value

    def _made(self) -> str:
        return "".join(secrets.choice(_ALPHABET) for _ in range(self.generate))

    def _check(self, value: str) -> None:
        if len(value) > LONGEST:
            raise Invalid(f"must be at most {LONGEST} characters.")
        if not all(c.isprintable() for c in value):
            raise Invalid("must be on one line, without control characters.")
        match self.kind:
            case "boolean" if value not in _FLAGS:
                raise Invalid("must be true or false.")
            case "choice" if value not in self.choices:
                raise Invalid(f"must be one of {', '.join(self.choices)}.")
            case "hostname":
                normalise(value)
        if self.kind != "secret" and "${" in value:
            raise Invalid("must not have ${ in it: values of other resources are not reached from here.")
        if self.pattern:
            wanted = compiled(self.pattern)
            if not isinstance(wanted, str) and not wanted.fullmatch(value):
                raise Invalid(f"must match {self.pattern}.")


def answers(inputs: tuple[Input, ...], given: Mapping[str, Any]) -> dict[str, str]:
    """The value of every input. Raises Invalid with everything that is wrong, paths being the inputs' names."""
    known = {one.name for one in inputs}
    wrong = [Detail(shown(name), "is nothing that this blueprint asks.") for name in given if name not in known]
    found: dict[str, str] = {}
    for one in inputs:
        try:
            found[one.name] = one.taken(given.get(one.name))
        except Invalid as error:
            wrong += [Detail(one.name, detail.message) for detail in error.details]
    if wrong:
        raise Invalid(wrong)
    return found


def read_inputs(node: Node | None, problems: list[Problem]) -> tuple[Input, ...]:
    """The inputs beneath `inputs:`; what is wrong goes to `problems`."""
    if node is None or node.empty:
        return ()
    if not isinstance(node.value, dict):
        problems.append(Problem(node.place, "inputs", "must be a mapping: names, beneath them what is asked."))
        return ()
    if len(node.value) > MOST:
        problems.append(Problem(node.place, "inputs", f"must be at most {MOST}."))
        return ()
    return tuple(_input(name, inner, node.keys[name], problems) for name, inner in node.items())


def _input(name: str, node: Node, place: Place, problems: list[Problem]) -> Input:
    path = f"inputs.{shown(name)}"
    before = len(problems)
    if not NAME.fullmatch(name):
        words = "must be called by up to 40 lower-case letters, digits and underscores, a letter first."
        problems.append(Problem(place, path, words))
    if not isinstance(node.value, dict):
        problems.append(Problem(place, path, "must be a mapping with a label, and what else is to be said of it."))
        return Input(name, name)
    problems += [
        Problem(node.keys[key], f"{path}.{shown(key)}", f"is not known here: there are {', '.join(_FIELDS)}.")
        for key in node.value
        if key not in _FIELDS
    ]
    made = _read(name, node, place, path, problems)
    if len(problems) == before:
        problems += [Problem(_at(node, field, place), f"{path}.{field}", said) for field, said in _contradictions(made)]
    return made


def _at(node: Node, field: str, place: Place) -> Place:
    return node.keys.get(field, place)


def _read(name: str, node: Node, place: Place, path: str, problems: list[Problem]) -> Input:
    def word(field: str, longest: int) -> str:
        inner = node.get(field)
        if inner is None or inner.empty:
            return ""
        if inner.text is None or len(inner.text) > longest:
            problems.append(Problem(inner.place, f"{path}.{field}", f"must be text of at most {longest} characters."))
            return ""
        return inner.text

    def wrong(field: str, said: str) -> None:
        problems.append(Problem(_at(node, field, place), f"{path}.{field}", said))

    label, kind, required, generate = word("label", 80), word("kind", 20) or "text", word("required", 5), "0"
    if not label:
        wrong("label", "must be given: what people are asked.")
    if kind not in KINDS:
        wrong("kind", f"must be one of {', '.join(KINDS)}.")
    if required not in ("", "true", "false"):
        wrong("required", "must be true or false.")
    if given := word("generate", 5):
        generate = given
        if not (generate.isascii() and generate.isdigit() and _LEAST <= int(generate) <= _LARGEST):
            wrong("generate", f"must be a number from {_LEAST} to {_LARGEST}: how many characters are made up.")
            generate = "0"
    pattern = word("pattern", 500)
    if pattern and isinstance(found := compiled(pattern), str):
        wrong("pattern", found)
        pattern = ""
    chosen = node.get("choices")
    entries = chosen.entries() if chosen else []
    if chosen and (not entries or len(entries) > 50 or not all(entry.text for entry in entries)):
        wrong("choices", "must be a list of 1 to 50 values.")
        entries = []
    return Input(
        name, label, cast("Kind", kind), word("help", 400), word("default", LONGEST), required == "true",
        int(generate), pattern, tuple(entry.text or "" for entry in entries),
    )  # fmt: skip


def _contradictions(one: Input) -> list[tuple[str, str]]:
    """(field, what is wrong) of an input whose fields are fine each by itself."""
    wrong = []
    if one.kind == "choice" and not one.choices:
        wrong.append(("choices", "must be given: what there is to choose from."))
    if one.kind != "choice" and one.choices:
        wrong.append(("choices", "is for inputs of the kind choice: leave it out, or choose that kind."))
    if one.generate and one.kind not in ("text", "secret"):
        wrong.append(("generate", "is for inputs of the kinds text and secret."))
    if one.generate and one.default:
        wrong.append(("generate", "stands beside a default: leave one of the two out."))
    if one.secret and one.default:
        wrong.append(("default", "must not be given for a secret: it would be everybody's. Use generate."))
    if one.pattern and one.kind not in ("text", "secret"):
        wrong.append(("pattern", "is for inputs of the kinds text and secret."))
    if one.default:
        try:
            one.taken(one.default)
        except Invalid as error:
            wrong.append(("default", error.details[0].message))
    return wrong
