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
    "log_watchers",
    "webhook_intake",
    "redeploy_drop",
    "launch",
    "noisy_build",
    "build_queue",
    "detect_corpus",
    "page_list",
    "idle",
    "checks",
    "crash_loop",
    "backup",
    "page_many",
    # Last: the platform that serves the others is stopped for these.
    "edge_proxy",
    "edge_static",
    "route_change",
    "certificate",
    "live_docker",
    "launch_docker",
    "redeploy_drop_docker",
    "first_run",
)

# What takes minutes each: `make bench-soak` measures these too.
LONG = frozenset({
    "stacks", "cache_restore", "build_churn", "noisy_build", "crash_loop", "backup", "page_many", "route_change",
    "redeploy_drop_docker",
})  # fmt: skip
SHORT = tuple(name for name in NAMES if name not in LONG)
