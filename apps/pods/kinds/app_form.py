"""The form of an App."""

from __future__ import annotations

from apps.pods.kinds.base import Field
from apps.pods.sizes import OPTIONS

RUNS = (("type", ("web", "mcp", "worker")),)
WEB = (("type", ("web", "mcp")),)
HAS_CODE = (("type", ("web", "mcp", "worker", "job")),)
HTTP = (*WEB, ("healthCheckType", ("http",)))
SCALES = (("type", ("web", "worker")),)
AUTO = (*SCALES, ("scaling", ("auto",)))

_TYPES = (
    ("web", "Web: answers HTTP requests on $PORT"),
    ("mcp", "MCP server: answers Model Context Protocol on $PORT"),
    ("worker", "Worker: runs without traffic"),
    ("job", "Jobs: runs by the clock, and nothing between"),
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
_CHECKS = (
    ("http", "HTTP: a path answers 2xx or 3xx"),
    ("tcp", "TCP: the port takes connections"),
    ("command", "Command: ends with 0"),
)
_SCALING = (("fixed", "Fixed: always as many"), ("auto", "Automatic: as many as the load asks for"))
PUSH = "push"  # asked besides: the repository is the platform's own (apps/pushes)

FORM = (
    Field("type", "Type", "select", section="App", options=_TYPES),
    Field(
        "source.repo", "Repository", section="Source", placeholder="https://github.com/you/app.git",
        hint="https, ssh, or brainpod:<team>/<name> for a repository hosted here.",
    ),
    Field(
        PUSH, "Push from my machine", "checkbox", section="Source", aside=True,
        hint="With git push, without any git host: leave Repository empty. The app's page then says where to push.",
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
    Field(
        "spaFallback", "Unknown paths get index.html", "checkbox", section="Run", when=(("type", ("static",)),),
        hint="What a single-page app needs. Off: they get 404.html, with the status 404.",
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
        "build.memory", "Build memory", "number", section="Build", unit="MB", minimum=0, advanced=True,
        hint="Of each command of a build. 0: what the installation gives.",
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
    Field("instance", "Instance", "select", section="Run", when=HAS_CODE, options=OPTIONS),
    Field(
        "scaling", "Scaling", "select", section="Scaling", when=SCALES, options=_SCALING,
        hint="Automatic needs 1x or larger, and no disk.",
    ),
    Field(
        "replicas", "Replicas", "number", section="Scaling", when=(*RUNS, ("scaling", ("fixed",))), minimum=1,
        maximum=10, hint="More than one needs 1x or larger, and no disk.",
    ),
    Field("minReplicas", "Min instances", "number", section="Scaling", when=AUTO, minimum=1, maximum=10),
    Field("maxReplicas", "Max instances", "number", section="Scaling", when=AUTO, minimum=1, maximum=10),
    Field(
        "targetCpu", "CPU target", "number", section="Scaling", when=AUTO, unit="%", minimum=0, maximum=100,
        hint="On average over the instances, of what one has. 0: CPU is not looked at.",
    ),
    Field(
        "targetMemory", "Memory target", "number", section="Scaling", when=AUTO, unit="%", minimum=0, maximum=100,
        hint="As for CPU. 0: memory is not looked at.",
    ),
    Field(
        "scaleCooldown", "Cool-down", "number", section="Scaling", when=AUTO, unit="s", minimum=60, maximum=3600,
        advanced=True, hint="An instance is taken away only when it was not needed for that long.",
    ),
    Field(
        "sleepAfter", "Sleep after", "number", section="Scaling", when=(("type", ("web",)),), unit="min", minimum=0,
        maximum=1440,
        hint="Stopped after so long without a request, started by the next one, which waits for it. 0: never.",
    ),
    Field(
        "healthCheckType", "Health check", "select", section="Run", when=WEB, options=_CHECKS, advanced=True,
        hint="Traffic moves to a new version once it passes; what serves is checked again and again.",
    ),
    Field(
        "healthCheckPath", "Health check path", section="Run", when=HTTP, placeholder="/health",
        hint="Traffic moves to a new version once this answers 2xx or 3xx. Of an MCP server, / may also answer 4xx.",
    ),
    Field(
        "healthCheckCommand", "Health check command", section="Run", when=RUNS, placeholder="./healthy.sh",
        advanced=True, hint="Run beside the app, in a shell: 0 is healthy. Of a worker with none: that it runs.",
    ),
    Field(
        "healthCheckTimeout", "Health check window", "number", section="Run", when=RUNS, unit="s", minimum=1,
        maximum=600, advanced=True, hint="A new version has this long to become healthy.",
    ),
    Field(
        "healthCheckInterval", "Health check interval", "number", section="Run", when=RUNS, unit="s", minimum=1,
        maximum=300, advanced=True,
    ),
    Field(
        "healthCheckThreshold", "Failures until unhealthy", "number", section="Run", when=RUNS, minimum=1,
        maximum=20, advanced=True, hint="In a row. One check that passes is enough to be healthy again.",
    ),
    Field(
        "healthCheckAttemptTimeout", "Timeout of one check", "number", section="Run", when=RUNS, unit="s", minimum=1,
        maximum=60, advanced=True,
    ),
    Field(
        "mcpKey", "Ask for a key", "checkbox", section="Run", when=(("type", ("mcp",)),),
        hint="Clients then need a key that you make on the app's page; without one every request is answered 401.",
    ),
    Field(
        "jobs", "Jobs", "jobs", section="Jobs", when=HAS_CODE,
        hint="Run by the clock with the app's code, variables, secrets, disks and files: 0 3 * * * is every day at"
        " three; @hourly, @daily, @weekly and @monthly are known too. They run what is live.",
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
        "mounts", "Mounts", "mounts", section="Storage", when=HAS_CODE,
        hint="A disk has one writer: with one, a deploy stops the app for a moment.",
    ),
)  # fmt: skip
