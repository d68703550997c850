"""`stacks`: cold and warm builds of one project a stack, against the same commands by hand in the same run.

Cold: nothing cached, packages out of the registry. Warm: only the source changed. What is compared is the time from the
start of the clone to the end of the push with the time that cloning and the commands take in a shell.

The commands run by hand once before anything is measured, and cold builds take turns: whoever is first reads the
toolchain from the disk, which took longer than a small program takes to compile.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from apps.builds.models import BuildRun
from apps.deployments.models import Deployment
from bench.by_hand import UV
from bench.ground import SMALL, Ground
from bench.row import Row

TARGET_COLD, TARGET_WARM = 1.6, 2.5
TURNS = 3  # cold builds of each
COMPILING = 900.0  # seconds that a language's own library may take a busy machine


@dataclass(frozen=True)
class Stack:
    """`commands` are argument lists, run with caches in `$CACHE`; `source` is the file that changes, with {word}."""

    name: str
    program: str
    files: Mapping[str, str]
    source: tuple[str, str]
    commands: tuple[tuple[str, ...], ...]
    again: tuple[tuple[str, ...], ...]
    keep: tuple[str, ...] = ()


SERVE_JS = 'require("http").createServer((_, r) => r.end("{word}")).listen(process.env.PORT);\n'
PYTHON = f"# {{word}}\n{SMALL}"
PACKAGES = {"requirements.txt": "flask==3.1.2\nrequests==2.32.5\n", "Procfile": "web: python main.py\n"}
GO = """package main

import (
	"net/http"
	"os"
)

func main() {
	http.ListenAndServe(":"+os.Getenv("PORT"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("{word}"))
	}))
}
"""
CARGO = """[package]
name = "web"
version = "0.1.0"
edition = "2021"

[dependencies]
itoa = "1.0.15"
"""
CARGO_LOCK = """version = 3

[[package]]
name = "itoa"
version = "1.0.18"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "8f42a60cbdf9a97f5d2305f08a87dc4e09308d1276d28c869c684d7777685682"

[[package]]
name = "web"
version = "0.1.0"
dependencies = ["itoa"]
"""
RUST = """use std::io::{Read, Write};

fn main() {
    let listener = std::net::TcpListener::bind(format!("0.0.0.0:{}", std::env::var("PORT").unwrap())).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let said = ["HTTP/1.0 200 OK\\r\\n\\r\\n{word} ", itoa::Buffer::new().format(1)].concat();
        let _ = stream.write_all(said.as_bytes());
    }
}
"""
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.example</groupId>
  <artifactId>web</artifactId>
  <version>1</version>
  <properties>
    <maven.compiler.source>11</maven.compiler.source>
    <maven.compiler.target>11</maven.compiler.target>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  <dependencies>
    <dependency>
      <groupId>com.eclipsesource.minimal-json</groupId>
      <artifactId>minimal-json</artifactId>
      <version>0.9.5</version>
    </dependency>
  </dependencies>
</project>
"""
JAVA = """import com.eclipsesource.json.Json;
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;

public class Main {
    public static void main(String[] args) throws Exception {
        HttpServer server =
            HttpServer.create(new InetSocketAddress("0.0.0.0", Integer.parseInt(System.getenv("PORT"))), 0);
        server.createContext("/", exchange -> {
            byte[] text = Json.value("{word}").toString().getBytes();
            exchange.sendResponseHeaders(200, text.length);
            exchange.getResponseBody().write(text);
            exchange.close();
        });
        server.start();
    }
}
"""
COPY = "dependency:copy-dependencies"
MAVEN = (
    "mvn", "-B", "-q", "-ntp", "-Dmaven.repo.local=$CACHE/maven", "-DskipTests", "package", COPY,
    "-DincludeScope=runtime", "-DoutputDirectory=target/dependency",
)  # fmt: skip
CARGO_BUILD = ("cargo", "build", "--quiet", "--release", "--locked")
NODE = {"name": "web", "dependencies": {"express": "5.1.0"}, "scripts": {"start": "node main.js"}}
INSTALL = (str(UV), "pip", "install", "--quiet", "--cache-dir", "$CACHE/uv", "--python", "$CACHE/venv/bin/python")
STACKS = (
    Stack(
        "python", sys.executable, PACKAGES, ("main.py", PYTHON),
        ((str(UV), "venv", "--quiet", "--python", sys.executable, "$CACHE/venv"), (*INSTALL, "-r", "requirements.txt")),
        (),
    ),
    Stack(
        "node", "npm", {"package.json": json.dumps(NODE)}, ("main.js", SERVE_JS),
        (("npm", "install", "--silent", "--no-audit", "--no-fund", "--cache", "$CACHE/npm"),), (), ("node_modules",),
    ),
    Stack(
        "go", "go", {"go.mod": "module example.com/web\n\ngo 1.21\n"}, ("main.go", GO),
        (("go", "build", "-o", "web", "."),), (("go", "build", "-o", "web", "."),),
    ),
    Stack(
        "rust", "cargo", {"Cargo.toml": CARGO, "Cargo.lock": CARGO_LOCK}, ("src/main.rs", RUST),
        (CARGO_BUILD,), (CARGO_BUILD,),
    ),
    Stack("java", "mvn", {"pom.xml": POM}, ("src/main/java/Main.java", JAVA), (MAVEN,), (MAVEN,)),
)  # fmt: skip


def measure(ground: Ground) -> Row:
    found = [stack for stack in STACKS if shutil.which(stack.program)]
    told, cold_ratios, warm_ratios = {}, [], []
    for stack in found:
        ground.commit(f"stack-{stack.name}", _files(stack, "word-0"))
        _by_hand(ground, stack)
        pairs = [(_product(ground, stack, turn), _by_hand(ground, stack)) for turn in range(TURNS)]
        product, hand = ([median(one[side][i] for one in pairs) for i in range(2)] for side in range(2))
        cold, warm = product[0] / hand[0], product[1] / hand[1]
        cold_ratios.append(cold)
        warm_ratios.append(warm)
        told[stack.name] = (
            f"cold {product[0]:.2f} s, by hand {hand[0]:.2f} s: {cold:.2f}×; "
            f"warm {product[1]:.2f} s, by hand {hand[1]:.2f} s: {warm:.2f}×"
        )
    cold, warm = max(cold_ratios), max(warm_ratios)
    return Row(
        "stacks", "× cold", cold, f"≤ {TARGET_COLD}× cold, ≤ {TARGET_WARM}× warm, each stack",
        cold <= TARGET_COLD and warm <= TARGET_WARM, None, f"by hand; warm {warm:.2f}×",
        {"cold": cold_ratios, "warm": warm_ratios}, details=told,
    )  # fmt: skip


def _files(stack: Stack, word: str) -> dict[str, str]:
    name, text = stack.source
    return {**stack.files, name: text.replace("{word}", word)}


def _product(ground: Ground, stack: Stack, turn: int) -> tuple[float, float]:
    """With a pod of its own, and so with no cache of an earlier turn's."""
    name = f"stack-{stack.name}"
    ground.commit(name, _files(stack, f"word-{turn}"))
    pod = ground.pod(f"{name}-{turn}", name)
    first = ground.ready(ground.first(pod), COMPILING)
    warm = [ground.ready(ground.push(pod, ground.commit(name, _files(stack, f"word-{turn}-{n}")))) for n in range(1, 4)]
    seconds = (_built(first), median(_built(deployment) for deployment in warm))
    ground.delete(pod)
    return seconds


def _built(deployment: Deployment) -> float:
    return BuildRun.objects.get(build__revision=deployment.revision_id).seconds


def _by_hand(ground: Ground, stack: Stack) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(prefix="bp-b-") as work:
        cache = Path(work, "cache")
        cache.mkdir()
        repository = ground.repository(f"stack-{stack.name}")
        cold = _run(repository, Path(work, "0"), cache, stack.commands)
        kept = Path(work, "0")
        times = []
        for number in range(1, 4):
            into = Path(work, str(number))
            links = {name: kept / name for name in stack.keep}
            times.append(_run(repository, into, cache, stack.again, links))
        return cold, median(times)


def _run(
    repository: Path, into: Path, cache: Path, commands: tuple[tuple[str, ...], ...], links: Mapping[str, Path] = {}
) -> float:
    env = {
        **os.environ, "GOCACHE": f"{cache}/go-build", "GOMODCACHE": f"{cache}/go-mod",
        "CARGO_HOME": f"{cache}/cargo", "CARGO_TARGET_DIR": f"{cache}/cargo-target",
    }  # fmt: skip
    began = time.monotonic()
    subprocess.run(["git", "clone", "--quiet", "--depth=1", "--", f"file://{repository}", str(into)], check=True)
    for name, target in links.items():
        (into / name).symlink_to(target)
    for command in commands:
        words = [word.replace("$CACHE", str(cache)) for word in command]
        subprocess.run(words, cwd=into, env=env, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began
