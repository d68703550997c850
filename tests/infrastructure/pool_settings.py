"""What of the platform's own settings a worker's processes depend on; test_pool compares."""

SETTINGS = {
    "worker_pool": "brainpod.pool:TaskPool",
    "worker_autoscaler": "brainpod.pool:Autoscaler",
    "worker_prefetch_multiplier": 1,
    "worker_enable_prefetch_count_reduction": False,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
}
