"""What is wrong with a snapshot as a whole."""

from __future__ import annotations

from apps.pods.models import Snapshot
from apps.pods.validation import problems, warnings
from tests.pods.specs import RULES, app, env, snapshot


def _paths(made: Snapshot) -> list[str]:
    return [detail.path for detail in problems(made)]


def test_nothing_wrong() -> None:
    mounts = [{"path": "/data", "disk": "data"}, {"path": "/conf", "config": "settings", "file": "a.txt"}]
    made = snapshot(
        web=("App", app(configs=["settings"], mounts=mounts)),
        front=("Route", RULES),
        data=("Disk", {}),
        settings=("Config", {"files": {"a.txt": "x"}}),
    )
    assert problems(made) == []
    assert warnings(made) == []


def test_what_is_missing_is_named() -> None:
    mounts = [{"path": "/data", "disk": "data"}, {"path": "/conf", "config": "none", "file": "a.txt"}]
    made = snapshot(web=("App", app(configs=["settings"], mounts=mounts)), front=("Route", {"rules": [{"app": "api"}]}))
    assert sorted(_paths(made)) == ["front.rules.0.app", "web.configs.0", "web.mounts.0.disk", "web.mounts.1.config"]


def test_another_kind_is_no_substitute() -> None:
    made = snapshot(
        web=("App", app(configs=["data"])), data=("Disk", {}), front=("Route", {"rules": [{"app": "data"}]})
    )
    assert sorted(_paths(made)) == ["front.rules.0.app", "web.configs.0"]


def test_a_file_the_config_does_not_have() -> None:
    mounts = [{"path": "/conf", "config": "settings", "file": "b.txt"}]
    assert _paths(snapshot(web=("App", app(mounts=mounts)), settings=("Config", {}))) == ["web.mounts.0.file"]


def test_one_disk_has_one_writer() -> None:
    mounts = [{"path": "/data", "disk": "data"}]
    made = snapshot(a=("App", app(mounts=mounts)), b=("App", app(mounts=mounts)), data=("Disk", {}))
    assert _paths(made) == ["b.mounts.0.disk"]


def test_a_worker_has_no_route() -> None:
    assert _paths(snapshot(web=("App", app(type="worker")), front=("Route", RULES))) == ["front.rules.0.app"]


def test_warnings_do_not_block() -> None:
    made = snapshot(web=("App", app(env=env(PORT="80", X="${no.body}"))), data=("Disk", {}))
    assert problems(made) == []
    assert {detail.path for detail in warnings(made)} == {"web.env.PORT", "web.env.X", "web", "data"}
