"""A name server on loopback that says what a test has written down."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

MOST_CNAMES = 8


class NameServer:
    """`set("www.example.com", "A", "192.0.2.1")`; `*.example.com` stands for every name beneath without records.

    `silent` names are not answered, `broken` ones with SERVFAIL, `garbled` ones with bytes that are no answer.
    """

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], tuple[str, ...]] = {}
        self.silent: set[str] = set()
        self.broken: set[str] = set()
        self.garbled: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                data, socket = self.request
                answer = outer._answer(data)
                if answer is not None:
                    socket.sendto(answer, self.client_address)

        self._server = socketserver.UDPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def endpoint(self) -> tuple[str, int]:
        address: Any = self._server.server_address
        return str(address[0]), int(address[1])

    def __enter__(self) -> NameServer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def set(self, name: str, kind: str, *values: str) -> None:
        """Exactly these records; none without values."""
        if values:
            self.records[name, kind] = values
        else:
            self.records.pop((name, kind), None)

    def _answer(self, data: bytes) -> bytes | None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if name in self.silent:
            return None
        if name in self.garbled:
            return data[:2] + b"\xff" * 20
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if name in self.broken:
            response.set_rcode(dns.rcode.SERVFAIL)
            return response.to_wire()
        for _ in range(MOST_CNAMES):
            if (values := self._find(name, kind)) or not (aliases := self._find(name, "CNAME")):
                break
            response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", f"{aliases[0]}."))
            name = aliases[0]
        if values:
            texts = [f'"{value}"' for value in values] if kind == "TXT" else values
            response.answer.append(dns.rrset.from_text_list(f"{name}.", 60, "IN", kind, texts))
        elif not self._exists(name):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire()

    def _find(self, name: str, kind: str) -> tuple[str, ...]:
        found = self.records.get((name, kind), ())
        if found or any(own == name for own, _ in self.records):
            return found
        parents = _parents(name)
        return next((self.records[f"*.{p}", kind] for p in parents if (f"*.{p}", kind) in self.records), ())

    def _exists(self, name: str) -> bool:
        names = {own for own, _ in self.records}
        return any(own == name or own.endswith(f".{name}") for own in names) or any(
            f"*.{parent}" in names for parent in _parents(name)
        )


def _parents(name: str) -> Iterable[str]:
    labels = name.split(".")
    return [".".join(labels[n:]) for n in range(1, len(labels))]
