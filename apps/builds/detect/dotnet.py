"""C#, F# and Visual Basic: the one project of a directory or solution that is a program."""

from __future__ import annotations

import re
import shlex

from apps.builds.detect.detector import Detector, no_start, several, started
from apps.builds.detect.pins import NONE, number, pinned
from apps.builds.detect.plan import Overrides, Plan, Versions, caches
from apps.builds.detect.project import Project, table

_ENDS = ("csproj", "fsproj", "vbproj")
_SDK = re.compile(r"""Sdk\s*=\s*["']Microsoft\.NET\.Sdk(?:\.(\w+))?""")
_TESTS = re.compile(r"Microsoft\.NET\.Test\.Sdk|<IsTestProject>\s*true", re.IGNORECASE)


def _projects(project: Project) -> list[str]:
    """Project files: here, or else those the solution names, or else two levels down."""
    here = [name for end in _ENDS for name in project.files(f"*.{end}")]
    if here:
        return here
    named = []
    for solution in (*project.files("*.sln"), *project.files("*.slnx")):
        for path in re.findall(r'"([^"\n]+\.(?:cs|fs|vb)proj)"', project.text(solution)):
            path = path.replace("\\", "/")
            if ".." not in path and project.has(path):
                named.append(path)
    return named or [name for end in _ENDS for name in (*project.files(f"*/*.{end}"), *project.files(f"src/*/*.{end}"))]


def _plan(project: Project, overrides: Overrides) -> Plan:
    name = "" if overrides.build and overrides.start else _program(project)
    text = project.text(name) if name else ""
    sdk = match[1] or "" if (match := _SDK.search(text)) else ""
    wasm = sdk == "BlazorWebAssembly" and not overrides.start
    stem = name.rpartition("/")[2].rpartition(".")[0]
    assembly = match[1] if (match := re.search(r"<AssemblyName>\s*([\w.-]+)\s*<", text)) else stem
    kind, start = ("static", "") if wasm else started(
        project, overrides, lambda _: _start(assembly, sdk), worker=sdk == "Worker"
    )  # fmt: skip
    locked = " --locked-mode" if project.has(f"{name.rpartition('/')[0]}/packages.lock.json".lstrip("/")) else ""
    quoted = shlex.quote(name)
    return Plan(
        stack="dotnet",
        framework={"Web": "aspnet", "Worker": "worker", "BlazorWebAssembly": "blazor"}.get(sdk, ""),
        kind=kind,
        manager="nuget",
        versions=_version(project, text),
        tools=("dotnet",),
        install=(f"dotnet restore{locked} {quoted}",) if name else (),
        build=(f"dotnet publish {quoted} --configuration Release --no-restore --output out",) if name else (),
        start=start,
        output="out/wwwroot" if kind == "static" else "",
        env={"DOTNET_CLI_TELEMETRY_OPTOUT": "1", "DOTNET_NOLOGO": "1", "DOTNET_ENVIRONMENT": "Production"},
        caches=caches("nuget"),
    )


def _start(assembly: str, sdk: str) -> str:
    if not assembly:
        raise no_start("program that is built by a command of yours", "Set the start command too.")
    told = "ASPNETCORE_URLS=http://0.0.0.0:$PORT " if sdk == "Web" else ""
    return f"{told}dotnet out/{shlex.quote(assembly)}.dll"


def _program(project: Project) -> str:
    found = [name for name in _projects(project) if not _TESTS.search(project.text(name))]
    web = [name for name in found if (match := _SDK.search(project.text(name))) and match[1]]
    programs = web or [name for name in found if re.search(r"<OutputType>\s*Exe", project.text(name))]
    if len(programs) == 1:
        return programs[0]
    if programs:
        raise several("programs in the solution", programs, "Set the root directory of the app to one of them.")
    hint = "Use the SDK Microsoft.NET.Sdk.Web or <OutputType>Exe</OutputType>, or set the root directory of the app."
    raise no_start(".NET project: none of its projects is a program", hint)


def _version(project: Project, text: str) -> Versions:
    for place in (project, *project.above):
        asked = table(place.json("global.json", comments=True).get("sdk")).get("version")
        if isinstance(asked, str) and asked:
            return {"dotnet": (asked, "from global.json")}
    if found := pinned(project, "dotnet"):
        return {"dotnet": (number(found[0]), found[1])}
    if match := re.search(r"<TargetFrameworks?>[^<]*?net(?:coreapp)?(\d+\.\d+)", text):
        return {"dotnet": (match[1], "from TargetFramework")}
    return {"dotnet": NONE}


DETECTOR = Detector(
    name="dotnet",
    title=".NET",
    looks_for="*.csproj, *.fsproj, *.vbproj or *.sln",
    matches=lambda project: any(
        name.endswith((".csproj", ".fsproj", ".vbproj", ".sln", ".slnx")) for name in project.names
    ),
    plan=_plan,
)
