"""Gradle: what build.gradle or build.gradle.kts builds."""

from __future__ import annotations

import re

from apps.builds.detect.detector import no_start, several
from apps.builds.detect.java_build import PORTS, Built, framework, java, main_class, newest_jar
from apps.builds.detect.project import Project

_PLAIN = re.compile(r"[\w.-]+")
_APPLICATION = re.compile(
    r"""id\s*\(?\s*['"]application['"]|^\s*application\s*$|apply plugin: ['"]application""", re.MULTILINE
)
_INSTALLED = '"$(ls build/install/*/bin/* | grep -v bat$ | head -n 1)"'
_SHADOW = re.compile(r"com\.github\.johnrengelman\.shadow|com\.gradleup\.shadow|io\.ktor\.plugin")


def find(project: Project) -> Built:
    """Raises UserError: multiple_builders_matched, no_start_command."""
    root, member = _place(project)
    module = root.beneath(member) if member else project
    text = _script(module)
    found = framework(text)
    gradle = "sh ./gradlew" if root.has("gradlew") else "gradle"
    task = ":" + member.replace("/", ":") + ":" if member else ""
    options = PORTS.get(found, "")
    said = f"{gradle} --no-daemon --console=plain"
    if "org.springframework.boot" in text:
        jar = _jar(module, root if not member else None)
        return Built(root, member, found, (f"{said} {task}build -x test",), java(options, f"-jar {jar}"))
    if "io.quarkus" in text:
        start = java(options, "-jar build/quarkus-app/quarkus-run.jar")
        return Built(root, member, found, (f"{said} {task}build -x test",), start)
    if _SHADOW.search(text):
        fat = "buildFatJar" if "io.ktor.plugin" in text else "shadowJar"
        jar = newest_jar("build/libs", "-all")
        return Built(root, member, found, (f"{said} {task}{fat}",), java(options, f"-jar {jar}"))
    if _APPLICATION.search(text):
        name = _name(module, root if not member else None)
        program = f"build/install/{name}/bin/{name}" if name else _INSTALLED
        start = f'JAVA_OPTS="$JAVA_OPTS {options}" {program}' if options else program
        return Built(root, member, found, (f"{said} {task}installDist",), start)
    needs = re.search(r"^\s*(implementation|api|runtimeOnly|compile)\b", text, re.MULTILINE)
    if not needs and (main := main_class(module)):
        commands = (f"{said} {task}build -x test",)
        return Built(root, member, found, commands, java(options, f"-cp build/classes/java/main {main}"))
    hint = "Apply the plugin `application` or Spring Boot's, or set the build and start commands of the app."
    raise no_start("Gradle project: nothing in it is a program", hint)


def version(script: str) -> str:
    match = re.search(
        r"JavaLanguageVersion\.of\(\s*['\"]?(\d+)|jvmToolchain\(\s*(\d+)|JavaVersion\.VERSION_(\d+(?:_\d+)?)"
        r"|(?:source|target)Compatibility\s*=\s*['\"]?(\d[\d.]*)",
        script,
    )
    return next((group for group in match.groups() if group), "").replace("_", ".") if match else ""


def _script(module: Project) -> str:
    text = module.text("build.gradle") or module.text("build.gradle.kts")
    return re.sub(r"/\*.*?\*/|^\s*//[^\n]*", "", text, flags=re.DOTALL | re.MULTILINE)


def _settings(project: Project) -> str:
    return project.text("settings.gradle") or project.text("settings.gradle.kts")


def _name(module: Project, root: Project | None) -> str:
    """What the module is called: the root by its settings, another by its directory."""
    match = re.search(r"rootProject\.name\s*=\s*['\"]([\w.-]+)['\"]", _settings(root)) if root else None
    return match[1] if match else ("" if root else module.place.rpartition("/")[2])


def _jar(module: Project, root: Project | None) -> str:
    match = re.search(r"^\s*version\s*=?\s*['\"]([\w.-]+)['\"]", _script(module), re.MULTILINE)
    name = _name(module, root)
    if match and _PLAIN.fullmatch(name):
        return f"build/libs/{name}-{match[1]}.jar"
    return newest_jar("build/libs")


def _place(project: Project) -> tuple[Project, str]:
    """(the directory with the settings that include the project, the project's directory beneath it)."""
    for above in project.above:
        inside = project.place.removeprefix(above.place).strip("/")
        if inside in _included(above):
            return above, inside
    if _script(project) and not _included(project):
        return project, ""
    programs = [name for name in _included(project) if _is_program(_script(project.beneath(name)))]
    if _is_program(_script(project)) or not programs:
        return project, ""
    if len(programs) == 1:
        return project, programs[0]
    raise several("programs in the subprojects", programs, "Set the root directory of the app to one of them.")


def _is_program(script: str) -> bool:
    return "org.springframework.boot" in script or bool(_APPLICATION.search(script) or _SHADOW.search(script))


def _included(project: Project) -> list[str]:
    found = []
    for line in re.findall(r"^\s*include\s*\(?([^)\n]*)", _settings(project), re.MULTILINE)[:200]:
        for name in re.findall(r"""['"]:?([\w:.-]+)['"]""", line):
            path = name.replace(":", "/")
            if ".." not in path and project.has(f"{path}/build.gradle", f"{path}/build.gradle.kts"):
                found.append(path)
    return found
