"""The engines there are, in words for people."""

from __future__ import annotations

TITLES = {"process": "processes on this host", "docker": "Docker", "nomad": "Nomad"}
MEANINGS = {
    "process": "Each instance is a process of this machine in a sandbox of its own: starts fastest, needs nothing.",
    "docker": "Each instance is a container of the Docker daemon, from the app's own Dockerfile or one made for it.",
    "nomad": "Each instance is an allocation of the Nomad cluster, on whichever of its machines has room.",
}
"""By name: what an engine is called within a sentence, and what it means to run on it."""
