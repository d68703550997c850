"""What images begin with: for each stack one to build in and one to run in, with the version the plan asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from apps.builds.detect.plan import Plan
from apps.builds.versions import at_least, fits_node, fits_python, fits_range, same_minor

# Official images on Docker Hub, Microsoft's for .NET. What is built with a C library runs with the same one, and all of
# them have certificates.
_DEFAULTS = {
    "bun": "oven/bun:{version}",
    "composer": "composer:2",
    "debian": "buildpack-deps:bookworm-curl",
    "deno": "denoland/deno:{version}",
    "dotnet": "mcr.microsoft.com/dotnet/aspnet:{version}",
    "dotnet-build": "mcr.microsoft.com/dotnet/sdk:{version}",
    "elixir": "elixir:{version}-slim",
    "elixir-build": "elixir:{version}",
    "go": "golang:{version}-bookworm",
    "gradle": "gradle:8-jdk{version}",
    "java": "eclipse-temurin:{version}-jre",
    "java-build": "eclipse-temurin:{version}-jdk",
    "maven": "maven:3-eclipse-temurin-{version}",
    "node": "node:{version}-slim",
    "node-build": "node:{version}",
    "php": "php:{version}-cli",
    "python": "python:{version}-slim",
    "python-build": "python:{version}",
    "ruby": "ruby:{version}-slim",
    "ruby-build": "ruby:{version}",
    "rust": "rust:{version}-bookworm",
}
_SHELL = "alpine:3"
# The versions that ranges are looked up in; the first is taken where nothing is asked for.
_VERSIONS: Mapping[str, tuple[str, ...]] = {
    "bun": ("1",),
    "deno": ("2.5.6", "1.46.3"),
    "dotnet": ("8.0", "10.0", "9.0"),
    "elixir": ("1.18", "1.19", "1.17", "1.16", "1.15", "1.14"),
    "go": ("1.25", "1.24", "1.23"),
    "java": ("21", "25", "17", "11", "8"),
    "node": ("22", "24", "20", "18", "16"),
    "php": ("8.4", "8.3", "8.2", "8.1", "8.0", "7.4"),
    "python": ("3.13", "3.12", "3.14", "3.11", "3.10", "3.9"),
    "ruby": ("3.4", "3.3", "3.2", "3.1", "2.7"),
    "rust": ("1",),
}
_FITS: Mapping[str, Callable[[str, str], bool]] = {
    "node": fits_node, "bun": fits_node, "deno": fits_node, "python": fits_python, "ruby": same_minor,
    "php": fits_range, "elixir": fits_range,
}  # fmt: skip
_EXACT = re.compile(r"v?(\d+(?:\.\d+)*(?:-[A-Za-z0-9.-]+)?)")
# Whose image an app of a stack is built in, and run in, where that is not the stack's own.
_BUILT_IN = {"hugo": "python", "jekyll": "ruby", "shell": "debian", "static": "debian"}
_RUNS_IN = {"go": "debian", "rust": "debian", **_BUILT_IN}


@dataclass(frozen=True, slots=True)
class Bases:
    """References of images: `build` has compilers, `run` what an app needs. `more`: by name, for further tools."""

    build: str
    run: str
    more: Mapping[str, str]


def of(plan: Plan, setting: str) -> Bases:
    """`setting`: BRAINPOD_BASE_IMAGES."""
    own = _own(setting)
    builds, runs = _BUILT_IN.get(plan.stack, plan.stack), _RUNS_IN.get(plan.stack, plan.stack)
    tool = next((t for name, t in (("mvn", "maven"), ("gradle", "gradle")) if name in plan.tools), "")
    build = _image(tool, "java", plan, own) if tool else _image(f"{builds}-build", builds, plan, own)
    more = {name: _image(name, name, plan, own) for name in ("node", "go", "composer") if name != builds}
    return Bases(build, _image(runs, runs, plan, own), more)


def shell(setting: str) -> str:
    """The small image in which a pre-start command runs. `setting`: BRAINPOD_BASE_IMAGES."""
    return named("prestart", _SHELL, setting, "")


def named(name: str, usual: str, setting: str, tag: str) -> str:
    """The image `name` as BRAINPOD_BASE_IMAGES (`setting`) has it, else `usual`, from the setting's mirror."""
    own = _own(setting)
    template = own.get(name) or own.get("*", "{image}")
    return template.replace("{image}", usual).replace("{version}", tag)


def _own(setting: str) -> dict[str, str]:
    return dict(entry.strip().split("=", 1) for entry in setting.split(",") if "=" in entry)


def version(tool: str, wanted: str) -> str:
    """The tag's version for what is asked for: as it stands, or the first of the known ones in a range."""
    known = _VERSIONS.get(tool, ("latest",))
    if exact := _EXACT.fullmatch(wanted.strip()):
        return exact[1]
    fits = _FITS.get(tool, at_least)
    found = next((one for one in known if fits(f"{one}.99" if one.count(".") < 2 else one, wanted)), None)
    number = re.search(r"\d+(?:\.\d+)*", wanted)
    return found or (number[0] if number else known[0])


def _image(name: str, tool: str, plan: Plan, own: Mapping[str, str]) -> str:
    """The setting's image of that name, or of the tool; else the default, from the setting's mirror if it has one."""
    template = own.get(name) or own.get(name.removesuffix("-build"))
    if template is None:
        usual = _DEFAULTS.get(name) or _DEFAULTS[name.removesuffix("-build")]
        template = own.get("*", "{image}").replace("{image}", usual)
    return template.replace("{version}", version(tool, plan.versions.get(tool, ("", ""))[0]))
