"""A web app of the standard library alone: echoes websocket frames at /echo, streams events at /events.

It sends its second event when somebody has asked for /go, so nothing but what the client saw decides the order.
"""

import base64
import hashlib
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
go = threading.Event()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/echo" and self.headers.get("Upgrade", "").lower() == "websocket":
            self.upgrade()
        elif self.path == "/events":
            self.events()
        else:
            self.plain()

    def plain(self):
        if self.path == "/go":
            go.set()
        body = b"ok"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def events(self):
        go.clear()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"data: first\n\n")
        go.wait(120)
        self.wfile.write(b"data: second\n\n")
        self.close_connection = True

    def upgrade(self):
        key = self.headers["Sec-WebSocket-Key"].encode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key + GUID).digest()).decode())
        self.end_headers()
        while (frame := self.frame()) is not None:
            kind, payload = frame
            self.wfile.write(bytes([0x80 | kind, len(payload)]) + payload)
            if kind == 8:
                break
        self.close_connection = True

    def frame(self):
        """(opcode, payload) of a masked frame of at most 125 bytes; None at the end."""
        head = self.rfile.read(2)
        if len(head) < 2:
            return None
        mask, data = self.rfile.read(4), self.rfile.read(head[1] & 0x7F)
        return head[0] & 0x0F, bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))


ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
