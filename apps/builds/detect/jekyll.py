"""Jekyll: _config.yml, and the gem by the Gemfile or installed on the machine."""

from __future__ import annotations

import re

from apps.builds.detect import node_assets, ruby
from apps.builds.detect.detector import Detector
from apps.builds.detect.plan import Overrides, Plan, caches
from apps.builds.detect.project import Project

_AROUND = ("_posts", "_layouts", "_includes", "_data", "_sass")
_GEM = re.compile(r"""^\s*gem\s+['"](jekyll|github-pages)['"]""", re.MULTILINE)


def _matches(project: Project) -> bool:
    if not project.has("_config.yml", "_config.yaml", "_config.toml"):
        return False
    if project.has("Gemfile"):
        return bool(_GEM.search(project.text("Gemfile"))) or project.has(*project.files("*.gemspec"))
    return any(project.has_directory(name) for name in _AROUND) or project.has("index.md", "index.markdown")


def _plan(project: Project, overrides: Overrides) -> Plan:
    gems = project.has("Gemfile")
    match = re.search(r"^destination:\s*['\"]?(?:\./)?([\w./-]+)", project.text("_config.yml"), re.MULTILINE)
    build = "bundle exec jekyll build" if gems else "jekyll build"
    found = ruby.dependencies(project)
    return Plan(
        stack="jekyll",
        framework="jekyll",
        kind="static",
        manager="bundler" if gems else "",
        versions=ruby.version(project),
        tools=("ruby", "bundle" if gems else "jekyll", *node_assets.tools(project)),
        packages=("libffi-dev",) if gems else (),
        install=found.install,
        build=(*node_assets.install(project, build=False), build),
        output=match[1].strip("/") if match and ".." not in match[1] else "_site",
        layer="deps" if gems else "",
        env=ruby.environment(project, "production") | {"JEKYLL_ENV": "production"},
        caches=caches(*(("bundle",) if gems else ()), *node_assets.cached(project)),
        lockfiles=found.lockfiles,
        notes=found.notes,
    )


DETECTOR = Detector(
    name="jekyll",
    title="Jekyll",
    looks_for="_config.yml with the gem jekyll or _posts/",
    matches=_matches,
    plan=_plan,
    carries=lambda _: frozenset({"node", "bun", "ruby"}),
)
