import os
from http.server import BaseHTTPRequestHandler, HTTPServer

import iniconfig


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(iniconfig.__name__.encode())


HTTPServer(("0.0.0.0", int(os.environ["PORT"])), Answer).serve_forever()
