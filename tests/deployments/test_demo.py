"""The sample pod is made once, and tried again for as long as it never was live."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.deployments import demo
from apps.deployments.models import Deployment
from apps.pods.models import Pod

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "examples" / "hello"


def make(tmp_path: Path) -> Deployment:
    return demo.make(repositories=tmp_path, example=EXAMPLE)


@pytest.mark.django_db
def test_it_is_tried_again_until_it_is_live(tmp_path: Path) -> None:
    first = make(tmp_path)
    assert make(tmp_path) == first
    Deployment.objects.filter(pk=first.pk).update(state="failed")
    second = make(tmp_path)
    assert second.is_open
    assert (second.pk, second.revision) != (first.pk, None)
    assert second.revision == first.revision
    assert make(tmp_path) == second
    Deployment.objects.filter(pk=second.pk).update(state="failed")
    Pod.objects.update(live=second.revision)
    assert make(tmp_path) == second
    assert Pod.objects.count() == 1
