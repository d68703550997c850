"""The app of these tests, in a repository that the platform hosts: it logs what it is asked to, and builds slowly."""

from __future__ import annotations

from pathlib import Path

from apps.sources.hosted import Hosted

TEAM = "home"
PROCFILE = "web: python -u app.py\n"
BUILD = """\
import sys, time
for n in range(1, {lines} + 1):
    print(f"\\x1b[32mbuild\\x1b[0m line {{n}}", flush=True)
    time.sleep({pause})
for percent in (10, 55, 100):
    sys.stdout.write(f"\\rpacking {{percent}} %")
    sys.stdout.flush()
print(flush=True)
sys.exit({ends})
"""
APP = '''\
"""/ greets; /lines?count=&pause= logs that many numbered lines, each with the moment it was written."""
import http.server, os, threading, time, urllib.parse

HEALTH = {health}

def lines(count, pause):
    for n in range(1, count + 1):
        print(f"line {{n}} of {{count}} written {{time.time() * 1000:.1f}}", flush=pause > 0)
        time.sleep(pause)
    print(f"that was {{count}}", flush=True)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(asked.query))
        if asked.path == "/lines":
            threading.Thread(target=lines, args=(int(query["count"]), float(query["pause"])), daemon=True).start()
        body = ("<h1>" + os.environ.get("GREETING", "hello") + "</h1>").encode()
        self.send_response(HEALTH)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

print("\\x1b[1;31mbold red\\x1b[0m and plain", flush=True)
print("it serves " + os.environ["PORT"], flush=True)
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
'''


class Repository:
    def __init__(self, root: Path, name: str, work: Path) -> None:
        self._hosted = Hosted(root)
        self._name = name
        self._work = work
        self.url = f"brainpod:{TEAM}/{name}"

    def commit(self, message: str, *, lines: int = 5, pause: float = 0.05, ends: int = 0, health: int = 200) -> str:
        """The next commit: its build says `lines` lines and exits with `ends`, its app answers with `health`."""
        (self._work / "Procfile").write_text(PROCFILE)
        (self._work / "requirements.txt").write_text("")
        (self._work / "build.py").write_text(BUILD.format(lines=lines, pause=pause, ends=ends))
        (self._work / "app.py").write_text(APP.format(health=health))
        return self._hosted.commit_tree(TEAM, self._name, self._work, message)
