"""A private repository with a private submodule, from the failure that says what to do to the page it serves; and
what is kept secret on such a way, searched for everywhere, and the number of a request, followed through every log.
"""

import json
import re

import pytest

from apps.core.ids import new_id
from tests.e2e.test_push_to_live import Repository, add, deploy, ended, new_pod, request
from tests.sources.conftest import git, served
from tests.sources.test_credentials import running_with
from tests.stack.at_large import at_large
from tests.stack.platform import own_platform
from tests.stack.visitor import Visitor

__all__ = ["served"]  # the fixture
pytestmark = pytest.mark.platform
TOKEN = "planted-glpat-8sTokenOfTheTeam"
SECRET = f"planted-{new_id()}"  # of an app


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


def said(platform, number: str) -> dict[str, set[str]]:
    """What each log says of the request: the messages of its lines."""
    logs = {path.stem: path for path in (*platform.state.glob("log/*.log"), platform.state / "nginx/logs/access.log")}
    found: dict[str, set[str]] = {}
    for name, path in logs.items():
        for line in path.read_text().splitlines():
            if number in line:
                entry = json.loads(line)
                assert number in (entry.get("request"), entry.get("id")), line
                found.setdefault(name, set()).add(entry.get("message", ""))
    return found


def secretive(platform, visitor, tmp_path) -> None:
    """An app whose build and whose process print their secret, deployed by a request with a number."""
    repository = Repository(platform, tmp_path, "secretive")
    repository.push("told")
    new_pod(visitor, "secretive")
    add(visitor, "secretive", "Config", "keys", {"secrets.0.name": "TOKEN", "secrets.0.value": SECRET})
    start = 'echo "begun with $TOKEN"; python app.py'
    build = {"build.buildCommand": 'echo "built with $TOKEN"', "startCommand": start}
    source = {"source.repo": repository.address, "configs.0.name": "keys"}
    add(visitor, "secretive", "App", "web", source | build)
    add(visitor, "secretive", "Route", "site", {"rules.0.path": "/", "rules.0.app": "web"})
    visitor.number(number := f"planted-{new_id()}")
    page = deploy(visitor, "secretive")
    visitor.number(new_id())
    assert ended(visitor, page) == "ready", visitor.page.text + platform.tails()
    assert request(platform, "secretive.localhost") == (200, f"told - {SECRET}")
    log = visitor.get(f"{page}log.txt").text
    assert "built with" in log
    assert SECRET not in log
    heard = said(platform, number)
    assert {"access", "pages", "worker", "engine"} <= heard.keys(), heard
    assert "deployment_made" in heard["pages"]
    assert {"stage", "deployment_ended"} <= heard["worker"]
    assert {"run", "launch"} <= heard["engine"]


def test_from_refused_to_live(served, repository, tmp_path):
    seen = []
    settings = {"BRAINPOD_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128", "BRAINPOD_LOG_FORMAT": "json"}
    with own_platform(**settings, GIT_SSL_CAINFO=str(served.certificate)) as made:
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
        secretive(made, visitor, tmp_path / "site")
        visitor.close()
        assert at_large(made, TOKEN, SECRET) == []
        kinds = {place.split()[0].removeprefix(str(made.state)).split("/")[0] for place in at_large(made, "secretive")}
        assert {"", "table"} <= kinds, "what is no secret is found"
