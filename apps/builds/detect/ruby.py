"""Ruby: Rails, Sinatra and other Rack apps, and plain programs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from apps.builds.detect import node_assets
from apps.builds.detect.detector import Detector, no_start, started
from apps.builds.detect.pins import NONE, number, pinned
from apps.builds.detect.plan import Overrides, Plan, Versions, caches
from apps.builds.detect.project import Project

_PACKAGES = {
    "pg": "libpq-dev", "mysql2": "default-libmysqlclient-dev", "sqlite3": "libsqlite3-dev",
    "rmagick": "libmagickwand-dev", "ruby-vips": "libvips", "charlock_holmes": "libicu-dev", "psych": "libyaml-dev",
}  # fmt: skip
_PROGRAMS = ("main.rb", "app.rb", "server.rb", "bot.rb", "worker.rb")


@dataclass(frozen=True, slots=True)
class Gems:
    names: frozenset[str]
    install: tuple[str, ...] = ()
    lockfiles: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def dependencies(project: Project) -> Gems:
    """What the Gemfile asks for, and the names in Gemfile.lock besides."""
    if not project.has("Gemfile"):
        return Gems(frozenset())
    text, lock = project.text("Gemfile"), project.text("Gemfile.lock")
    asked = re.findall(r"""^\s*gem\s*\(?['"]([\w.-]+)['"]""", text, re.MULTILINE)
    locked = re.findall(r"^    ([\w.-]+) \(", lock, re.MULTILINE)
    local = re.search(r"^\s*(gemspec\b|eval_gemfile|path\s+['\"])|\bpath:\s*['\"]|:path\s*=>", text, re.MULTILINE)
    files = ("Gemfile.lock", "Gemfile", ".ruby-version", ".tool-versions", *project.files("vendor/cache/*.gem"))
    note = "There is no Gemfile.lock: run `bundle lock` and commit it to get the same versions every time."
    return Gems(
        frozenset((*asked, *locked)),
        ("bundle install",),
        (".",) if local else tuple(name for name in files if project.has(name)),
        () if lock else (note,),
    )


def environment(project: Project, mode: str) -> dict[str, str]:
    if not project.has("Gemfile"):
        return {"RACK_ENV": mode}
    frozen = {"BUNDLE_DEPLOYMENT": "1"} if project.has("Gemfile.lock") else {}
    return {"RACK_ENV": mode, "BUNDLE_PATH": "/layers/deps/bundle", "BUNDLE_WITHOUT": "development:test"} | frozen


def version(project: Project) -> Versions:
    if found := pinned(project, "ruby", ".ruby-version"):
        return {"ruby": (number(found[0]), found[1])}
    if match := re.search(r"""^\s*ruby\s*\(?['"]\s*([^'"]+)['"]""", project.text("Gemfile"), re.MULTILINE):
        return {"ruby": (match[1].strip(), "from Gemfile")}
    if match := re.search(r"^RUBY VERSION\s+ruby (\d+\.\d+\.\d+)", project.text("Gemfile.lock"), re.MULTILINE):
        return {"ruby": (match[1], "from Gemfile.lock")}
    return {"ruby": NONE}


def _is_rails(project: Project, names: frozenset[str]) -> bool:
    return "rails" in names or "railties" in names or (
        project.has("config/application.rb") and project.has("bin/rails")
    )  # fmt: skip


def _plan(project: Project, overrides: Overrides) -> Plan:
    gems = dependencies(project)
    rails = _is_rails(project, gems.names)
    others = (name for name in ("hanami", "sinatra", "roda", "grape", "rack") if name in gems.names)
    framework = "rails" if rails else next(others, "")
    kind, start = started(project, overrides, lambda kind: _start(project, gems.names, framework, kind))
    env = environment(project, "production")
    if rails:
        env |= {"RAILS_ENV": "production", "RAILS_LOG_TO_STDOUT": "1", "RAILS_SERVE_STATIC_FILES": "1"}
    return Plan(
        stack="ruby",
        framework=framework,
        kind=kind,
        manager="bundler" if gems.install else "",
        versions=version(project),
        tools=("ruby", *(("bundle",) if gems.install else ()), *(node_assets.tools(project) if rails else ())),
        packages=tuple(_PACKAGES[name] for name in sorted(gems.names & _PACKAGES.keys())),
        install=gems.install,
        build=_build(project, gems.names) if rails else (),
        start=start,
        output="public" if kind == "static" else "",
        layer="deps" if gems.install else "",
        env=env,
        caches=caches("bundle", *(node_assets.cached(project) if rails else ())),
        lockfiles=gems.lockfiles,
        notes=gems.notes,
    )


def _build(project: Project, names: frozenset[str]) -> tuple[str, ...]:
    pipeline = names & {"sprockets-rails", "propshaft", "sprockets", "webpacker", "shakapacker", "vite_rails"}
    precompile = "SECRET_KEY_BASE_DUMMY=1 bundle exec rails assets:precompile"
    boots = ("bundle exec bootsnap precompile app/ lib/",) if "bootsnap" in names else ()
    calls = names & {"jsbundling-rails", "cssbundling-rails", "vite_rails", "vite_ruby", "shakapacker", "webpacker"}
    made = node_assets.install(project, build=not calls)  # those run the scripts while they precompile
    return (*made, *boots, *((precompile,) if pipeline else ()), *node_assets.away(project))


def _start(project: Project, names: frozenset[str], framework: str, kind: str) -> str:
    bundled = "bundle exec " if project.has("Gemfile") else ""
    if kind == "worker":
        for name, command in (("sidekiq", "bundle exec sidekiq"), ("good_job", "bundle exec good_job start"),
                              ("solid_queue", "bundle exec rake solid_queue:start")):  # fmt: skip
            if name in names:
                return command
    elif framework == "rails":
        return "bundle exec rails server -b 0.0.0.0 -p $PORT"
    elif framework == "hanami":
        return "bundle exec hanami server --host 0.0.0.0 --port $PORT"
    elif project.has("config.ru"):
        puma = f"{bundled}puma -b tcp://0.0.0.0:$PORT"
        return puma if "puma" in names else f"{bundled}rackup --host 0.0.0.0 --port $PORT"
    if program := project.first(*(reversed(_PROGRAMS) if kind == "worker" else _PROGRAMS)):
        web = kind == "web" and "sinatra" in names
        return f"{bundled}ruby {program}{' -o 0.0.0.0 -p $PORT' if web else ''}"
    hint = f"Add config.ru, write `{kind}: <command>` in a Procfile, or set the start command of the app."
    raise no_start("Ruby app", hint)


DETECTOR = Detector(
    name="ruby",
    title="Ruby",
    looks_for="Gemfile or config.ru",
    matches=lambda project: project.has("Gemfile", "config.ru"),
    plan=_plan,
    carries=lambda project: (
        frozenset({"node", "bun"}) if _is_rails(project, dependencies(project).names) else frozenset()
    ),
    # Fastlane, CocoaPods and the like are tools of another app.
    serious=lambda project: project.has("config.ru", "Gemfile.lock", "Rakefile", *_PROGRAMS) or bool(project.processes),
)
