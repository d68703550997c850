"""infrastructure.yml: which services there are, in the words of the file. It is read and checked here; what becomes of
it is apps/infrastructure/declaring.py."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from django.conf import settings
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from apps.core.errors import Detail, Invalid

VARIABLE = re.compile(r"\$\{([^}]*)\}?")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LARGEST = 100_000  # bytes
TAKEN = ("bridge", "host", "none", "default", "ingress", "docker_gwbridge")
NETWORK = r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$"
Port = Field(default=0, ge=1, le=65535)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _left_out(cls, given: Any) -> Any:
        """A known field without a value is as good as none."""
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in given.items() if value is not None or name not in cls.model_fields}


class Database(_Part):
    """`host` without `container`: it is external."""

    enabled: bool = False
    type: Literal["mysql", "mariadb", "postgresql"] = "mysql"
    container: str = Field(default="", pattern=f"{NETWORK}|^$")
    host: str = ""
    port: int = Port
    root_user: str = ""
    root_password: str = Field(default="", repr=False)

    @property
    def external(self) -> bool:
        return bool(self.host and not self.container)

    @property
    def user(self) -> str:
        return self.root_user

    @property
    def password(self) -> str:
        return self.root_password


class Redis(_Part):
    enabled: bool = False
    type: Literal["redis", "valkey"] = "redis"
    container: str = Field(default="", pattern=f"{NETWORK}|^$")
    host: str = ""
    port: int = Port
    user: str = ""
    password: str = Field(default="", repr=False)

    @property
    def external(self) -> bool:
        return bool(self.host and not self.container)


class Infrastructure(_Part):
    default_proxy_network: str = Field(default="proxy", pattern=NETWORK)
    default_database_network: str = Field(default="database", pattern=NETWORK)
    database: Database | None = None
    redis: Redis | None = None

    @property
    def parts(self) -> dict[str, Database | Redis]:
        """By the name of the service."""
        found = {"database": self.database, "redis": self.redis}
        return {name: part for name, part in found.items() if part is not None}


def path() -> Path | None:
    """The file that counts; None where there is none and none was asked for."""
    config = settings.BRAINPOD
    if config.infrastructure:
        return Path(config.infrastructure)
    usual = Path(config.state) / "infrastructure.yml"
    return usual if usual.exists() else None


def current() -> Infrastructure:
    """What the file declares; nothing without one. Raises Invalid naming fields and lines."""
    found = path()
    if found is None:
        return Infrastructure()
    try:
        text = found.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise Invalid([Detail("infrastructure.yml", f"{found} cannot be read as text.")]) from None
    return read(text)


def read(text: str, environ: Mapping[str, str] = os.environ) -> Infrastructure:
    """Raises Invalid naming fields and lines; never with a value that came from a variable."""
    if len(text.encode()) > LARGEST:
        raise Invalid([Detail("infrastructure.yml", f"must have at most {LARGEST} bytes.")])
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        words = getattr(error, "problem", None) or "it cannot be read"
        raise Invalid([Detail("infrastructure.yml", f"{where}no YAML: {words}.")]) from None
    reading = _Reading(environ)
    raw = reading.mapping(root, "", 3) if root is not None else {}
    for key in raw.keys() - {"infrastructure"}:
        reading.wrong(key, "is no known field: everything is beneath infrastructure.")
    inner = raw.get("infrastructure") or {}
    found = None
    if isinstance(inner, str):
        reading.wrong("infrastructure", "must have fields beneath it.")
        inner = {}
    try:
        found = Infrastructure.model_validate(inner)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False):
            reading.wrong(".".join(["infrastructure", *map(str, one["loc"])]), _words(one))
    if found is not None:
        _consistent(found, reading)
    if reading.details or found is None:
        raise Invalid(reading.details)
    return found


def _words(error: Any) -> str:
    known = {
        "extra_forbidden": "is no known field.",
        "bool_parsing": "must be true or false.",
        "int_parsing": "must be a whole number.",
        "string_pattern_mismatch": "must be letters, digits, _ . and - only.",
        "model_type": "must have fields beneath it.",
        "string_type": "must be text.",
    }
    if error["type"] in known:
        return known[error["type"]]
    text = str(error["msg"])
    return f"{text[0].lower()}{text[1:]}."


def _consistent(found: Infrastructure, reading: _Reading) -> None:
    _networks(found, reading)
    for name, part in found.parts.items():
        at = f"infrastructure.{name}"
        if part.host and part.container:
            reading.wrong(f"{at}.host", "must be left out beside container, which Brainpod runs itself.")
        usual = {"mysql": 3306, "mariadb": 3306, "postgresql": 5432, "redis": 6379, "valkey": 6379}[part.type]
        if not part.external and part.port not in (0, usual):
            words = f"must be {usual}, or left out: a managed service is reached by name at its usual port."
            reading.wrong(f"{at}.port", words)


def _networks(found: Infrastructure, reading: _Reading) -> None:
    for field in ("default_proxy_network", "default_database_network"):
        name = getattr(found, field)
        if name in TAKEN or name.startswith("brainpod-"):
            reading.wrong(f"infrastructure.{field}", f"{name} is Docker's own or a pod's: choose another name.")
    if found.default_proxy_network == found.default_database_network:
        words = "must be another network than default_proxy_network: proxies do not belong among databases."
        reading.wrong("infrastructure.default_database_network", words)


class _Reading:
    """A YAML document as mappings of texts: no value is taken for a number or a truth before its field is known."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._lines: dict[str, int] = {}
        self.details: list[Detail] = []

    def wrong(self, at: str, words: str) -> None:
        line = self._lines.get(at)
        self.details.append(Detail(at, f"{words.rstrip('.')} (line {line})." if line else words))

    def mapping(self, node: yaml.Node, at: str, depth: int) -> dict[str, Any]:
        if not isinstance(node, yaml.MappingNode):
            self._lines[at or "infrastructure"] = node.start_mark.line + 1
            self.wrong(at or "infrastructure", "must have fields beneath it.")
            return {}
        made: dict[str, Any] = {}
        seen: set[str] = set()
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            inner = f"{at}.{name}" if at else name
            self._lines[inner] = key.start_mark.line + 1
            if name in seen:
                self.wrong(inner, "stands there twice.")
            seen.add(name)
            made[name] = self._value(value, inner, depth - 1) or None
        return made

    def _value(self, node: yaml.Node, at: str, depth: int) -> Any:
        if isinstance(node, yaml.ScalarNode):
            empty = node.style is None and node.value in ("", "~", "null")
            return "" if empty else self._filled(node.value, at)
        if depth > 0 and isinstance(node, yaml.MappingNode):
            return self.mapping(node, at, depth)
        self.wrong(at, "must be one value.")
        return ""

    def _filled(self, text: str, at: str) -> str:
        def value(found: re.Match[str]) -> str:
            name = found.group(1)
            if not found.group().endswith("}") or not NAME.fullmatch(name):
                self.wrong(at, "has ${ without a variable's name and } after it.")
            elif name not in self._environ:
                self.wrong(at, f"needs the environment variable {name}, which is not set.")
            else:
                return self._environ[name]
            return ""

        return VARIABLE.sub(value, text)
