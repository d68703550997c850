"""A real DNS server for a zone that takes signed updates, by dnspython; names it does not know lead to 127.0.0.1."""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.tsigkeyring
import dns.update


class DnsServer:
    """`texts`: the TXT records of each name. `updates`: how many were taken."""

    def __init__(self, zone: str, key_name: str, secret: str) -> None:
        self.zone = dns.name.from_text(zone)
        self.texts: dict[str, set[str]] = {}
        self.updates = 0
        self.port = 0
        self._keys = dns.tsigkeyring.from_text({key_name: secret})
        self._lock = threading.Lock()

    def answer(self, wire: bytes) -> bytes:
        try:
            asked = dns.message.from_wire(wire, keyring=self._keys)
        except (dns.tsig.BadSignature, dns.message.UnknownTSIGKey):
            return self._refusal(wire)
        if isinstance(asked, dns.update.UpdateMessage):
            return self._update(asked)
        return self._query(asked)

    def _refusal(self, wire: bytes) -> bytes:
        return wire[:2] + struct.pack("!H", 0xA800 | dns.rcode.REFUSED) + bytes(8)

    def _update(self, asked: dns.update.UpdateMessage) -> bytes:
        answer = dns.message.make_response(asked)
        if not asked.had_tsig or asked.zone[0].name != self.zone:
            answer.set_rcode(dns.rcode.REFUSED)
            return answer.to_wire()
        with self._lock:
            self.updates += 1
            for record in asked.update:
                kept = self.texts.setdefault(record.name.to_text().lower(), set())
                values = {b"".join(one.strings).decode() for one in record}
                kept.difference_update(values) if record.deleting else kept.update(values)
        return answer.to_wire()

    def _query(self, asked: dns.message.Message) -> bytes:
        answer = dns.message.make_response(asked)
        answer.flags |= dns.flags.AA | dns.flags.RA
        name, kind = asked.question[0].name, asked.question[0].rdtype
        if kind == dns.rdatatype.A:
            answer.answer.append(dns.rrset.from_text(name, 1, "IN", "A", "127.0.0.1"))
        if kind == dns.rdatatype.TXT:
            with self._lock:
                texts = [f'"{text}"' for text in sorted(self.texts.get(name.to_text().lower(), ()))]
            if texts:
                answer.answer.append(dns.rrset.from_text(name, 1, "IN", "TXT", *texts))
        return answer.to_wire()

    @contextmanager
    def serving(self) -> Iterator[DnsServer]:
        outer = self

        class Udp(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                wire, answering = self.request
                answering.sendto(outer.answer(wire), self.client_address)

        class Tcp(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                length = self.rfile.read(2)
                if len(length) == 2:
                    answer = outer.answer(self.rfile.read(struct.unpack("!H", length)[0]))
                    self.wfile.write(struct.pack("!H", len(answer)) + answer)

        tcp, udp = self._bound(Tcp, Udp)
        with tcp, udp:
            self.port = tcp.server_address[1]
            threads = [threading.Thread(target=one.serve_forever, args=(0.05,), daemon=True) for one in (tcp, udp)]
            for thread in threads:
                thread.start()
            yield self
            for one in (tcp, udp):
                one.shutdown()
            for thread in threads:
                thread.join()

    @staticmethod
    def _bound(
        tcp: type[socketserver.BaseRequestHandler], udp: type[socketserver.BaseRequestHandler]
    ) -> tuple[socketserver.ThreadingTCPServer, socketserver.ThreadingUDPServer]:
        """Both on one port: what is free for the one may not be for the other."""
        for _ in range(50):
            first = socketserver.ThreadingTCPServer(("127.0.0.1", 0), tcp)
            first.daemon_threads = True
            try:
                return first, socketserver.ThreadingUDPServer(first.server_address, udp)
            except OSError:
                first.server_close()
        raise OSError("no port is free for both")
