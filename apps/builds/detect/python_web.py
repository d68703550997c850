"""Which web framework a Python app is written in, and what serves it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from apps.builds.detect.detector import no_start
from apps.builds.detect.project import Project

_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_FILES = ("app.py", "main.py", "wsgi.py", "asgi.py", "application.py", "server.py", "api.py", "run.py")
_PLACES = ("", "app/", "src/", "api/", "backend/")
_ASGI = {"fastapi": "FastAPI", "starlette": "Starlette", "litestar": "Litestar", "quart": "Quart"}


@dataclass(frozen=True, slots=True)
class App:
    """`start` makes the start command or raises UserError("no_start_command") saying what is missing."""

    framework: str = ""
    start: Callable[[], str] = lambda: ""
    build: tuple[str, ...] = ()


def find(project: Project, names: frozenset[str]) -> App:
    """`names`: what the app depends on, normalised."""
    if project.has("manage.py") and ("django" in names or "DJANGO_SETTINGS_MODULE" in project.text("manage.py")):
        return _django(project, names)
    for name, word in _ASGI.items():
        if name in names and (found := _object(project, rf"(?:{word})\(")):
            return App(name, lambda: _asgi(found, names))
    if "flask" in names:
        found = _object(project, r"(?:flask\.)?Flask\(") or _factory(project)
        return App("flask", lambda: _flask(found, names))
    if "streamlit" in names and (file := project.first("streamlit_app.py", *_FILES)):
        return App("streamlit", lambda: f"streamlit run {file} --server.address 0.0.0.0 --server.port $PORT")
    return App()


def _django(project: Project, names: frozenset[str]) -> App:
    match = re.search(r"DJANGO_SETTINGS_MODULE['\"]\s*,\s*['\"]([\w.]+)['\"]", project.text("manage.py"))
    settings = match[1] if match else ""
    base = settings.partition(".")[0]
    if not base or not project.has(f"{base}/wsgi.py", f"{base}/asgi.py"):
        base = next((f.partition("/")[0] for f in project.files("*/wsgi.py")), base)
    path = settings.replace(".", "/")
    sources = [
        f"{path}.py",
        *project.files(f"{path}/*.py" if path else "*/settings.py"),
        *project.files(f"{base}/settings/*.py"),
    ]
    collects = any(re.search(r"^\s*STATIC_ROOT\s*=", project.text(name), re.MULTILINE) for name in sources)
    build = ("python manage.py collectstatic --noinput",) if collects else ()

    def start() -> str:
        if base and _MODULE.fullmatch(base):
            if "gunicorn" in names and project.has(f"{base}/wsgi.py"):
                return f"gunicorn {base}.wsgi --bind 0.0.0.0:$PORT"
            if "uvicorn" in names and project.has(f"{base}/asgi.py"):
                return f"uvicorn {base}.asgi:application --host 0.0.0.0 --port $PORT"
            if "daphne" in names and project.has(f"{base}/asgi.py"):
                return f"daphne -b 0.0.0.0 -p $PORT {base}.asgi:application"
            if "waitress" in names and project.has(f"{base}/wsgi.py"):
                return f"waitress-serve --port=$PORT {base}.wsgi:application"
        raise no_start("Django project", "Add gunicorn to its requirements, or set the start command of the app.")

    return App("django", start, build)


def _asgi(target: str, names: frozenset[str]) -> str:
    if names & {"uvicorn", "fastapi[standard]", "fastapi[all]", "fastapi-cli", "litestar[standard]"}:
        return f"uvicorn {target} --host 0.0.0.0 --port $PORT"
    if "hypercorn" in names or target.startswith("quart"):
        return f"hypercorn {target} --bind 0.0.0.0:$PORT"
    if "granian" in names:
        return f"granian --interface asgi --host 0.0.0.0 --port $PORT {target}"
    raise no_start("ASGI app", "Add uvicorn to its requirements, or set the start command of the app.")


def _flask(target: str, names: frozenset[str]) -> str:
    if not target:
        hint = "Name it `app` in app.py, write `web: <command>` in a Procfile, or set the start command of the app."
        raise no_start("Flask app: no Flask object was found in it", hint)
    if "gunicorn" in names:
        quoted = f"'{target}'" if "(" in target else target
        return f"gunicorn {quoted} --bind 0.0.0.0:$PORT"
    if "waitress" in names:
        called = f"--call {target.removesuffix('()')}" if target.endswith("()") else target
        return f"waitress-serve --port=$PORT {called}"
    return f"flask --app {target.removesuffix('()')} run --host 0.0.0.0 --port $PORT"


def _candidates(project: Project) -> list[str]:
    named = [f"{place}{file}" for place in _PLACES for file in _FILES if project.has(f"{place}{file}")]
    rest = [
        *project.files("*.py"),
        *project.files("*/__init__.py"),
        *project.files("*/app.py"),
        *project.files("*/main.py"),
    ]
    return list(dict.fromkeys([*named, *rest]))


def _module(file: str) -> str:
    name = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return name if _MODULE.fullmatch(name) else ""


def _object(project: Project, call: str) -> str:
    """`module:name` of the first `name = <call>` at a module's top level."""
    for file in _candidates(project):
        match = re.search(rf"^([A-Za-z_]\w*)\s*(?::[^=\n]+)?=\s*(?:\w+\.)?{call}", project.text(file), re.MULTILINE)
        if match and (module := _module(file)):
            return f"{module}:{match[1]}"
    return ""


def _factory(project: Project) -> str:
    for file in _candidates(project):
        match = re.search(
            r"^def (create_app|make_app)\(\s*(?:\w+[^,)]*=[^,)]*,?\s*)*\)", project.text(file), re.MULTILINE
        )
        if match and (module := _module(file)):
            return f"{module}:{match[1]}()"
    return ""
