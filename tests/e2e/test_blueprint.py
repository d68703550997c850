"""A blueprint installed and deployed from its page answers through the edge, with its code in a repository here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.test_push_to_live import ended, request
from tests.stack.platform import ROOT, Platform
from tests.stack.visitor import Visitor

pytestmark = pytest.mark.platform
FILES = ROOT / "blueprints" / "static-site" / "web"


@pytest.fixture
def visitor(platform: Platform) -> Iterator[Visitor]:
    made = Visitor(platform)
    yield made
    made.close()


def test_static_site_is_installed_deployed_and_served(platform: Platform, visitor: Visitor) -> None:
    visitor.get("/blueprints/static-site/")
    visitor.fill("/blueprints/static-site/", {"name": "ready-made", "action": "deploy"})
    deployment = visitor.where()
    assert deployment.startswith("/pods/ready-made/deployments/"), visitor.page.text[:3000]
    assert ended(visitor, deployment) == "ready", visitor.page.text[:3000]
    for path, file in (("/", "index.html"), ("/style.css", "style.css")):
        assert request(platform, "ready-made.localhost", path=path) == (200, (FILES / file).read_text())
    assert list(platform.state.glob("repositories/*/ready-made/web.git")), "the code is the team's own"
