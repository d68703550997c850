"""What the health check found instead of a healthy app; the words are those of apps.deployments.health."""

from __future__ import annotations

from apps.builds.failures.entry import Entry, Fix, signs

HEALTH = (
    Entry(
        "not_listening",
        "The app listens elsewhere",
        ("health",),
        "The app runs, but does not listen on 0.0.0.0 and the port in PORT: it is still starting, or listens on the"
        " loopback address only, or on a port of its own.",
        "Have it listen on 0.0.0.0 and the port in the variable PORT.",
        signs("listens on {where:text}", "listens only on {where:text}"),
        fixes=(
            Fix("Wait five minutes", "healthCheckTimeout", 300, on="listens on nothing yet"),
            Fix("Set HOST to 0.0.0.0", "env.HOST", "0.0.0.0", on="127.0.0.1"),
            Fix("Set HOST to 0.0.0.0", "env.HOST", "0.0.0.0", on="[::1]"),
        ),
    ),
    Entry(
        "health_check_status",
        "The health path answers with an error",
        ("health",),
        "The app answers, but not with 2xx or 3xx on its health path.",
        "Mend what the path answers, or check another path. 400 often means that the framework does not know the host"
        " name (ALLOWED_HOSTS in Django), 401 or 403 that the path asks for a sign-in.",
        signs(
            "was not healthy within {n:number} s: {path} answered {status:number}", "{path} answered {status:number}"
        ),
        fixes=(
            Fix("Check /", "healthCheckPath", "/", on="answered 4"),
            Fix("Check /health", "healthCheckPath", "/health", on="answered 4"),
            Fix("Check /healthz", "healthCheckPath", "/healthz", on="answered 4"),
        ),
    ),
    Entry(
        "health_check_timeout",
        "The health path does not answer in time",
        ("health",),
        "The app takes the connection and then is silent: its health path waits for something slow.",
        "Answer the health path without asking a database or another service.",
        signs("was not healthy within {n:number} s: {path} did not answer within", "{path} did not answer within"),
        fixes=(Fix("Check /", "healthCheckPath", "/"), Fix("Wait five minutes", "healthCheckTimeout", 300)),
    ),
    Entry(
        "health_check_command",
        "The check command ends with an error",
        ("health",),
        "The app runs, but the command that checks its health does not end with 0.",
        "Run the command in the app by hand, and mend what it finds; it has everything the app has.",
        signs("was not healthy within {n:number} s: the check command ended with", "the check command ended with"),
        fixes=(Fix("Wait five minutes", "healthCheckTimeout", 300),),
    ),
    Entry(
        "health_check_failed",
        "The app did not become healthy in time",
        ("health",),
        "Nothing answered within the window: the app starts slowly, or never listens.",
        "See in the log how far it came; give it more time, or do slow work before the start.",
        signs("was not healthy within {n:number} s", "Not healthy within its window"),
        fixes=(Fix("Wait five minutes", "healthCheckTimeout", 300), Fix("Wait ten minutes", "healthCheckTimeout", 600)),
    ),
)
