"""Maven: what a pom.xml builds. Read by patterns: what of it is needed is plain, and no parser has to be trusted."""

from __future__ import annotations

import re
import shlex

from apps.builds.detect.detector import no_start, several
from apps.builds.detect.java_build import PORTS, Built, framework, java, main_class, newest_jar
from apps.builds.detect.project import Project, invalid

_BLOCKS = re.compile(
    r"<!--.*?-->|<(parent|dependencies|dependencyManagement|build|profiles|reporting|modules|licenses|developers)>"
    r".*?</\1>",
    re.DOTALL,
)
_PLAIN = re.compile(r"[\w.-]+")
_RUNS = re.compile(
    r"spring-boot-maven-plugin|quarkus-maven-plugin|micronaut-maven-plugin|<mainClass>|exec-maven-plugin|<mainclass>"
)
_HINT = "Add spring-boot-maven-plugin or a jar with a main class, or set the build and start commands of the app."


def find(project: Project) -> Built:
    """Raises UserError: manifest_invalid, multiple_builders_matched, no_start_command."""
    root, member = _place(project)
    module = root.beneath(member) if member else project
    text = _pom(module) + (_pom(root) if member else "")
    found = framework(text)
    maven = "sh ./mvnw" if root.has("mvnw") and root.has(".mvn/wrapper/maven-wrapper.properties") else "mvn"
    chosen = f" -pl {shlex.quote(member)} -am" if member else ""
    build = f"{maven} -B -ntp{chosen} -DskipTests package"
    return _built(root, member, module, text, found, maven, chosen, build)


def _built(
    root: Project, member: str, module: Project, text: str, found: str, maven: str, chosen: str, build: str
) -> Built:
    packed = _pom(module)
    options = PORTS.get(found, "")
    if "quarkus-maven-plugin" in text:
        return Built(root, member, found, (build,), java(options, "-jar target/quarkus-app/quarkus-run.jar"))
    if "jar-with-dependencies" in packed:
        jar = newest_jar("target", "-jar-with-dependencies")
        return Built(root, member, found, (build,), java(options, f"-jar {jar}"))
    if "spring-boot-maven-plugin" in text or "micronaut-maven-plugin" in text or "maven-shade-plugin" in packed:
        return Built(root, member, found, (build,), java(options, f"-jar {_jar(packed)}"))
    match = re.search(r"<main[Cc]lass>\s*([\w.$]+)\s*</", packed)
    main = match[1] if match else main_class(module)
    if not main:
        raise no_start("Maven project: no class with a main method was found", _HINT)
    if "<dependency>" not in text:
        return Built(root, member, found, (build,), java(options, f"-cp target/classes {main}"))
    goal = "dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=target/dependency"
    commands = (f"{maven} -B -ntp{chosen} -DskipTests package {goal}",)
    return Built(root, member, found, commands, java(options, f'-cp "target/classes:target/dependency/*" {main}'))


def version(pom: str) -> str:
    """The Java release that the pom asks for; a reference to a property of it is followed once."""
    names = ("maven.compiler.release", "java.version", "maven.compiler.target", "maven.compiler.source")
    for name in names:
        if match := re.search(rf"<{re.escape(name)}>\s*([^<\s]+)\s*</", pom):
            return _property(match[1], pom)
    match = re.search(r"maven-compiler-plugin.*?<(?:release|target)>\s*([^<\s]+)\s*</", pom, re.DOTALL)
    return _property(match[1], pom) if match else ""


def _pom(module: Project) -> str:
    text = module.text("pom.xml")
    if text and "<project" not in text:
        raise invalid(f"{module.place}/pom.xml".lstrip("/"), "it has no <project>")
    return re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)


def _property(value: str, pom: str) -> str:
    match = re.fullmatch(r"\$\{([\w.-]+)\}", value)
    if not match:
        return value
    found = re.search(rf"<{re.escape(match[1])}>\s*([^<$\s]+)\s*</", pom)
    return found[1] if found else ""


def _jar(pom: str) -> str:
    own = _BLOCKS.sub("", pom)
    parent = re.search(r"<parent>(.*?)</parent>", pom, re.DOTALL)
    ending = "war" if re.search(r"<packaging>\s*war\s*</", own) else "jar"
    if match := re.search(r"<finalName>\s*([^<\s]+)\s*</finalName>", pom):
        name = _property(match[1], pom)
        return f"target/{name}.{ending}" if _PLAIN.fullmatch(name) else newest_jar("target")
    artifact = re.search(r"<artifactId>\s*([^<\s]+)\s*</", own)
    release = re.search(r"<version>\s*([^<\s]+)\s*</", own)
    release = release or (re.search(r"<version>\s*([^<\s]+)\s*</", parent[1]) if parent else None)
    parts = [_property(match[1], pom) if match else "" for match in (artifact, release)]
    if all(_PLAIN.fullmatch(part) for part in parts):
        return f"target/{'-'.join(parts)}.{ending}"
    return newest_jar("target")


def _place(project: Project) -> tuple[Project, str]:
    """(the topmost pom that has the project as a module, the module's directory beneath it)."""
    best = (project, "")
    for above in project.above:
        inside = project.place.removeprefix(above.place).strip("/")
        if inside in _modules(above, ""):
            best = (above, inside)
    if best[1] or not (modules := _modules(project, "")):
        return best
    programs = [name for name in modules if _is_program(project.beneath(name))]
    if len(programs) == 1:
        return project, programs[0]
    if programs:
        raise several("programs in the modules", programs, "Set the root directory of the app to one of them.")
    raise no_start("Maven project: none of its modules is a program", _HINT)


def _modules(project: Project, inside: str, depth: int = 0) -> list[str]:
    """The directories of all modules, theirs too."""
    block = re.search(r"<modules>(.*?)</modules>", _pom(project), re.DOTALL) if project.has("pom.xml") else None
    found = []
    for name in re.findall(r"<module>\s*([\w./-]+)\s*</module>", block[1] if block else "")[:200]:
        if ".." in name or name.startswith("/") or not project.has(f"{name}/pom.xml"):
            continue
        path = "/".join(part for part in (inside, name.strip("/")) if part)
        found.append(path)
        if depth < 3:
            found += _modules(project.beneath(name), path, depth + 1)
    return found


def _is_program(module: Project) -> bool:
    text = _pom(module)
    return "<modules>" not in text and bool(_RUNS.search(text) or main_class(module))
