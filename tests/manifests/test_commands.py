"""manage.py export and apply."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.accounts.models import Team
from apps.deployments.models import Deployment
from apps.manifests.management.commands.apply import DESTROYS, DIFFERS, REFUSED
from apps.pods.models import Pod
from tests.manifests.conftest import SHOP

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("openbao")]
SECRETS = "settings:\n  API_KEY: hunter2-the-key\nsite:\n  password: a-long-password\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "brainpod.yaml").write_text(SHOP)
    (tmp_path / "secrets.yaml").write_text(SECRETS)
    return str(tmp_path / "brainpod.yaml"), str(tmp_path / "secrets.yaml")


def code_of(*args: Any, **options: Any) -> int:
    try:
        call_command(*args, **options)
    except CommandError as error:
        return error.returncode
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_a_pod_is_made_planned_deployed_and_exported(team: Team, files: tuple[str, str], capsys: Any) -> None:
    file, secrets = files
    given = {"team": team.slug, "secrets": Path(secrets)}
    assert code_of("apply", file, plan=True, **given) == DIFFERS
    said = capsys.readouterr().out
    assert "Makes the pod shop" in said
    assert "makes the empty disk data of 10 GB" in said
    assert not Pod.objects.exists()
    assert code_of("apply", file, deploy=True, **given) == 0
    pod = Pod.objects.get(name="shop")
    assert (pod.team, Deployment.objects.get().pod, pod.draft) == (team, pod, None)
    capsys.readouterr()
    call_command("export", "shop")
    said = capsys.readouterr().out
    assert said == SHOP
    assert code_of("apply", file, plan=True) == DIFFERS, "it is not live yet"
    Pod.objects.update(live=pod.head)
    assert code_of("apply", file, plan=True) == 0
    assert "hunter2" not in capsys.readouterr().out


def test_the_platforms_log_is_not_what_one_reads_at_the_terminal(
    team: Team, files: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    file, secrets = files
    assert code_of("apply", file, deploy=True, team=team.slug, secrets=Path(secrets)) == 0
    assert Deployment.objects.exists()
    assert "deployment_made" not in caplog.text
    assert logging.getLogger().level == logging.INFO, "what the process does next is logged again"


def test_destroying_needs_a_yes(team: Team, files: tuple[str, str], tmp_path: Path, capsys: Any) -> None:
    file, secrets = files
    assert code_of("apply", file, team=team.slug, secrets=Path(secrets), deploy=True) == 0
    pod = Pod.objects.get()
    Pod.objects.update(live=pod.head)
    (tmp_path / "none.yaml").write_text("version: 1\npod: shop\nresources: {}\n")
    none = str(tmp_path / "none.yaml")
    assert code_of("apply", none, deploy=True) == DESTROYS
    assert pod.draft is None, "nothing is put into the draft either"
    assert code_of("apply", none, deploy=True, keep=True) == 0
    assert pod.draft is None
    assert code_of("apply", none, deploy=True, yes=True) == 0
    assert Deployment.objects.count() == 2


def test_what_is_refused_names_the_line_and_leaves_nothing(
    team: Team, files: tuple[str, str], tmp_path: Path, capsys: Any
) -> None:
    file, _ = files
    with pytest.raises(
        CommandError, match=r"line 10, column 11: resources\.Config\.settings\.secrets\.API_KEY"
    ) as caught:
        call_command("apply", file, team=team.slug)
    assert caught.value.returncode == REFUSED
    assert not Pod.objects.exists()
    for options, words in (
        ({}, "--team SLUG makes it there"),
        ({"team": "nowhere"}, "There is no team nowhere"),
    ):
        with pytest.raises(CommandError, match=words):
            call_command("apply", file, **options)
    with pytest.raises(CommandError, match="No such file"):
        call_command("apply", str(tmp_path / "missing.yaml"))
    with pytest.raises(CommandError, match="There is no pod called shop"):
        call_command("export", "shop")


def test_a_pod_of_another_team_is_not_there(team: Team, pod: Pod, files: tuple[str, str]) -> None:
    with pytest.raises(CommandError, match="There is no pod called shop in the team elsewhere"):
        call_command("apply", files[0], team="elsewhere")


def test_files_of_other_tools_are_converted(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "docker-compose.yml").write_text("services:\n  web: {build: ., labels: [x]}\n")
    call_command("convert", str(tmp_path / "docker-compose.yml"), repo="https://github.com/example/app.git", pod="shop")
    said = capsys.readouterr()
    assert said.out.startswith("version: 1\npod: shop\nresources:\n  App:\n    web:\n")
    assert "not carried: docker-compose.yml line 2: services.web.labels" in said.err
    for name in ("other.yml", "compose.yaml"):
        (tmp_path / name).write_text("services: {}" if name == "other.yml" else "nothing: here")
        with pytest.raises(CommandError):
            call_command("convert", str(tmp_path / name))
