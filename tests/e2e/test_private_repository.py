"""A private repository with a private submodule, from the failure that says what to do to the page it serves."""

import os
import re
from pathlib import Path

import pytest

from tests.e2e.test_push_to_live import add, deploy, ended, new_pod, request
from tests.sources.conftest import git, served
from tests.sources.test_credentials import running_with
from tests.stack.platform import own_platform
from tests.stack.visitor import Visitor

__all__ = ["served"]  # the fixture
pytestmark = pytest.mark.platform
TOKEN = "planted-glpat-8sTokenOfTheTeam"


@pytest.fixture
def repository(served, tmp_path):
    """The address of acme/site: a page, and the submodule `parts`, which is acme/parts."""
    (served.root / "acme").mkdir()
    for name in ("parts", "site"):
        work = tmp_path / name
        work.mkdir()
        git("init", "--quiet", cwd=work)
        (work / "index.html").write_text(f"<h1>{name}</h1>")
        if name == "site":
            parts = git("rev-parse", "HEAD", cwd=tmp_path / "parts")
            (work / ".gitmodules").write_text('[submodule "parts"]\n\tpath = parts\n\turl = ../parts.git\n')
            git("update-index", "--add", "--cacheinfo", f"160000,{parts},parts", cwd=work)
        git("add", "index.html", cwd=work)
        git("add", "--all", cwd=work) if name == "parts" else git("add", ".gitmodules", cwd=work)
        git("commit", "--quiet", "-m", f"The {name}", cwd=work)
        served.push(work, f"acme/{name}")
    served.logins["/acme/"] = ("oauth2", TOKEN)
    return f"{served.url}/acme/site.git"


def files_with(root: Path, text: str) -> list[str]:
    found = []
    for directory, _, names in os.walk(root):
        for path in (Path(directory, name) for name in names):
            if path.is_file() and not path.is_symlink() and text.encode() in path.read_bytes():
                found.append(str(path))
    return found


def test_from_refused_to_live(served, repository):
    seen = []
    with own_platform(BRAINPOD_ALLOWED_NETWORKS="127.0.0.0/8,::1/128", GIT_SSL_CAINFO=str(served.certificate)) as made:
        visitor = Visitor(made)
        new_pod(visitor, "private")
        source = {"source.repo": repository, "source.submodules": "on", "type": "static"}
        add(visitor, "private", "App", "web", source)
        add(visitor, "private", "Route", "site", {"rules.0.path": "/", "rules.0.app": "web"})
        assert ended(visitor, deploy(visitor, "private")) == "failed"
        assert "has no connection for it yet" in visitor.page.text
        where = re.search(r"/teams/home/git-access/", visitor.page.text)[0]

        visitor.get(f"{where}new/token/")
        visitor.fill(
            f"{where}new/token/",
            {"host": repository.split("/")[2], "provider": "gitlab", "token": TOKEN, "scope": "acme"},
        )
        assert "No app" not in visitor.page.text, "the page names what it serves"
        served.ask = lambda path: seen.extend(running_with(TOKEN))
        visitor.get("/pods/private/revisions/1/")
        visitor.fill("/pods/private/deployments/", {}, has="revision")
        assert ended(visitor, visitor.where()) == "ready", visitor.page.text + made.tails()
        assert "The site" in visitor.page.text
        assert request(made, "private.localhost") == (200, "<h1>site</h1>")
        assert request(made, "private.localhost", path="/parts/") == (200, "<h1>parts</h1>")
        log = visitor.get(f"{visitor.where()}log.txt").text
        assert "Submodule parts" in log
        assert TOKEN not in log
        assert seen == [], "in the arguments or the environment of a process"
        visitor.close()
        made.stop()
        assert files_with(made.state, TOKEN) == []
