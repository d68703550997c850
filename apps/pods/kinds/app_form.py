"""The form of an App."""

from __future__ import annotations

from apps.pods.kinds.base import Field
from apps.pods.sizes import SIZES

RUNS = (("type", ("web", "worker")),)
WEB = (("type", ("web",)),)

_TYPES = (
    ("web", "Web: answers HTTP requests on $PORT"),
    ("worker", "Worker: runs without traffic"),
    ("static", "Static: files, served by the edge"),
)
_FRAMEWORKS = (
    ("", "Found by itself"), ("node", "Node.js"), ("python", "Python"), ("go", "Go"), ("ruby", "Ruby"), ("php", "PHP"),
    ("java", "Java"), ("rust", "Rust"), ("elixir", "Elixir"), ("dotnet", ".NET"), ("deno", "Deno"), ("bun", "Bun"),
    ("hugo", "Hugo"), ("jekyll", "Jekyll"), ("static", "Static files"), ("shell", "Shell script"),
    ("docker", "Dockerfile"),
)  # fmt: skip
_BUILDERS = (
    ("", "Found by itself"),
    ("bundle", "Bundle: built and run with the machine's own tools"),
    ("image", "Image: built by Docker"),
    ("railpack", "Railpack: planned by it, built by Docker"),
)
_SIZES = tuple((name, f"{name}: {size.cpu:g} CPU, {size.memory} MB") for name, size in SIZES.items())

FORM = (
    Field("type", "Type", "select", section="App", options=_TYPES),
    Field(
        "source.repo", "Repository", section="Source", placeholder="https://github.com/you/app.git",
        hint="https, ssh, or brainpod:<team>/<name> for a repository hosted here.",
    ),
    Field("source.branch", "Branch", section="Source", placeholder="main", hint="Empty: the default branch."),
    Field(
        "source.rootDir", "Root directory", section="Source", placeholder="apps/web",
        hint="Where the app is in the repository. Empty: at its root.",
    ),
    Field(
        "source.watchPaths", "Watch paths", "lines", section="Source", advanced=True, placeholder="apps/web/**",
        hint="A push deploys only when it changes one of these. One a line; ! takes paths out. Empty: every push.",
    ),
    Field("source.submodules", "Clone submodules", "checkbox", section="Source", advanced=True),
    Field("build.framework", "Framework", "select", section="Build", options=_FRAMEWORKS),
    Field(
        "build.installCommand", "Install command", section="Build", advanced=True,
        hint="Empty: what the lockfile asks for.",
    ),
    Field("build.buildCommand", "Build command", section="Build", hint="Empty: what the framework asks for."),
    Field(
        "build.outputDir", "Output directory", section="Build", placeholder="dist",
        when=(("type", ("static",)),), hint="Empty: where the framework puts it.",
    ),
    Field("build.builder", "Builder", "select", section="Build", advanced=True, options=_BUILDERS),
    Field(
        "build.dockerfile", "Dockerfile", section="Build", advanced=True, placeholder="Dockerfile",
        hint="Where it is, from the root directory of the app.",
    ),
    Field(
        "build.target", "Build target", section="Build", advanced=True, placeholder="production",
        hint="The stage of the Dockerfile that is deployed. Empty: the last.",
    ),
    Field(
        "build.cache", "Enable build cache on redeploy", "checkbox", section="Build",
        hint="Off: the next build begins with nothing, and what was kept is never used again.",
    ),
    Field(
        "startCommand", "Start command", section="Run", when=RUNS, placeholder="gunicorn app:app",
        hint="Empty: from the Procfile, or what the framework asks for.",
    ),
    Field(
        "preStart", "Pre-start command", section="Run", when=RUNS, advanced=True, placeholder="./seed.sh",
        hint="Runs before each start of a new version, with the app's variables and disk but without its code or tools,"
        " in 128 MB. Migrations that need the app go into the Procfile, as release.",
    ),
    Field("instance", "Instance", "select", section="Run", when=RUNS, options=_SIZES),
    Field(
        "replicas", "Replicas", "number", section="Run", when=RUNS, minimum=1, maximum=10,
        hint="More than one needs 1x or larger, and no disk.",
    ),
    Field(
        "healthCheckPath", "Health check path", section="Run", when=WEB, placeholder="/health",
        hint="Traffic moves to a new version once this answers 2xx or 3xx.",
    ),
    Field(
        "healthCheckTimeout", "Health check window", "number", section="Run", when=WEB, unit="s", minimum=1,
        maximum=600, advanced=True,
    ),
    Field(
        "env", "Variables", "pairs", section="Environment",
        hint="Values are kept to the byte. ${name.attr} is filled in: ${api.url}, ${settings.GREETING}.",
    ),
    Field(
        "configs", "Attached configs", "names", section="Environment", kind="Config",
        hint="Their variables and secrets, in this order; the app's own variables win.",
    ),
    Field(
        "mounts", "Mounts", "mounts", section="Storage", when=RUNS,
        hint="A disk has one writer: with one, a deploy stops the app for a moment.",
    ),
)  # fmt: skip
