"""One project per stack that this machine can build, from its files to the answer of the app that was built."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from apps.builds.bundle import Manifest
from apps.core.errors import UserError
from tests.builds.conftest import Builder
from tests.builds.test_stages import run

Make = Callable[[dict[str, str]], Path]
_ASK = """
import os, sys, time, urllib.request
for _ in range(600):
    try:
        print("said", urllib.request.urlopen("http://127.0.0.1:%s/" % os.environ["PORT"]).read().decode())
        sys.exit(0)
    except OSError:
        time.sleep(0.1)
sys.exit("no answer")
"""


def needs(*programs: str) -> pytest.MarkDecorator:
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not on this machine: {', '.join(missing)}")


def build(builder: Builder, root: Path, **options: str) -> Manifest:
    builder.seconds = 300
    try:
        return builder.build(root, **options)
    except UserError as error:
        if error.code == "network_timeout" or "registry did not" in error.message:
            pytest.skip("the package registry cannot be reached")
        raise


def answer(manifest: Manifest) -> str:
    """What the app says at / when it is started as the engine would."""
    script = f"export PORT=8765\n({manifest.start}) & python3 -c '{_ASK}'; code=$?; kill $! 2>/dev/null; exit $code"
    return next(line for line in reversed(run(manifest, script)) if line.startswith("said")).removeprefix("said ")


GO = """package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "go "+os.Getenv("EXTRA")) })
	http.ListenAndServe("0.0.0.0:"+os.Getenv("PORT"), nil)
}
"""
RUST = """use std::io::{Read, Write};

fn main() {
    let port = std::env::var("PORT").unwrap();
    let listener = std::net::TcpListener::bind(format!("0.0.0.0:{port}")).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.0 200 OK\\r\\n\\r\\nrust");
    }
}
"""
JAVA = """package com.acme;

import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;

public class Main {
    public static void main(String[] args) throws Exception {
        int port = Integer.parseInt(System.getenv("PORT"));
        HttpServer server = HttpServer.create(new InetSocketAddress("0.0.0.0", port), 0);
        server.createContext("/", exchange -> {
            byte[] text = "java".getBytes();
            exchange.sendResponseHeaders(200, text.length);
            exchange.getResponseBody().write(text);
            exchange.close();
        });
        server.start();
    }
}
"""
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.acme</groupId>
  <artifactId>hello</artifactId>
  <version>1</version>
  <properties>
    <maven.compiler.source>11</maven.compiler.source>
    <maven.compiler.target>11</maven.compiler.target>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
</project>
"""


@needs("go")
def test_go(builder: Builder, project: Make) -> None:
    root = project({"go.mod": "module example.com/hello\n\ngo 1.18\n", "main.go": GO})
    first = build(builder, root)
    assert answer(first) == "go "
    assert (first.deps, first.prefixes) == (None, ())
    assert build(builder, root) == first


@needs("go")
def test_go_workspace_member_with_a_dependency(builder: Builder, project: Make) -> None:
    uses = GO.replace('"fmt"', '"fmt"\n\t"example.com/shared"').replace('"go "', "shared.Name()")
    root = project(
        {
            "go.work": "go 1.18\n\nuse (\n\t./api\n\t./shared\n)\n",
            "api/go.mod": "module example.com/api\n\ngo 1.18\n",
            "api/main.go": uses,
            "shared/go.mod": "module example.com/shared\n\ngo 1.18\n",
            "shared/shared.go": 'package shared\n\nfunc Name() string { return "shared" }\n',
        }
    )
    assert answer(build(builder, root, root_dir="api")) == "shared"


@needs("cargo", "cc")
def test_rust(builder: Builder, project: Make) -> None:
    lock = 'version = 3\n\n[[package]]\nname = "hello"\nversion = "0.1.0"\n'
    manifest = '[package]\nname = "hello"\nversion = "0.1.0"\nedition = "2021"\n'
    built = build(builder, project({"Cargo.toml": manifest, "Cargo.lock": lock, "src/main.rs": RUST}))
    assert answer(built) == "rust"
    assert not (builder.stored(built.app) / "target").exists()


@needs("javac", "mvn")
def test_java_with_maven(builder: Builder, project: Make) -> None:
    built = build(builder, project({"pom.xml": POM, "src/main/java/com/acme/Main.java": JAVA}))
    assert answer(built) == "java"


SERVER = "require('http').createServer((_, r) => r.end(require('ms')(60000))).listen(process.env.PORT)\n"


@needs("node", "npm")
@pytest.mark.parametrize("manager", ["pnpm@9.15.4", "yarn@1.22.22", "yarn@4.5.3", "bun@1.1.42"])
def test_package_managers_are_fetched(builder: Builder, project: Make, manager: str) -> None:
    name, _, version = manager.partition("@")
    package = {"name": "app", "packageManager": manager, "dependencies": {"ms": "2.1.3"}, "main": "index.js"}
    built = build(builder, project({"package.json": json.dumps(package), "index.js": SERVER}))
    assert builder.plan
    assert builder.plan.manager == name
    assert f"Using {name} {version}" in builder.lines
    assert answer(built) == "1m"


@needs("node", "npm")
def test_member_of_an_npm_workspace(builder: Builder, project: Make) -> None:
    api = {"name": "api", "version": "1.0.0", "dependencies": {"words": "1.0.0"}, "scripts": {"start": "node api.js"}}
    words = {"name": "words", "version": "1.0.0", "scripts": {"build": "node make.js"}, "main": "made.js"}
    root = project(
        {
            "package.json": json.dumps({"private": True, "workspaces": ["apps/*", "packages/*"]}),
            "apps/api/package.json": json.dumps(api),
            "apps/api/api.js": SERVER.replace("require('ms')(60000)", "require('words')"),
            "packages/words/package.json": json.dumps(words),
            "packages/words/make.js": "require('fs').writeFileSync('made.js', 'module.exports = \"built\"')\n",
        }
    )
    built = build(builder, root, root_dir="apps/api")
    assert answer(built) == "built"
    assert builder.plan
    assert (builder.plan.root, builder.plan.member) == ("", "apps/api")


@pytest.mark.parametrize("manager", ["poetry", "pipenv", "pdm", "uv"])
def test_python_managers(builder: Builder, project: Make, manager: str) -> None:
    """Each with a lockfile that it wrote itself."""
    root = project(LOCKED[manager] | {"main.py": PYTHON})
    assert answer(build(builder, root)) == "iniconfig"
    assert builder.plan
    assert builder.plan.manager == manager


PYTHON = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

import iniconfig


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(iniconfig.__name__.encode())


HTTPServer(("0.0.0.0", int(os.environ["PORT"])), Answer).serve_forever()
"""
LOCKED: dict[str, dict[str, str]] = {
    "poetry": {}, "pipenv": {}, "pdm": {}, "uv": {},
}  # fmt: skip
