"""The app that Brainpod deploys on its first start: one page that says what serves it."""

import os
import platform

from flask import Flask, jsonify, render_template

app = Flask(__name__)

FACTS = {
    "Pod": os.environ.get("BRAINPOD_POD", "not deployed"),
    "Revision": os.environ.get("BRAINPOD_REVISION", "none"),
    "App": os.environ.get("BRAINPOD_APP", "hello"),
    "Replica": os.environ.get("BRAINPOD_REPLICA", "0"),
    "Python": platform.python_version(),
}


@app.get("/")
def index():
    greeting = os.environ.get("GREETING", "Hello from your first pod")
    return render_template("index.html", greeting=greeting, facts=FACTS)


@app.get("/healthz")
def health():
    return jsonify(status="ok")
