"""Java, Kotlin and other languages of the JVM: Maven or Gradle, one module or several."""

from __future__ import annotations

import re

from apps.builds.detect import java_gradle, java_maven
from apps.builds.detect.detector import Detector, started
from apps.builds.detect.java_build import Built
from apps.builds.detect.pins import NONE, number, pinned
from apps.builds.detect.plan import Overrides, Plan, Versions, caches
from apps.builds.detect.project import Project

_GRADLE = ("build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts")


def _plan(project: Project, overrides: Overrides) -> Plan:
    maven = project.has("pom.xml")
    # With a build command of the user's own nobody asks what would be built.
    own = Built(project, "", "", (), "") if overrides.build and overrides.start else None
    built = own or (java_maven.find(project) if maven else java_gradle.find(project))
    module = built.root.beneath(built.member) if built.member else project
    kind, start = started(module, overrides, lambda _: built.start)
    tool = "mvn" if maven else "gradle"
    wrapped = built.root.has("mvnw", ".mvn/wrapper/maven-wrapper.properties") if maven else built.root.has("gradlew")
    return Plan(
        stack="java",
        framework=built.framework,
        kind=kind,
        manager="maven" if maven else "gradle",
        root=built.root.place,
        member=built.member,
        versions=_version(module, built.root),
        tools=("java",) if wrapped else ("java", tool),
        build=built.commands,
        start=start,
        output="public" if kind == "static" else "",
        caches=caches("maven" if maven else "gradle"),
    )


def _version(module: Project, root: Project) -> Versions:
    for name in (".java-version", ".sdkmanrc", "system.properties"):
        for place in (module, root):
            for line in place.text(name).splitlines():
                key, _, value = line.rpartition("=")
                asks = not line.lstrip().startswith("#") and key.strip() in ("", "java", "java.runtime.version")
                if asks and (version := _major(value)):
                    return {"java": (version, f"from {name}")}
    if found := pinned(module, "java"):
        return {"java": (_major(found[0]), found[1])}
    for place in (module, root):
        for name in ("pom.xml", "build.gradle", "build.gradle.kts"):
            if version := (java_maven if name == "pom.xml" else java_gradle).version(place.text(name)):
                return {"java": (_major(version), f"from {name}")}
    return {"java": NONE}


def _major(text: str) -> str:
    """1.8 → 8, 21.0.1 → 21: nobody asks for less."""
    version = re.sub(r"^1\.(?=\d)", "", number(text))
    return version.partition(".")[0]


def _carries(project: Project) -> frozenset[str]:
    text = project.text("pom.xml") + project.text("build.gradle") + project.text("build.gradle.kts")
    frontend = re.search(r"frontend-maven-plugin|node-gradle|com\.github\.node-gradle|com\.moowork\.node", text)
    return frozenset({"node", "bun"}) if frontend or project.has(".yo-rc.json") else frozenset()


DETECTOR = Detector(
    name="java", title="Java", looks_for="pom.xml or build.gradle(.kts)",
    matches=lambda project: project.has("pom.xml", *_GRADLE), plan=_plan, carries=_carries,
)  # fmt: skip
