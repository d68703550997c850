"""The secret store over the Vault API: the embedded OpenBao or any Vault outside."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import hvac
import requests
from hvac import exceptions
from requests.adapters import HTTPAdapter

from apps.core.errors import PlatformError, Unavailable, UserError
from apps.secretstore import policies

Result = TypeVar("Result")
_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}"
_POD = r"[a-z0-9-]{1,64}"
_PATH = re.compile(rf"(pods|teams|platform)/({_POD})((?:/{_SEGMENT}){{1,4}})")


class Vault:
    """`address` and the platform's AppRole; KV v2 at `mount`. Used from several threads at once.

    `timeout` in seconds for each request. Every failure to get an answer is Unavailable("secretstore_unavailable").
    """

    def __init__(
        self, address: str, role_id: str, secret_id: str, mount: str = policies.MOUNT, *, timeout: float = 10.0
    ) -> None:
        self._mount = mount
        self._identity = (role_id, secret_id)
        self._session = requests.Session()
        # The store is on this host or named by the operator: no proxy of the environment stands between.
        self._session.trust_env = not address.startswith("http://127.")
        self._session.mount(address, HTTPAdapter(pool_connections=1, pool_maxsize=16))
        self._address, self._timeout = address, timeout
        self._own = self._client()
        self._login = threading.Lock()

    def write(self, path: str, values: Mapping[str, str]) -> int:
        _checked(path)
        answer = self._call(
            lambda client: client.secrets.kv.v2.create_or_update_secret(path, dict(values), mount_point=self._mount)
        )
        return int(answer["data"]["version"])

    def read(self, path: str, version: int, *, token: str = "") -> dict[str, str]:
        _checked(path)

        def fetch(client: hvac.Client) -> Any:
            return client.secrets.kv.v2.read_secret_version(
                path, version=version, mount_point=self._mount, raise_on_deleted_version=True
            )

        try:
            answer = self._ask(lambda: fetch(self._client(token))) if token else self._call(fetch)
        except exceptions.InvalidPath:
            raise PlatformError(
                "secret_missing", f"Version {version} of {path} is not in the secret store.", "Enter the value again."
            ) from None
        except exceptions.Forbidden:
            raise PlatformError(
                "secret_denied", f"{path} cannot be read with this token.", "It has expired or belongs to another pod."
            ) from None
        return {str(name): str(value) for name, value in answer["data"]["data"].items()}

    def delete(self, path: str) -> None:
        owner, pod = _checked(path)
        self._call(lambda client: client.secrets.kv.v2.delete_metadata_and_all_versions(path, mount_point=self._mount))
        if owner != "pods":
            return
        try:
            self._call(lambda client: client.secrets.kv.v2.list_secrets(f"pods/{pod}", mount_point=self._mount))
        except exceptions.InvalidPath:  # that was the pod's last one
            self._call(lambda client: client.sys.delete_acl_policy(policies.POD_POLICY + pod))

    def clear(self, pod: str) -> None:
        if not re.fullmatch(_POD, pod):
            raise ValueError(f"not a path of the secret store: pods/{pod!r}")
        for path in list(self._paths(f"pods/{pod}/")):
            self.delete(path)

    def destroy(self, path: str, version: int) -> None:
        _checked(path)
        self._call(
            lambda client: client.secrets.kv.v2.destroy_secret_versions(path, [version], mount_point=self._mount)
        )

    def everything(self) -> Iterator[tuple[str, dict[int, dict[str, str]]]]:
        for path in self._paths(""):
            about = self._call(functools.partial(self._about, path))
            there = [
                int(number)
                for number, version in about["data"]["versions"].items()
                if not version["destroyed"] and not version["deletion_time"]
            ]
            yield path, {number: self.read(path, number) for number in sorted(there)}

    def put_back(self, path: str, versions: Mapping[int, Mapping[str, str]]) -> None:
        self.delete(path)
        for number in range(1, max(versions, default=0) + 1):
            self.write(path, versions.get(number, {}))
        if missing := [number for number in range(1, max(versions, default=0)) if number not in versions]:
            self._call(
                lambda client: client.secrets.kv.v2.destroy_secret_versions(path, missing, mount_point=self._mount)
            )
        there = self._call(functools.partial(self._about, path))["data"]["versions"] if versions else {}
        if lost := [number for number in versions if str(number) not in there]:
            raise UserError(
                "secret_versions_few",
                f"The secret store keeps {len(there)} versions of a path, and {path} has {len(versions)}: "
                f"version {min(lost)} would be lost.",
                f"Let it keep more: vault write {self._mount}/config max_versions={policies.MAX_VERSIONS}",
            )

    def _about(self, path: str, client: hvac.Client) -> Any:
        return client.secrets.kv.v2.read_secret_metadata(path, mount_point=self._mount)

    def _paths(self, beneath: str) -> Iterator[str]:
        try:
            answer = self._call(lambda client: client.secrets.kv.v2.list_secrets(beneath, mount_point=self._mount))
        except exceptions.InvalidPath:  # nothing is there
            return
        for name in answer["data"]["keys"]:
            if name.endswith("/"):
                yield from self._paths(beneath + name)
            else:
                yield beneath + name

    def token_for(self, pod: str, ttl: int = policies.MAX_TTL) -> str:
        if not re.fullmatch(_POD, pod):
            raise ValueError(f"not a path of the secret store: pods/{pod!r}")
        name, rules = policies.POD_POLICY + pod, policies.pod_policy(pod, self._mount)
        self._call(lambda client: self._ensure_policy(client, name, rules))
        answer = self._call(
            lambda client: client.auth.token.create(
                policies=[name], role_name=policies.POD_ROLE, ttl=f"{max(1, min(ttl, policies.MAX_TTL))}s"
            )
        )
        return str(answer["auth"]["client_token"])

    def revoke(self, token: str) -> None:
        """Make `token` worthless now; one that has expired already is no error."""
        try:
            self._ask(lambda: self._client(token).auth.token.revoke_self())
        except (exceptions.Forbidden, exceptions.InvalidRequest):
            return

    def check(self) -> str:
        answer = self._ask(lambda: self._own.sys.read_health_status(method="GET"))
        health = answer if isinstance(answer, dict) else answer.json()
        if health.get("sealed") or not health.get("initialized"):
            raise _unavailable("it is sealed" if health.get("sealed") else "it is not initialised")
        return str(health["version"])

    @staticmethod
    def _ensure_policy(client: hvac.Client, name: str, rules: str) -> None:
        try:
            current = client.sys.read_acl_policy(name)["data"]["policy"]
        except exceptions.InvalidPath:
            current = None
        if current != rules:
            client.sys.create_or_update_acl_policy(name, rules)

    def _client(self, token: str = "") -> hvac.Client:
        client = hvac.Client(self._address, token=token or None, timeout=self._timeout, session=self._session)
        if not token:
            client.token = None  # hvac would take one from the environment or the user's home
        return client

    def _call(self, ask: Callable[[hvac.Client], Result]) -> Result:
        """`ask` as the platform, signing in first or again when the token is none or no longer good."""
        used = self._own.token
        if used:
            try:
                return self._ask(lambda: ask(self._own))
            except exceptions.Forbidden:
                pass
        with self._login:
            if self._own.token == used:
                self._sign_in()
        return self._ask(lambda: ask(self._own))

    def _sign_in(self) -> None:
        try:
            # use_token=False: the token is put in place only when the answer is complete.
            answer = self._ask(
                lambda: self._client().auth.approle.login(*self._identity, use_token=False),
            )
        except (exceptions.InvalidRequest, exceptions.Forbidden, exceptions.InvalidPath) as error:
            raise Unavailable(
                "secretstore_refused",
                "The secret store does not know the platform.",
                "Check BRAINPOD_VAULT_ROLE_ID and BRAINPOD_VAULT_SECRET_ID.",
            ) from error
        self._own.token = answer["auth"]["client_token"]

    def _ask(self, request: Callable[[], Result]) -> Result:
        try:
            return request()
        except (exceptions.InvalidPath, exceptions.Forbidden, exceptions.InvalidRequest):
            raise
        except exceptions.VaultDown as error:
            raise _unavailable("it is sealed") from error
        except (exceptions.VaultError, requests.RequestException) as error:
            raise _unavailable("it does not answer") from error


def _unavailable(why: str) -> Unavailable:
    return Unavailable(
        "secretstore_unavailable",
        f"The secret store cannot be used now: {why}.",
        "What runs stays up; deployments wait. An operator finds the reason in log/openbao.log or in the Vault.",
    )


def _checked(path: str) -> tuple[str, str]:
    """Whose `path` is (pods, teams, platform), and its id; one of another shape is a mistake in the program."""
    found = _PATH.fullmatch(path)
    if not found or ".." in path:
        raise ValueError(f"not a path of the secret store: {path!r}")
    return found.group(1), found.group(2)
