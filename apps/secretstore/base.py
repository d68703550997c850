"""Where secret values are: versioned, by path, readable with a short-lived token of one pod."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol


class SecretStore(Protocol):
    """Paths are `pods/<pod id>/<name>`, `teams/<team id>/<name>` and `platform/<part>/<name>`.

    All raise Unavailable when the store does not answer or is sealed.
    """

    def write(self, path: str, values: Mapping[str, str]) -> int:
        """Keep `values` as the next version of `path`; the version's number. Earlier versions stay."""
        ...

    def read(self, path: str, version: int, *, token: str = "") -> dict[str, str]:
        """The values of one version; with the platform's own identity, or with `token` alone if given.

        Raises PlatformError("secret_missing") for a version that is not there, PlatformError("secret_denied") where
        the token does not reach.
        """
        ...

    def delete(self, path: str) -> None:
        """Forget `path` and every version of it; what is not there is no error."""
        ...

    def clear(self, pod: str) -> None:
        """Forget every path beneath `pods/<pod>/`; nothing there is no error."""
        ...

    def destroy(self, path: str, version: int) -> None:
        """Forget the values of one version; what is not there is no error."""
        ...

    def token_for(self, pod: str, ttl: int = 600) -> str:
        """A token that reads `pods/<pod>/*` and nothing else for `ttl` seconds (600 at most); not renewable."""
        ...

    def revoke(self, token: str) -> None: ...

    def everything(self) -> Iterator[tuple[str, dict[int, dict[str, str]]]]:
        """Every path with the values of each of its versions that are there."""
        ...

    def put_back(self, path: str, versions: Mapping[int, Mapping[str, str]]) -> None:
        """Have `path` as `everything` gave it, under the same versions; what was there is forgotten.

        Raises UserError("secret_versions_few") where the store does not keep as many.
        """
        ...

    def check(self) -> str:
        """The version of the store, when it is unsealed and answers."""
        ...
