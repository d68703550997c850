"""The cluster's API through python-nomad. Thread-safe; each thread and each process talks over its own connections."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, cast
from urllib.parse import urlsplit

import nomad
import requests
import urllib3
from nomad.api.base import Requester
from nomad.api.exceptions import BaseNomadException, URLNotAuthorizedNomadException, URLNotFoundNomadException

from apps.core.errors import PlatformError, Unavailable
from apps.engines.nomad.cluster import Cluster

ANSWER = 30.0  # seconds an ordinary answer may take
EXISTS = "Enforcing job modify index"  # said of a job that somebody else registered first
AWAY_CODES = (502, 503, 504)
# Said with status 500 while the servers choose a leader, or cannot reach the node that is asked about.
AWAY_WORDS = ("No cluster leader", "No path to", "rpc error: failed to get conn", "connection refused", "EOF")
MOST_WORDS = 400  # characters of an error that are passed on
Body = dict[str, Any]


class Missing(Exception):
    """There is no such job, allocation or file. Never leaves this package."""


class Server:
    """Everything raises Missing, Unavailable, or PlatformError("engine_nomad"); ACLs: PlatformError("nomad_denied")."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._local = threading.local()

    @property
    def secure(self) -> bool:
        return self.cluster.address.startswith("https://")

    @property
    def _api(self) -> nomad.Nomad:
        """This thread's client. The environment's own NOMAD_* and proxies have no say."""
        pid, client = getattr(self._local, "client", (0, None))
        if pid != os.getpid() or client is None:
            cluster = self.cluster
            session = requests.Session()
            session.trust_env = False
            client = nomad.Nomad(
                address=cluster.address.rstrip("/"),
                token=cluster.token or None,
                namespace=cluster.namespace,
                region=cluster.region or None,
                timeout=ANSWER,
                verify=cluster.ca or True,
                cert=(cluster.certificate, cluster.key) if cluster.certificate else (),
                session=session,
            )
            self._local.client = (os.getpid(), client)
        return client

    @contextmanager
    def asking(self) -> Iterator[nomad.Nomad]:
        """The client, its failures told in the platform's words."""
        try:
            yield self._api
        except URLNotFoundNomadException as error:
            raise Missing(_said(error)) from error
        except URLNotAuthorizedNomadException as error:
            hint = "Give BRAINPOD_NOMAD_TOKEN the policy in docs/nomad.md."
            words = f"Nomad does not allow this token to do that: {_said(error)}"
            raise PlatformError("nomad_denied", words, hint) from error
        except BaseNomadException as error:
            raise self._told(error) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise self.away(str(error)) from error

    def away(self, words: str) -> Unavailable:
        hint = "Is an agent of the cluster there? BRAINPOD_NOMAD_ADDR and, with TLS, BRAINPOD_NOMAD_CA say where."
        return Unavailable(
            "engine_unavailable", f"Nomad at {self.cluster.address} does not answer: {words}"[:MOST_WORDS], hint
        )

    def _told(self, error: BaseNomadException) -> PlatformError:
        words = _said(error)
        response = error.nomad_resp
        if not isinstance(response, requests.Response) or response.status_code in AWAY_CODES:
            return self.away(words)
        if any(away in words for away in AWAY_WORDS):
            return self.away(words)
        return PlatformError("engine_nomad", f"Nomad refused: {words}", "The log of Nomad's servers says more.")

    def get(self, where: str, /, **params: Any) -> Any:
        """What `/v1/<where>` says, for what python-nomad has no name or not all parameters."""
        with self.asking():
            return self._send("get", where, params).json()

    def content(self, where: str, /, **params: Any) -> bytes:
        return self._send("get", where, params).content

    def put(self, where: str, body: Mapping[str, Any], **params: Any) -> Any:
        with self.asking():
            return self._send("put", where, params, json=dict(body)).json()

    def _send(self, method: str, where: str, params: dict[str, Any], **given: Any) -> requests.Response:
        with self.asking() as api:
            requester = cast(Requester, api.job)
            scope = {"namespace": self.cluster.namespace} | params
            response: requests.Response = requester._request(
                method, f"v1/{where}", params=scope, timeout=ANSWER, **given
            )
            return response

    def job(self, job: str) -> Body | None:
        """None: there is none, or it was stopped by somebody who left it there."""
        with self.asking() as api:
            try:
                found: Body = api.job.get_job(job)
            except URLNotFoundNomadException:
                return None
        return None if found.get("Stop") else found

    def register(self, body: Body, index: int = 0) -> bool:
        """Whether it was registered; False: somebody did, since `index` (0: it was not there) was read."""
        asked = {"Job": body, "EnforceIndex": True, "JobModifyIndex": index}
        try:
            self.put("jobs", asked)
        except PlatformError as error:
            if EXISTS in error.message:
                return False
            raise
        return True

    def modified(self, job: str) -> int:
        """Its index for `register`, of a stopped one too; 0: there is none."""
        with self.asking() as api:
            try:
                return int(api.job.get_job(job)["JobModifyIndex"])
            except URLNotFoundNomadException:
                return 0

    def halt(self, job: str) -> None:
        """Stop it, for good; its allocations are listed until it is forgotten. It need not be there."""
        self._deregister(job, purge=False)

    def forget(self, job: str) -> None:
        """Stop it, and list nothing of it any more."""
        self._deregister(job, purge=True)

    def _deregister(self, job: str, *, purge: bool) -> None:
        with suppress(Missing):
            self._send("delete", f"job/{job}", {"purge": str(purge).lower(), "no_shutdown_delay": "true"})

    def delete(self, where: str, /, **params: Any) -> None:
        """What is gone already is no error."""
        with suppress(Missing):
            self._send("delete", where, params)

    def jobs(self, prefix: str) -> list[Body]:
        """The jobs of that prefix that were not stopped."""
        return [job for job in self.get("jobs", prefix=prefix) or [] if not job.get("Stop")]

    def allocations(self, *, job: str = "", prefix: str = "") -> list[Body]:
        """Of one job, or of all whose names begin with `prefix`; with their tasks' states and their ports."""
        wanted = f'JobID == "{job}"' if job else f'JobID matches "^{prefix}"'
        found: list[Body] = self.get("allocations", filter=wanted, resources="true", task_states="true") or []
        return found

    def evaluations(self, job: str) -> list[Body]:
        try:
            found: list[Body] = self.get(f"job/{job}/evaluations") or []
        except Missing:
            return []
        return found

    def signal(self, allocation: str, signal: str, task: str) -> None:
        """A task that ended meanwhile is no error."""
        try:
            self.put(f"client/allocation/{allocation}/signal", {"Signal": signal, "Task": task})
        except (Missing, PlatformError) as error:
            if isinstance(error, Unavailable):
                raise

    def host_of(self) -> str:
        return urlsplit(self.cluster.address).hostname or ""


def _said(error: BaseNomadException) -> str:
    response = error.nomad_resp
    text = getattr(response, "text", None)
    return str(text if text else response).strip()[:MOST_WORDS]
