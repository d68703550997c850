"""What every operation passes before it looks anything up: size, token, rate, policy, role."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.http import HttpRequest
from ninja import Router
from ninja.security.http import HttpAuthBase

from apps.accounts import gate, policies, tokens
from apps.accounts.models import ApiToken, Team, User
from apps.accounts.policies import EVERY_POD, pod_urn
from apps.accounts.roles import Role
from apps.api import limit
from apps.api.schemas import ErrorResponse
from apps.core.errors import NotFound, UserError
from apps.pods.models import Pod

LARGEST = 2_000_000  # bytes of a request
ERRORS = frozenset({400, 401, 403, 404, 412, 413, 429, 500, 503})
View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a token of `user` in `team`; holding one proves that the door was passed."""

    token: ApiToken
    user: User
    team: Team
    role: Role
    again: Callable[[], object]
    """Looks once more whether all of that still holds. Raises as the door does."""

    def require(self, action: str, pod: str | None = None) -> None:
        """Raises UserError("policy_denied") with 403. `pod`: a name; None: every pod there may be."""
        resource = EVERY_POD if pod is None else pod_urn(pod)
        policies.require(self.token.policy, action, resource)

    def may(self, action: str, pod: str) -> bool:
        return policies.allows(self.token.policy, action, pod_urn(pod))

    def pod(self, name: str) -> Pod:
        """The team's pod called `name`. Raises NotFound, the same for another team's."""
        found = self.team.pods.select_related("team", "head", "live").filter(name=name).first()
        if found is None:
            raise NotFound("such pod")
        return found


class Request(HttpRequest):
    auth: Caller


class ApiKey(HttpAuthBase):
    """`actions`: what the policy has to allow on the pod of the address; of an operation without one, on some pod
    (`needs_all`: on every pod). `role`: what the person has to be in that pod, or in the team."""

    openapi_scheme = "bearer"

    def __init__(self, *actions: str, role: Role = Role.VIEWER, every_pod: bool = False) -> None:
        super().__init__()
        self.openapi_security_schema["description"] = "A token of a team: docs/tokens.md."  # type: ignore[index]
        self.actions = actions
        self.role = role
        self.every_pod = every_pod

    def __call__(self, request: HttpRequest) -> Caller:
        check_size(request)
        token = tokens.bearer(request)
        if token.team is None:
            raise UserError(
                "token_scope", "This needs a token of a team.", "Make one on your account's page.", status=403
            )
        check_rate(request, token)
        return self._let_in(request, token, token.team)

    def _let_in(self, request: HttpRequest, token: ApiToken, team: Team) -> Caller:
        role = Role(team.role_of(token.user) or Role.VIEWER)

        def again() -> Caller:
            return self._let_in(request, tokens.again(token), team)

        caller = Caller(token, token.user, team, role, again)
        pod = request.resolver_match.kwargs.get("pod") if request.resolver_match else None
        for action in self.actions:
            if pod is not None or self.every_pod:
                caller.require(action, pod)
            elif not policies.conceivable(token.policy, action):
                raise policies.refusal(action, EVERY_POD)
        if pod is None:
            gate.access(token.user, team, self.role)
        else:
            gate.pod_access(token.user, caller.pod(pod), self.role)
        return caller


def check_size(request: HttpRequest) -> None:
    """Raises UserError for what is too large, or has a NUL in its address: no database takes one."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > LARGEST:
        raise UserError("too_large", f"The request is too large: {LARGEST // 1_000_000} MB at most.", status=413)
    if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
        raise UserError("bad_request", "The address has a NUL character in it: take it out.", status=400)


def check_rate(request: HttpRequest, token: ApiToken) -> None:
    """Raises UserError("rate_limited") with 429; the headers are set by apps/api/urls.py."""
    request.allowance = allowance = limit.count(token.pk)  # type: ignore[attr-defined]
    if allowance and allowance.exceeded:
        raise UserError(
            "rate_limited",
            f"More than {allowance.limit} requests in a minute with this token.",
            f"Wait {allowance.reset} seconds.",
            status=429,
        )


def operation(
    router: Router,
    method: str,
    path: str,
    *actions: str,
    answers: dict[int, Any],
    role: Role = Role.VIEWER,
    every_pod: bool = False,
    tags: tuple[str, ...] = (),
    text: str = "",
) -> Callable[[View], View]:
    """Adds the view as an operation called by its name in camel case, described by its docstring.

    `text`: the media type of what is answered with 200, where that is no JSON, or may be none.
    """

    def decorator(view: View) -> View:
        first, *rest = view.__name__.split("_")
        name = first + "".join(part.title() for part in rest)
        needs = f" (requires: {', '.join(f'`{action}`' for action in actions)})" if actions else ""
        adding = router.api_operation(
            [method],
            path,
            auth=ApiKey(*actions, role=role, every_pod=every_pod),
            response={**answers, ERRORS: ErrorResponse},
            operation_id=name,
            url_name=name,
            summary=name,
            description=" ".join((view.__doc__ or "").split()) + needs,
            by_alias=True,
            exclude_unset=True,
            tags=list(tags) or None,
            openapi_extra={"responses": {200: {"content": {text: {"schema": {"type": "string"}}}}}} if text else None,
        )
        return adding(view)  # type: ignore[no-any-return]

    return decorator
