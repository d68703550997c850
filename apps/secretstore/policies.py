"""What the platform needs in a Vault: one KV mount, its own role, and a token role for the tokens of pods.

The embedded store sets itself up with this; docs/embedded.md shows the same for a Vault outside.
"""

from __future__ import annotations

from typing import Any

MOUNT = "brainpod"
PLATFORM = "brainpod"
POD_ROLE = "brainpod-pod"
POD_POLICY = "brainpod-pod-"
MAX_TTL = 600  # seconds that a pod's token lives at most
MAX_VERSIONS = 2000  # of one path: their list is one entry of the storage, which has 1 MiB


def platform_policy(mount: str = MOUNT) -> str:
    """Everything beneath the mount, the policies of pods, and tokens by the pods' role; nothing else."""
    rules = {
        f"{mount}/*": ["create", "read", "update", "delete", "list"],
        f"sys/policies/acl/{POD_POLICY}*": ["create", "read", "update", "delete"],
        f"auth/token/create/{POD_ROLE}": ["create", "update"],
    }
    return "".join(_rule(path, capabilities) for path, capabilities in rules.items())


def pod_policy(pod: str, mount: str = MOUNT) -> str:
    """Reading the values of one pod; and looking at the token itself, and giving it up."""
    own = _rule("auth/token/lookup-self", ["read"]) + _rule("auth/token/revoke-self", ["update"])
    return _rule(f"{mount}/data/pods/{pod}/*", ["read"]) + own


def _rule(path: str, capabilities: list[str]) -> str:
    words = ", ".join(f'"{capability}"' for capability in capabilities)
    return f'path "{path}" {{ capabilities = [{words}] }}\n'


def setup(mount: str = MOUNT) -> dict[str, dict[str, Any]]:
    """The writes, in order, that make an empty Vault ready for the platform: path → data.

    `configuration` comes after them, once the mount takes requests (a moment later).
    """
    return {
        f"sys/mounts/{mount}": {"type": "kv", "options": {"version": "2"}},
        "sys/auth/approle": {"type": "approle"},
        f"sys/policies/acl/{PLATFORM}": {"policy": platform_policy(mount)},
        f"auth/token/roles/{POD_ROLE}": {
            "allowed_policies_glob": [f"{POD_POLICY}*"],
            "orphan": True,
            "renewable": False,
            "token_explicit_max_ttl": MAX_TTL,
            "token_no_default_policy": True,
            "token_type": "service",
        },
        f"auth/approle/role/{PLATFORM}": {
            "token_policies": [PLATFORM],
            "token_no_default_policy": True,
            "token_ttl": 3600,
            "token_max_ttl": 3600,
        },
    }


def configuration(mount: str = MOUNT) -> tuple[str, dict[str, Any]]:
    """The write, in the platform's own power, that makes the mount keep versions: path and data."""
    return f"{mount}/config", {"max_versions": MAX_VERSIONS}
