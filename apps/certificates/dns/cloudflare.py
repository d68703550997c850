"""Records of a zone at Cloudflare, through its API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.core import cloudflare
from apps.core.errors import UserError

HINT = "An operator checks the zone, and that its token may read zones and edit DNS."


@dataclass(frozen=True, slots=True)
class Cloudflare:
    """`url`: of the API, without a slash at the end."""

    url: str
    zone: str
    token: str

    def present(self, record: str, value: str) -> None:
        """Raises UserError("acme_dns_provider")."""
        found = self._ask("GET", self._records(), params={"type": "TXT", "name": record})
        if any(one["content"].strip('"') == value for one in found):
            return
        self._ask("POST", self._records(), json={"type": "TXT", "name": record, "content": f'"{value}"', "ttl": 60})

    def remove(self, record: str, value: str) -> None:
        """Raises UserError("acme_dns_provider")."""
        records = self._records()
        for one in self._ask("GET", records, params={"type": "TXT", "name": record}):
            if one["content"].strip('"') == value:
                self._ask("DELETE", f"{records}/{one['id']}")

    def _records(self) -> str:
        zones = self._ask("GET", "/zones", params={"name": self.zone})
        if not zones:
            raise _refused(self.zone, "there is no such zone for this token")
        return f"/zones/{zones[0]['id']}/dns_records"

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        try:
            return cloudflare.Api(self.url, self.token).ask(method, path, **more)
        except cloudflare.Declined as error:
            raise _refused(self.zone, str(error)) from None


def _refused(zone: str, why: str) -> UserError:
    return UserError("acme_dns_provider", f"Cloudflare did not take the record of {zone}: {why}.", HINT)
