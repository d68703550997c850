"""Clones from a real https server and from hosted repositories: exactly the commit, and nothing of it run."""

from __future__ import annotations

import ipaddress
import os
import time
from pathlib import Path

import pytest

from apps.core.errors import Invalid, UserError
from apps.sources import submodules
from apps.sources.base import Commit
from apps.sources.git import GitSource
from apps.sources.urls import check_url
from tests.sources.conftest import Served, git

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")]


@pytest.fixture
def source(tmp_path: Path) -> GitSource:
    return GitSource(tmp_path / "hosted", allowed=LOOPBACK, seconds=60)


def clone(source: GitSource, url: str, commit: str, into: Path, **options) -> Commit:
    into.mkdir(parents=True)
    options = {"on_line": lambda line: None, "cancelled": lambda: False, **options}
    return source.clone(url, commit, into, **options)


def names(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


def test_resolve_and_clone_over_https(source: GitSource, served: Served, work: Path, tmp_path: Path) -> None:
    url = served.push(work, "app")
    commit = source.resolve(url, "")
    assert commit == git("rev-parse", "HEAD", cwd=work) == source.resolve(url, "main")
    found = clone(source, url, commit, tmp_path / "x/out")
    assert (found.sha, found.author, found.message) == (commit, "Alice", "First")
    assert found.at.startswith("20")
    out = tmp_path / "x/out"
    assert names(out) == ["app.py", "link", "run.sh"]
    assert os.access(out / "run.sh", os.X_OK)
    assert str((out / "link").readlink()) == "app.py"
    assert names(tmp_path / "x") == ["out", "out/app.py", "out/link", "out/run.sh"]


def test_an_older_commit_is_cloned_exactly(source: GitSource, served: Served, work: Path, tmp_path: Path) -> None:
    first = git("rev-parse", "HEAD", cwd=work)
    (work / "app.py").write_text("print('two')\n")
    git("commit", "--quiet", "--all", "-m", "Second", cwd=work)
    url = served.push(work, "app")
    assert clone(source, url, first, tmp_path / "x/out", branch="main").message == "First"
    assert (tmp_path / "x/out/app.py").read_text() == "print('one')\n"


def test_hosted_repositories(source: GitSource, work: Path, tmp_path: Path) -> None:
    hosted = source.hosted
    (work / ".git").rename(tmp_path / "gone")
    first = hosted.commit_tree("acme", "hello", work, "First one")
    assert hosted.commit_tree("acme", "hello", work, "The same again") == first
    (work / "app.py").write_text("print('two')\n")
    second = hosted.commit_tree("acme", "hello", work, "Second one")
    assert second != first
    assert source.resolve("brainpod:acme/hello", "") == source.resolve("brainpod:acme/hello", "main") == second
    assert clone(source, "brainpod:acme/hello", first, tmp_path / "x/out").message == "First one"
    assert names(tmp_path / "x/out") == ["app.py", "link", "run.sh"]
    assert hosted.list("acme") == ["hello"]
    hosted.delete("acme", "hello")
    assert not hosted.exists("acme", "hello")
    with pytest.raises(UserError) as caught:
        source.resolve("brainpod:acme/hello", "")
    assert caught.value.code == "repository_not_found"


def test_a_hosted_name_is_taken_once(source: GitSource, tmp_path: Path) -> None:
    source.hosted.create("acme", "hello")
    with pytest.raises(UserError) as caught:
        source.hosted.commit_tree("acme", "../x", Path("/nonexistent"), "x")
    assert caught.value.code == "invalid"
    with pytest.raises(UserError) as caught:
        source.hosted.create("acme", "hello")
    assert caught.value.code == "repository_exists"


@pytest.mark.parametrize("branch", ["", "nope"])
def test_branches_that_are_not_there(source: GitSource, served: Served, work: Path, branch: str) -> None:
    source.hosted.create("acme", "empty")
    with pytest.raises(UserError) as caught:
        source.resolve("brainpod:acme/empty", branch)
    assert caught.value.code == "branch_not_found"
    url = served.push(work, "app")
    with pytest.raises(UserError) as caught:
        source.resolve(url, "nope")
    assert caught.value.code == "branch_not_found"
    assert caught.value.hint


def test_a_commit_that_is_not_there(source: GitSource, served: Served, work: Path, tmp_path: Path) -> None:
    url = served.push(work, "app")
    for number, address in enumerate((url, "brainpod:acme/app")):
        source.hosted.commit_tree("acme", "app", work, "x") if number else None
        with pytest.raises(UserError) as caught:
            clone(source, address, "0123456789" * 4, tmp_path / f"x{number}/out", branch="main")
        assert caught.value.code == "branch_not_found"
    for commit in ("", "main", "HEAD", "--all", "abc", "Z" * 40, "a" * 41):
        with pytest.raises(Invalid):
            clone(source, url, commit, tmp_path / f"y{commit[:3]}{len(commit)}/out")


def test_answers_of_a_host(source: GitSource, served: Served, work: Path) -> None:
    url = served.push(work, "app")
    with pytest.raises(UserError) as caught:
        source.resolve(f"{served.url}/none.git", "")
    assert caught.value.code == "repository_not_found"
    served.ask = lambda path: (401, {"WWW-Authenticate": 'Basic realm="x"'})
    with pytest.raises(UserError) as caught:
        source.resolve(url, "")
    assert caught.value.code == "authentication_failed"
    served.ask = lambda path: (503, {})
    with pytest.raises(UserError) as caught:
        source.resolve(url, "")
    assert caught.value.code == "source_unreachable"


def test_redirects_are_not_followed(source: GitSource, served: Served, work: Path) -> None:
    url = served.push(work, "app")
    asked: list[str] = []

    def ask(path: str) -> tuple[int, dict[str, str]] | None:
        asked.append(path)
        moved = path.startswith("/app.git/")
        return (302, {"Location": f"{served.url}{path.replace('/app.git/', '/secret.git/')}"}) if moved else None

    served.ask = ask
    served.push(work, "secret")
    with pytest.raises(UserError) as caught:
        source.resolve(url, "")
    assert "redirects" in caught.value.message
    assert not [path for path in asked if "secret" in path]


def test_private_addresses_are_reached_only_where_allowed(tmp_path: Path, served: Served, work: Path) -> None:
    url = served.push(work, "app")
    asked: list[str] = []
    served.ask = lambda path: asked.append(path)  # type: ignore[func-returns-value]
    strict = GitSource(tmp_path / "hosted")
    for address in (url, url.replace("localhost", "127.0.0.1"), url.replace("localhost", "2130706433")):
        with pytest.raises(Invalid, match="private address"):
            strict.resolve(address, "")
    assert not asked


def test_the_checked_address_is_the_one_connected_to(
    source: GitSource, served: Served, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that nothing but our own check can resolve is reached: git asked nobody for its address again."""
    url = served.push(work, "app").replace("localhost", "rebinding.invalid")
    real = __import__("socket").getaddrinfo
    monkeypatch.setattr(
        "socket.getaddrinfo", lambda host, *a, **k: real("127.0.0.1" if host == "rebinding.invalid" else host, *a, **k)
    )
    with pytest.raises(UserError) as caught:  # the certificate is another name's, and that is as far as it gets
        source.resolve(url, "")
    assert "certificate" in caught.value.hint.lower()


def test_hooks_filters_and_attributes_run_nothing(
    source: GitSource, served: Served, work: Path, tmp_path: Path
) -> None:
    marker = tmp_path / "ran"
    (work / ".gitattributes").write_text("*.py filter=evil diff=evil merge=evil\n*.bin filter=lfs\n")
    (work / ".gitconfig").write_text(
        f'[filter "evil"]\n smudge = touch {marker}\n[core]\n fsmonitor = touch {marker}\n'
    )
    (work / "big.bin").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    (work / "hooks").mkdir()
    (work / "hooks/post-checkout").write_text(f"#!/bin/sh\ntouch {marker}\n")
    (work / "hooks/post-checkout").chmod(0o755)
    git("add", "--all", cwd=work)
    git("commit", "--quiet", "-m", "Evil", cwd=work)
    url = served.push(work, "app")
    hook = served.root / "app.git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
    hook.chmod(0o755)
    clone(source, url, source.resolve(url, ""), tmp_path / "x/out")
    assert not marker.exists()
    assert (tmp_path / "x/out/big.bin").read_text().startswith("version")


def test_the_platforms_environment_does_not_reach_git(
    source: GitSource, served: Served, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = served.push(work, "app")
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY", "GIT_EXEC_PATH"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("GIT_SSH_COMMAND", "false")
    clone(source, url, source.resolve(url, ""), tmp_path / "x/out")
    assert (tmp_path / "x/out/app.py").exists()


def test_limits_of_size_and_number(served: Served, work: Path, tmp_path: Path) -> None:
    (work / "big").write_bytes(b"\0" * 3_000_000)
    for number in range(30):
        (work / f"f{number}").touch()
    git("add", "--all", cwd=work)
    git("commit", "--quiet", "-m", "Big", cwd=work)
    url = served.push(work, "app")
    for number, limits in enumerate(({"max_mb": 1}, {"max_files": 20})):
        source = GitSource(tmp_path / "hosted", allowed=LOOPBACK, **limits)
        with pytest.raises(UserError) as caught:
            clone(source, url, source.resolve(url, ""), tmp_path / f"x{number}/out")
        assert caught.value.code == "source_too_large"
        assert names(tmp_path / f"x{number}") == ["out"]


def test_a_host_that_hangs_is_given_up_and_can_be_cancelled(served: Served, work: Path, tmp_path: Path) -> None:
    url = served.push(work, "app")
    commit = git("rev-parse", "HEAD", cwd=work)
    served.ask = lambda path: time.sleep(20)  # type: ignore[func-returns-value]
    began = time.monotonic()
    with pytest.raises(UserError) as caught:
        clone(GitSource(tmp_path / "hosted", allowed=LOOPBACK, seconds=1), url, commit, tmp_path / "x/out")
    assert caught.value.code == "source_timeout"
    source = GitSource(tmp_path / "hosted", allowed=LOOPBACK)
    with pytest.raises(UserError) as caught:
        clone(source, url, commit, tmp_path / "y/out", cancelled=lambda: True)
    assert caught.value.code == "cancelled"
    assert time.monotonic() - began < 15


def with_submodule(work: Path, url: str, path: str = "lib", commit: str = "") -> None:
    """Adds a gitlink and its entry without git's own checks: what a hostile repository has."""
    modules = work / ".gitmodules"
    text = modules.read_text() if modules.exists() else ""
    modules.write_text(f'{text}[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n')
    commit = commit or git("rev-parse", "HEAD", cwd=work)
    git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}", cwd=work)
    git("add", ".gitmodules", cwd=work)
    git("commit", "--quiet", "-m", f"Submodule {path}", cwd=work)


def test_submodules_relative_and_nested(source: GitSource, served: Served, work: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    git("init", "--quiet", cwd=inner)
    (inner / "deep.txt").write_text("deep")
    git("add", "--all", cwd=inner)
    git("commit", "--quiet", "-m", "Inner", cwd=inner)
    inner_url = served.push(inner, "inner")
    middle = tmp_path / "middle"
    git("clone", "--quiet", str(inner), str(middle), cwd=tmp_path)
    with_submodule(middle, inner_url, "nested", git("rev-parse", "HEAD", cwd=inner))
    served.push(middle, "middle")
    with_submodule(work, "../middle.git", "lib/middle", git("rev-parse", "HEAD", cwd=middle))
    url = served.push(work, "app")
    commit = source.resolve(url, "")
    clone(source, url, commit, tmp_path / "x/out", submodules=True)
    assert (tmp_path / "x/out/lib/middle/nested/deep.txt").read_text() == "deep"
    assert names(tmp_path / "x")[0] == "out"
    assert not [name for name in names(tmp_path / "x") if ".git" in name.split("/")]
    clone(source, url, commit, tmp_path / "y/out")
    assert not list((tmp_path / "y/out").glob("lib/middle/*"))


@pytest.mark.parametrize(
    "address",
    [
        "ext::sh -c id", "file:///etc", "/etc", "--upload-pack=id", "https://127.1/x", "https://user:hunter2@github.com/x",
        "http://github.com/x", "https://169.254.169.254/x", "brainpod:acme/secret", "", "git://github.com/x",
        "../../../../x\ty", "ssh://-oProxyCommand=id/x",
    ],
)  # fmt: skip
def test_submodules_by_the_same_rules(tmp_path: Path, work: Path, address: str) -> None:
    source = GitSource(tmp_path / "hosted")
    with_submodule(work, address)
    (work / ".git").rename(tmp_path / "kept.git")
    modules = (work / ".gitmodules").read_text()
    assert address in modules
    with pytest.raises(UserError) as caught:
        list(submodules.wanted(work, {"lib": "a" * 40}, check_url("https://github.com/a/b"), source.allowed))
    assert caught.value.code == "submodule_failed"
    assert "hunter2" not in str(caught.value)


def test_gitmodules_that_is_a_link_is_not_read(source: GitSource, tmp_path: Path) -> None:
    (tmp_path / ".gitmodules").symlink_to("/etc/passwd")
    with pytest.raises(UserError, match="not a plain file"):
        list(submodules.wanted(tmp_path, {"lib": "a" * 40}, check_url("https://github.com/a/b"), source.allowed))


def test_messages_carry_no_control_characters(source: GitSource, work: Path, tmp_path: Path) -> None:
    (work / ".git").rename(tmp_path / "kept.git")
    sha = source.hosted.commit_tree("acme", "app", work, "evil \x1b[31mred\x07 " + "x" * 300)
    message = clone(source, "brainpod:acme/app", sha, tmp_path / "x/out").message
    assert message.isprintable()
    assert len(message) <= 200


def test_the_commits_of_a_pull_request(source: GitSource, served: Served, work: Path, tmp_path: Path) -> None:
    """They are on no branch: what the host keeps for each is asked for, and cloned where it is all it gives out."""
    url = served.push(work, "app")
    (work / "app.py").write_text("print('door')\n")
    git("commit", "--quiet", "--all", "-m", "Door", cwd=work)
    commit = git("rev-parse", "HEAD", cwd=work)
    git("push", "--quiet", str(served.root / "app.git"), "HEAD:refs/pull/12/head", cwd=work)
    assert source.resolve(url, "refs/pull/12/head") == commit != source.resolve(url, "main")
    assert clone(source, url, commit, tmp_path / "x/out", branch="refs/pull/12/head").message == "Door"
    hosted = source.hosted.create("acme", "hello")
    git("push", "--quiet", str(hosted), "HEAD:refs/pull/3/head", cwd=work)
    assert source.resolve("brainpod:acme/hello", "refs/pull/3/head") == commit
    for wrong in (
        "refs/heads/main",
        "refs/pull/0/head",
        "refs/pull/12/merge",
        "refs/pull/12/head/x",
        "refs/pull/-1/head",
    ):
        with pytest.raises(Invalid):
            source.resolve(url, wrong)
