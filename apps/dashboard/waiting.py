"""What a deployment that has not begun is waiting for, in words."""

from __future__ import annotations

from apps.deployments import dispatch
from apps.deployments.models import Deployment


def place(deployment: Deployment) -> int | None:
    """Its place in the queue it waits in, from 1; None if it waits in none."""
    return dispatch.ahead(deployment) + 1 if deployment.waits_for and not deployment.cancel_at else None


def words(deployment: Deployment) -> str:
    """One or two sentences; empty for one that is under way or has ended."""
    if not deployment.is_open or (deployment.state != "waiting" and not deployment.waits_for):
        return ""
    pod = deployment.pod
    limits, number = pod.team.limits, place(deployment)
    match deployment.waits_for:
        case "slot":
            at_once = "1 build" if limits.slots == 1 else f"{limits.slots} builds"
            return f"Waits for a build slot, number {number} in the queue: plan {limits.name} has {at_once} at once."
        case "minutes":
            used = f"The {limits.minutes} build minutes of the plan {limits.name} are used up for this month."
            return f"{used} It is built when the next one begins, number {number} in the queue."
        case "region":
            return f"Waits for a builder in the region {pod.region}: none is there now."
        case "daemon":
            there = f"The builders in the region {pod.region} keep images in a Docker daemon of their own"
            return f"{there}, which this platform does not run. Have an operator set BRAINPOD_REGISTRY."
        case "builder":
            return f"Waits for a free builder, number {number} in the queue."
        case _ if deployment.builder:
            return f"Given to the builder {deployment.builder.name}, which begins in a moment."
    return "Waits for the deployment before it to end."
