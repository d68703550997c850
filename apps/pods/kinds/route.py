"""Route: a host name, and which app answers beneath which path."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from django.conf import settings
from pydantic import Field as Constraint
from pydantic import StringConstraints, ValidationInfo, field_validator, model_validator

from apps.core.errors import Detail, Invalid
from apps.dns.names import check_free, normalise, shown
from apps.edge.inputs import check_network
from apps.edge.validation import USER
from apps.pods.kinds.base import Field, Kind, Part
from apps.pods.kinds.redirect import Header, Redirect, Text
from apps.pods.kinds.types import Name, Whole, doubles

_PATH = re.compile(r"/([A-Za-z0-9._~-]+/)*")
MOST_DOMAINS = 9
_ACME = "/.well-known/acme-challenge/"


class Rule(Part):
    """Requests beneath `path` go to `app`; with `strip`, without the path. `path` begins and ends with a slash."""

    path: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = "/"
    app: Name
    strip: bool = False

    @field_validator("path")
    @classmethod
    def _path(cls, path: str) -> str:
        path = path if path.endswith("/") else f"{path}/"
        if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
            raise Invalid("must be a path such as /api: a slash, then letters, digits, dots, hyphens and slashes.")
        if path.startswith(_ACME):
            raise Invalid("belongs to the platform, which proves there that it owns the host name.")
        return path


class Spec(Part):
    """`hostname` is assigned by the platform when the route is made; left out on input. `domains`: A-labels.

    `password` is the platform's too: the version in the secret store, 0 for none.
    """

    hostname: str = ""
    domains: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    timeout: Annotated[Whole, Constraint(ge=1, le=300)] = 60
    bodyLimit: Annotated[Whole, Constraint(ge=1, le=1024)] = 100
    enabled: bool = True
    maintenance: bool = False
    cache: bool = False
    httpsOnly: bool = False
    hsts: Annotated[Whole, Constraint(ge=0, le=730)] = 0  # days
    www: Literal["", "remove", "add"] = ""
    redirects: Annotated[tuple[Redirect, ...], Constraint(max_length=100)] = ()
    passwordUser: Annotated[str, StringConstraints(strip_whitespace=True, max_length=64)] = "guest"
    password: Annotated[Whole, Constraint(ge=0)] = 0
    allowFrom: Annotated[tuple[Text, ...], Constraint(max_length=200)] = ()
    headers: Annotated[tuple[Header, ...], Constraint(max_length=30)] = ()
    gzip: Literal["files", "all", "off"] = "files"

    @field_validator("passwordUser")
    @classmethod
    def _user(cls, user: str) -> str:
        if not USER.fullmatch(user):
            raise Invalid("must be 1 to 64 letters, digits and . _ @ -: what is entered with the password.")
        return user

    @field_validator("allowFrom")
    @classmethod
    def _networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [Detail(str(n), problem) for n, one in enumerate(networks) if (problem := check_network(one.lower()))]
        if wrong:
            raise Invalid(wrong)
        return tuple(dict.fromkeys(one.lower() for one in networks))

    @field_validator("rules")
    @classmethod
    def _longest_first(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        wrong = doubles((rule.path for rule in rules), "{}.path", "{} has two rules: remove one of them.")
        if len(rules) > 20:
            wrong.append(Detail("", "must be at most 20 rules: make another route for more."))
        if wrong:
            raise Invalid(wrong)
        return tuple(sorted(rules, key=lambda rule: (-len(rule.path), rule.path)))

    @field_validator("domains")
    @classmethod
    def _domains(cls, domains: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        return _normal(domains) if info.context and info.context.get("check") else domains

    @model_validator(mode="after")
    def _some(self) -> Spec:
        wrong = doubles((one.source for one in self.redirects), "redirects.{}.source", "{} is sent to two places.")
        wrong += doubles((one.name.lower() for one in self.headers), "headers.{}.name", "{} is set twice.")
        if not self.rules:
            wrong.append(Detail("rules", "must have at least one rule: a path, and the app that answers there."))
        if wrong:
            raise Invalid(wrong)
        return self


def _normal(domains: tuple[str, ...]) -> tuple[str, ...]:
    names, wrong = [], []
    for index, domain in enumerate(domains[: MOST_DOMAINS + 1]):
        try:
            names.append(normalise(domain))
            check_free(names[-1], (settings.BRAINPOD.domain, settings.BRAINPOD.dashboard_host))
        except Invalid as error:
            wrong += [Detail(str(index), detail.message) for detail in error.details]
    if len(domains) > MOST_DOMAINS:
        wrong.append(Detail("", f"must be at most {MOST_DOMAINS}: make another route for more."))
    wrong += [Detail("", f"has {shown(name)} twice: remove one of them.") for name in names if names.count(name) > 1][
        :1
    ]
    if wrong:
        raise Invalid(wrong)
    return tuple(names)


_GZIP = (("files", "Files of static apps"), ("all", "Files, and what apps answer"), ("off", "Nothing"))
_WWW = (
    ("", "As they are"),
    ("remove", "Without www: www.example.com goes to example.com"),
    ("add", "With www: example.com goes to www.example.com"),
)

FORM = (
    Field("hostname", "Host name", section="Route", read_only=True, hint="Assigned when the route is made."),
    Field(
        "domains", "Custom domains", "domains", section="Route", placeholder="www.example.com",
        hint="One a line, at most 9. Each has to be proven before it answers: the route's page says how.",
    ),
    Field(
        "rules", "Rules", "rules", section="Route",
        hint="The longest path that fits wins. Strip takes the path away before the app sees it.",
    ),
    Field("httpsOnly", "Only https", "checkbox", section="Redirects", hint="What comes by http is sent to https."),
    Field(
        "hsts", "Browsers stay with https for", "number", section="Redirects", unit="days", minimum=0, maximum=730,
        advanced=True, hint="HSTS: for so long they refuse this host by http, whatever is set here later. 0: not said.",
    ),
    Field("www", "Hosts with and without www", "select", section="Redirects", options=_WWW, advanced=True),
    Field(
        "redirects", "Redirects", "redirects", section="Redirects", advanced=True,
        hint="From /old, /old/* or /blog/:year, or from one of the route's hosts; to a path or an address, where :splat"
        " is what the star stood for. The first that fits counts, before any app is asked.",
    ),
    Field(
        "password", "Password", "password", section="Access",
        hint="Visitors are asked for it, and for the user name. Kept in the secret store, never shown again.",
    ),
    Field("passwordUser", "User name", section="Access", hint="What is entered with the password."),
    Field(
        "allowFrom", "Only from", "lines", section="Access", advanced=True, placeholder="203.0.113.0/24",
        hint="Addresses or networks, one a line: everybody else gets 403. Empty: from everywhere.",
    ),
    Field("enabled", "Enabled", "checkbox", section="Answers", hint="Off: visitors get 403."),
    Field("maintenance", "Maintenance page", "checkbox", section="Answers", hint="On: visitors get a page saying so."),
    Field(
        "cache", "Keep answers at the edge", "checkbox", section="Answers",
        hint="As long as the app's Cache-Control allows, never past the next deployment. They are buffered then.",
    ),
    Field(
        "timeout", "Time limit of a request", "number", section="Limits", unit="s", minimum=1, maximum=300,
    ),
    Field("bodyLimit", "Largest request body", "number", section="Limits", unit="MB", minimum=1, maximum=1024),
    Field("gzip", "Compress", "select", section="Answers", options=_GZIP, advanced=True),
    Field(
        "headers", "Headers", "pairs", section="Answers", advanced=True,
        hint="Of every answer, in place of the app's own of that name.",
    ),
)  # fmt: skip

ROUTE = Kind(
    name="Route",
    plural="Routes",
    icon="route",
    about="A host name that leads to your apps, by path.",
    Spec=Spec,
    form=FORM,
    references=lambda spec: {rule.app for rule in spec.rules},
)
