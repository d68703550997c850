"""What Maven and Gradle have in common: what is built, and how it starts."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from apps.builds.detect.project import Project

_MAIN = re.compile(r"public\s+static\s+void\s+main\s*\(|^\s*fun\s+main\s*\(", re.MULTILINE)
# How each framework is told where to listen.
PORTS = {
    "spring-boot": "-Dserver.port=$PORT",
    "quarkus": "-Dquarkus.http.host=0.0.0.0 -Dquarkus.http.port=$PORT",
    "micronaut": "-Dmicronaut.server.port=$PORT",
    "helidon": "-Dserver.port=$PORT -Dserver.host=0.0.0.0",
}
_MARKS = (
    ("spring-boot", "org.springframework.boot"), ("quarkus", "io.quarkus"), ("micronaut", "io.micronaut"),
    ("helidon", "io.helidon"), ("ktor", "io.ktor"), ("dropwizard", "io.dropwizard"), ("javalin", "io.javalin"),
    ("vertx", "io.vertx"), ("spark", "com.sparkjava"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Built:
    """`commands` are run in `root`; `start` in the directory `member` of it."""

    root: Project
    member: str
    framework: str
    commands: tuple[str, ...]
    start: str


def framework(text: str) -> str:
    return next((name for name, mark in _MARKS if mark in text), "")


def java(options: str, rest: str) -> str:
    """The start command; JAVA_OPTS is the app's variable to set the heap and the like."""
    return " ".join(word for word in ("exec java $JAVA_OPTS", options, rest) if word)


def newest_jar(directory: str, ending: str = "") -> str:
    """The one runnable jar in `directory`, where its name cannot be told from the files."""
    others = r"-(sources|javadoc|plain|original)\.jar$|/original-"
    pick = rf"ls -t {directory}/*{ending}.jar | grep -Ev {shlex.quote(others)} | head -n 1"
    return f'"$({pick})"'


def main_class(module: Project) -> str:
    """The class with a main method, by its full name; nothing if there is none, or it cannot be told which."""
    found = []
    for pattern in ("src/main/java/**/*.java", "src/main/kotlin/**/*.kt"):
        for name in module.files(pattern):
            text = module.text(name)
            if _MAIN.search(text):
                package = re.search(r"^\s*package\s+([\w.]+)", text, re.MULTILINE)
                own = name.rpartition("/")[2].removesuffix(".java")
                own = f"{own.removesuffix('.kt')}Kt" if own.endswith(".kt") else own
                found.append(f"{package[1]}.{own}" if package else own)
    return found[0] if len(found) == 1 else ""
