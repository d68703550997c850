"""The benchmarks, in the order they are run: a module of this package each, with `measure(ground) -> Row`."""

NAMES = (
    "live_src",
    "live_cold",
    "live_static",
    "stacks",
    "rollback",
    "cache_restore",
    "build_churn",
    "log_live",
    "log_burst",
    "redeploy_drop",
    "noisy_build",
    "build_queue",
    "detect_corpus",
    "page_list",
    "idle",
    # Last: the platform that serves the others is stopped for these.
    "live_docker",
    "first_run",
)
