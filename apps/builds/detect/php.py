"""PHP: Laravel, Symfony, and directories that PHP's own server serves."""

from __future__ import annotations

import re

from apps.builds.detect import node_assets
from apps.builds.detect.detector import Detector, no_start, started
from apps.builds.detect.pins import NONE, number, pinned
from apps.builds.detect.plan import Overrides, Plan, Versions, caches
from apps.builds.detect.project import Project, table

_INSTALL = "composer install --no-dev --no-interaction --no-progress --prefer-dist --optimize-autoloader"
_BUILT_IN = (
    "ctype", "curl", "date", "dom", "fileinfo", "filter", "hash", "iconv", "json", "libxml", "openssl", "pcntl", "pcre",
    "pdo", "phar", "posix", "session", "simplexml", "sodium", "spl", "tokenizer", "xmlwriter",
)  # fmt: skip
_UNLOCKED = "There is no composer.lock: commit it to get the same versions every time."
_SERVES = "PHP's own server answers four requests at a time; set the start command for another one."


def _requires(project: Project) -> dict[str, str]:
    return {name.lower(): str(wanted) for name, wanted in table(project.composer.get("require")).items()}


def _framework(project: Project, requires: dict[str, str]) -> str:
    if project.has("artisan") and "laravel/framework" in requires:
        return "laravel"
    if "symfony/framework-bundle" in requires:
        return "symfony"
    for package, name in (("laravel/lumen-framework", "lumen"), ("slim/slim", "slim"), ("cakephp/cakephp", "cakephp"),
                          ("codeigniter4/framework", "codeigniter"), ("yiisoft/yii2", "yii")):  # fmt: skip
        if package in requires:
            return name
    return "wordpress" if project.has("wp-config.php", "wp-settings.php", "wp-load.php") else ""


def _plan(project: Project, overrides: Overrides) -> Plan:
    requires = _requires(project)
    framework = _framework(project, requires)
    kind, start = started(project, overrides, lambda kind: _start(project, requires, framework, kind))
    locked = project.has("composer.lock")
    installs = locked or any("/" in name for name in requires) or "autoload" in project.composer
    named = {name.removeprefix("ext-") for name in requires if name.startswith("ext-")}
    extensions = sorted(named | ({"mysqli"} if framework == "wordpress" else set()))
    notes = [] if locked or not installs else [_UNLOCKED]
    notes += [_SERVES] if "php -S" in start or "artisan serve" in start else []
    assets = _assets(project, framework)
    return Plan(
        stack="php",
        framework=framework,
        kind=kind,
        manager="composer" if installs else "",
        versions=_version(project, requires),
        tools=("php", *(("composer",) if installs else ()), *(node_assets.tools(project) if assets else ())),
        packages=tuple(f"php-{name}" for name in extensions if name not in _BUILT_IN and re.fullmatch(r"\w+", name)),
        install=(_INSTALL,) if installs else (),
        build=_build(project, requires, framework),
        start=start,
        output="public" if kind == "static" else "",
        env={"APP_ENV": "production" if framework == "laravel" else "prod", "PHP_CLI_SERVER_WORKERS": "4"}
        if framework in ("laravel", "symfony") else {"PHP_CLI_SERVER_WORKERS": "4"},
        caches=caches("composer", *(node_assets.cached(project) if assets else ())) if installs or assets else (),
        notes=tuple(notes),
    )  # fmt: skip


def _assets(project: Project, framework: str) -> bool:
    return framework in ("laravel", "symfony") and bool(node_assets.tools(project))


def _build(project: Project, requires: dict[str, str], framework: str) -> tuple[str, ...]:
    """What frameworks make beforehand; never the configuration, which would carry secrets into the artifact."""
    made = (*node_assets.install(project), *node_assets.away(project)) if _assets(project, framework) else ()
    if framework == "laravel":
        views = ("php artisan view:cache",) if project.has_directory("resources/views") else ()
        return (*made, "php artisan event:cache", "php artisan route:cache", *views)
    if framework == "symfony" and project.has("bin/console"):
        maps = ("php bin/console asset-map:compile",) if "symfony/asset-mapper" in requires else ()
        return (*made, "php bin/console cache:warmup", *maps)
    return made


def _start(project: Project, requires: dict[str, str], framework: str, kind: str) -> str:
    if kind == "worker":
        if framework == "laravel":
            return "php artisan queue:work"
        if framework == "symfony" and "symfony/messenger" in requires:
            return "php bin/console messenger:consume async"
        if program := project.first("worker.php", "bot.php"):
            return f"php {program}"
        raise no_start("PHP worker", "Write `worker: <command>` in a Procfile, or set the start command of the app.")
    if framework == "laravel":
        octane = "laravel/octane" in requires
        return f"php artisan {'octane:start' if octane else 'serve'} --host=0.0.0.0 --port=$PORT"
    for directory in ("public", "web", "webroot", "html"):
        if project.has(f"{directory}/index.php"):
            return f"php -S 0.0.0.0:$PORT -t {directory}"
    if project.has("index.php"):
        return "php -S 0.0.0.0:$PORT -t ."
    if program := project.first("server.php", "main.php"):
        return f"php {program}"
    raise no_start("PHP app: there is no index.php", "Add public/index.php, or set the start command of the app.")


def _version(project: Project, requires: dict[str, str]) -> Versions:
    if "php" in requires:
        return {"php": (requires["php"], "from composer.json")}
    found = pinned(project, "php", ".php-version")
    return {"php": (number(found[0]), found[1]) if found else NONE}


def _carries(project: Project) -> frozenset[str]:
    known = _framework(project, _requires(project)) in ("laravel", "symfony")
    return frozenset({"node", "bun"}) if known else frozenset()


def _serious(project: Project) -> bool:
    """A composer.json may be there for a theme or for tools."""
    files = ("index.php", "public/index.php", "artisan", "bin/console", "composer.lock")
    return project.has(*files) or any("/" in name for name in _requires(project))


DETECTOR = Detector(
    name="php", title="PHP", looks_for="composer.json or index.php",
    matches=lambda project: project.has("composer.json", "index.php"), plan=_plan, carries=_carries,
    serious=_serious,
)  # fmt: skip
