"""The frontend frameworks: which of them makes static files, by which script or command, and where it puts them."""

from __future__ import annotations

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


SERVERS = {
    "next": "next start -H 0.0.0.0 -p $PORT",
    "nuxt": "node .output/server/index.mjs",
    "sveltekit": "node build",
    "remix": "remix-serve ./build/server/index.js",
    "react-router": "react-router-serve ./build/server/index.js",
    "astro": "node ./dist/server/entry.mjs",
    "solid-start": "node .output/server/index.mjs",
    "tanstack-start": "node .output/server/index.mjs",
    "nest": "node dist/main.js",
    "adonis": "node build/bin/server.js",
}
BUILDS = {
    "next": "next build", "nuxt": "nuxt build", "sveltekit": "vite build", "remix": "remix vite:build",
    "react-router": "react-router build", "astro": "astro build", "nest": "nest build", "solid-start": "vinxi build",
    "adonis": "node ace build",
}  # fmt: skip
# Where a framework listens if nobody says it, told by its own variables; and that its builds report to nobody.
ENV = {
    "angular": {"NG_CLI_ANALYTICS": "false"},
    "astro": {"HOST": "0.0.0.0", "ASTRO_TELEMETRY_DISABLED": "1"},
    "gatsby": {"GATSBY_TELEMETRY_DISABLED": "1"},
    "nuxt": {"HOST": "0.0.0.0", "NUXT_TELEMETRY_DISABLED": "1"},
    "sveltekit": {"HOST": "0.0.0.0"},
    "solid-start": {"HOST": "0.0.0.0"},
    "adonis": {"HOST": "0.0.0.0"},
    # The checkout is thrown away: a lockfile without the compiler of this platform need not be mended over the network.
    "next": {"NEXT_TELEMETRY_DISABLED": "1", "NEXT_IGNORE_INCORRECT_LOCKFILE": "1"},
}
_DEVELOPS = re.compile(
    r"\b(vite( preview| dev| serve)?(\s|$)|react-scripts start|craco start|astro (dev|preview|start)|ng serve"
    r"|gatsby (develop|serve|start)|docusaurus (start|serve)|eleventy .*--serve|vitepress (dev|preview|serve)"
    r"|vue-cli-service serve|webpack(-dev-server| serve)|storybook dev|expo start|quasar dev|ember serve|hexo server"
    r"|(npx )?(serve|http-server)(\s|$)|parcel(\s|$)|remix-serve|react-router-serve)"
)


_FINAL = ("next", "nuxt", "sveltekit", "react-router", "remix")  # decided by their own configuration, not by `start`


def find(project: Project) -> Site | None:
    """How the project becomes static files, or None: it is a server, or nothing that is known."""
    found = _framework(project)
    if found is None:
        return None
    start = str(table(project.package.get("scripts")).get("start", ""))
    serves = bool(start) and not _DEVELOPS.search(start) and found.framework not in _FINAL
    return None if serves else found


def server(project: Project) -> str:
    """The framework of an app that runs; empty: none that is known."""
    names = _names(project)
    known = {
        "next": "next", "nuxt": "nuxt", "@sveltejs/kit": "sveltekit", "@remix-run/node": "remix",
        "@react-router/node": "react-router", "@react-router/dev": "react-router", "astro": "astro",
        "@solidjs/start": "solid-start", "@tanstack/react-start": "tanstack-start", "@adonisjs/core": "adonis",
        "@nestjs/core": "nest", "express": "express", "fastify": "fastify", "koa": "koa", "hono": "hono",
        "@hapi/hapi": "hapi", "elysia": "elysia", "@angular/core": "angular",
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
    projects = table(project.json("angular.json", comments=True).get("projects"))
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


def _vuepress(project: Project, names: set[str]) -> Site:
    base = "docs/" if project.has_directory("docs") else ""
    script = next((name for name in ("docs:build", "build") if name in table(project.package.get("scripts"))), "build")
    return Site("vuepress", f"{base}.vuepress/dist", f"vuepress build {base}".strip(), script=script)


def _expo(project: Project, names: set[str]) -> Site | None:
    return Site("expo", "dist", "expo export --platform web") if "react-native-web" in names else None


def _vite(project: Project, names: set[str]) -> Site | None:
    if names & {"@solidjs/start", "@tanstack/react-start", "vite-plugin-ssr", "vike", "@builder.io/qwik-city"}:
        return None
    makes = project.has("index.html") or _config(project, "vite") or "build" in table(project.package.get("scripts"))
    return _site(project) if makes else None  # without any of these it is there for its test runner


def _site(project: Project) -> Site:
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
    "vuepress": _vuepress,
    "@vue/cli-service": Site("vue-cli", "dist", "vue-cli-service build"),
    "hexo": Site("hexo", "public", "hexo generate"),
    "ember-cli": Site("ember", "dist", "ember build --environment=production"),
    "gridsome": Site("gridsome", "dist", "gridsome build"),
    "preact-cli": Site("preact-cli", "build", "preact build"),
    "@quasar/app-vite": Site("quasar", "dist/spa", "quasar build"),
    "@stencil/core": Site("stencil", "www", "stencil build"),
    "expo": _expo,
    "parcel": Site("parcel", "dist", "parcel build index.html"),
    "vite": _vite,
}
