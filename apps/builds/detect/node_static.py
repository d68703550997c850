"""The frontend frameworks: which of them makes static files, by which script or command, and where it puts them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from apps.builds.detect.project import Project, table


@dataclass(frozen=True, slots=True)
class Site:
    """`command` builds it where package.json has no script `script`."""

    framework: str
    output: str
    command: str
    script: str = "build"


SERVERS = {"next": "next start -H 0.0.0.0 -p $PORT", "nuxt": "node .output/server/index.mjs", "sveltekit": "node build"}
_DEVELOPS = re.compile(
    r"\b(vite( preview| dev| serve)?(\s|$)|react-scripts start|craco start|astro (dev|preview|start)|ng serve"
    r"|gatsby (develop|serve|start)|docusaurus (start|serve)|eleventy .*--serve|vitepress (dev|preview|serve)"
    r"|vue-cli-service serve|(npx )?(serve|http-server)(\s|$)|parcel(\s|$)|remix-serve|react-router-serve)"
)


def find(project: Project) -> Site | None:
    """How the project becomes static files, or None: it is a server, or nothing that is known."""
    found = _framework(project)
    if found is None:
        return None
    start = str(table(project.package.get("scripts")).get("start", ""))
    serves = bool(start) and not _DEVELOPS.search(start) and found.framework not in ("next", "nuxt", "sveltekit")
    return None if serves else found


def server(project: Project) -> str:
    """The framework of an app that runs; empty: none that is known."""
    names = _names(project)
    known = {
        "next": "next", "nuxt": "nuxt", "@sveltejs/kit": "sveltekit", "@remix-run/node": "remix", "astro": "astro",
        "@nestjs/core": "nest", "express": "express", "fastify": "fastify", "koa": "koa", "hono": "hono",
    }  # fmt: skip
    return next((framework for package, framework in known.items() if package in names), "")


def _names(project: Project) -> set[str]:
    package = project.package
    return {*table(package.get("dependencies")), *table(package.get("devDependencies"))}


def _config(project: Project, name: str) -> str:
    return project.text(project.first(*(f"{name}.config.{end}" for end in ("js", "mjs", "ts", "mts", "cjs"))) or "-")


def _framework(project: Project) -> Site | None:
    names = _names(project)
    for package, make in _MAKERS.items():
        if package in names:
            return make if isinstance(make, Site) else make(project, names)
    return None


def _next(project: Project, names: set[str]) -> Site | None:
    exports = re.search(r"output\s*:\s*['\"]export['\"]", _config(project, "next"))
    return Site("next", "out", "next build") if exports else None


def _nuxt(project: Project, names: set[str]) -> Site | None:
    scripts = table(project.package.get("scripts"))
    if "generate" in str(scripts.get("build", "")):
        return Site("nuxt", ".output/public", "nuxi generate")
    off = re.search(r"\bssr\s*:\s*false|preset\s*:\s*['\"]static['\"]", _config(project, "nuxt"))
    return Site("nuxt", ".output/public", "nuxi generate", script="generate") if off else None


def _astro(project: Project, names: set[str]) -> Site | None:
    text = _config(project, "astro")
    if re.search(r"output\s*:\s*['\"](server|hybrid)['\"]", text) or "@astrojs/node" in names:
        return None
    return Site("astro", _set(text, "outDir") or "dist", "astro build")


def _svelte(project: Project, names: set[str]) -> Site | None:
    return Site("sveltekit", "build", "vite build") if "@sveltejs/adapter-static" in names else None


def _router(project: Project, names: set[str]) -> Site | None:
    off = re.search(r"\bssr\s*:\s*false", _config(project, "react-router") + _config(project, "vite"))
    return Site("react-router", "build/client", "react-router build") if off else None


def _remix(project: Project, names: set[str]) -> Site | None:
    off = re.search(r"\bssr\s*:\s*false", _config(project, "vite"))
    return Site("remix", "build/client", "remix vite:build") if off else None


def _angular(project: Project, names: set[str]) -> Site | None:
    try:
        projects = table(table(json.loads(project.text("angular.json") or "{}")).get("projects"))
    except (ValueError, RecursionError):
        return None
    name = next(iter(projects), "")
    if not re.fullmatch(r"[\w@./-]+", name):
        return None
    options = table(table(table(table(projects[name]).get("architect")).get("build")).get("options"))
    if options.get("ssr"):
        return None
    path = options.get("outputPath")
    base = path if isinstance(path, str) else f"dist/{name}"
    legacy = str(table(table(table(projects[name]).get("architect")).get("build")).get("builder")).endswith(":browser")
    return Site("angular", base if legacy else f"{base}/browser", "ng build")


def _vitepress(project: Project, names: set[str]) -> Site:
    scripts = " ".join(str(text) for text in table(project.package.get("scripts")).values())
    match = re.search(r"vitepress build\s+([\w./-]+)", scripts)
    base = f"{match[1].strip('/')}/" if match and not match[1].startswith("-") else ""
    name = next((name for name in ("docs:build", "build") if name in table(project.package.get("scripts"))), "build")
    return Site("vitepress", f"{base}.vitepress/dist", f"vitepress build {base}".strip(), script=name)


def _vite(project: Project, names: set[str]) -> Site:
    return Site("vite", _set(_config(project, "vite"), "outDir") or "dist", "vite build")


def _set(text: str, option: str) -> str:
    """A plain relative path that a configuration file sets; anything cleverer is left to the output setting."""
    match = re.search(rf"\b{option}\s*:\s*['\"](?:\./)?([\w-][\w./-]*)['\"]", text)
    return match[1].rstrip("/") if match and ".." not in match[1] else ""


# The order matters: most of these carry vite among their own dependencies.
_MAKERS: dict[str, Site | Callable[[Project, set[str]], Site | None]] = {
    "next": _next,
    "nuxt": _nuxt,
    "gatsby": Site("gatsby", "public", "gatsby build"),
    "@docusaurus/core": Site("docusaurus", "build", "docusaurus build"),
    "react-scripts": Site("create-react-app", "build", "react-scripts build"),
    "@sveltejs/kit": _svelte,
    "@react-router/dev": _router,
    "@remix-run/dev": _remix,
    "@11ty/eleventy": Site("eleventy", "_site", "eleventy"),
    "vitepress": _vitepress,
    "@angular/core": _angular,
    "astro": _astro,
    "@vue/cli-service": Site("vue-cli", "dist", "vue-cli-service build"),
    "vite": _vite,
}
