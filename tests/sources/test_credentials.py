"""Private repositories over https: who is let in, who is told the token, and where it is nowhere to be found."""

from __future__ import annotations

import ipaddress
import os
import subprocess
from pathlib import Path

import pytest

from apps.core.errors import UserError
from apps.sources import access, processes
from apps.sources.base import Credential
from apps.sources.git import GitSource
from apps.sources.urls import check_url
from tests.sources.conftest import Served, basic, git
from tests.sources.test_git import clone, names, with_submodule

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")]
TOKEN = "glpat-8s+planted/Token=of-the-team"


@pytest.fixture
def source(tmp_path: Path) -> GitSource:
    return GitSource(tmp_path / "hosted", allowed=LOOPBACK, seconds=60)


@pytest.fixture
def private(served: Served, work: Path) -> str:
    """The address of a repository that asks for `oauth2` and TOKEN."""
    url = served.push(work, "app")
    served.logins["/app.git/"] = ("oauth2", TOKEN)
    return url


@pytest.fixture
def credential(served: Served) -> Credential:
    return Credential(served.url.removeprefix("https://"), username="oauth2", password=TOKEN)


def told(served: Served) -> set[str]:
    """The hosts that heard any name and password."""
    return {host for host, _, authorization in served.seen if authorization}


def running_with(text: str) -> list[str]:
    """What of every process but this one has `text` in its arguments or environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                content = (process / name).read_bytes()
            except OSError:
                continue
            if text.encode() in content and process.name != str(os.getpid()):
                found.append(f"{process.name}/{name}: {content[:200]!r}")
    return found


def test_a_private_repository_is_cloned_and_the_token_is_nowhere(
    source: GitSource, served: Served, private: str, credential: Credential, tmp_path: Path
) -> None:
    seen: list[str] = []
    served.ask = lambda path: seen.extend(running_with(TOKEN))  # type: ignore[func-returns-value]
    lines: list[str] = []
    commit = source.resolve(private, "", credential=credential)
    found = clone(source, private, commit, tmp_path / "x/out", credential=credential, on_line=lines.append)
    assert (found.sha, names(tmp_path / "x")[0]) == (commit, "out")
    assert (tmp_path / "x/out/app.py").read_text() == "print('one')\n"
    assert basic("oauth2", TOKEN) in {authorization for _, _, authorization in served.seen}
    assert seen == []
    assert TOKEN not in "\n".join(lines)
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert kept == []
    assert TOKEN not in repr(credential)


@pytest.mark.parametrize(
    "given", [None, ("oauth2", "wrong-token"), ("somebody", TOKEN)], ids=["none", "wrong", "another's"]
)
def test_without_the_right_one_nobody_gets_in(
    source: GitSource, served: Served, private: str, tmp_path: Path, given: tuple[str, str] | None
) -> None:
    host = served.url.removeprefix("https://")
    credential = Credential(host, *given) if given else None
    commit = "0123456789" * 4
    for attempt in (
        lambda: source.resolve(private, "", credential=credential),
        lambda: clone(source, private, commit, tmp_path / "x/out", credential=credential),
    ):
        with pytest.raises(UserError) as caught:
            attempt()
        assert caught.value.code == "authentication_failed", caught.value.hint
        assert "Git access" in caught.value.hint
        assert TOKEN not in str(caught.value)
        if given:
            assert "team's access" in caught.value.message
            assert given[1] not in str(caught.value)


def test_a_repository_that_asks_for_nothing_is_told_nothing(
    source: GitSource, served: Served, work: Path, credential: Credential
) -> None:
    url = served.push(work, "app")
    source.resolve(url, "", credential=credential)
    assert told(served) == set()


def test_another_host_is_told_nothing(source: GitSource, served: Served, private: str, credential: Credential) -> None:
    elsewhere = private.replace("localhost", "127.0.0.1")
    with pytest.raises(UserError) as caught:
        source.resolve(elsewhere, "", credential=credential)
    assert caught.value.code == "authentication_failed"
    assert "Username" in caught.value.hint, "git had nothing to say to that host"
    assert told(served) == set()


def test_a_redirect_is_told_nothing(source: GitSource, served: Served, private: str, credential: Credential) -> None:
    """Even once the token was accepted, and whether it leads to another host or another repository."""
    login = basic("oauth2", TOKEN)

    def ask(path: str) -> tuple[int, dict[str, str]] | None:
        let_in = bool(served.seen) and served.seen[-1][2] == login
        if path.startswith("/app.git/") and let_in:
            return 302, {"Location": f"{served.url.replace('localhost', '127.0.0.1')}/other.git/info/refs"}
        return None

    served.ask = ask
    with pytest.raises(UserError) as caught:
        source.resolve(private, "", credential=credential)
    assert "redirects" in caught.value.message
    assert told(served) == {credential.host}
    assert not [path for _, path, _ in served.seen if path.startswith("/other")]


@pytest.mark.parametrize("question", ["Username for 'https://{}': ", "Password for 'https://oauth2@{}': "])
@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example:8443", "localhost", "localhost:8443@evil.example", "localhost:844"]
)
def test_the_answer_is_for_one_host(question: str, host: str, tmp_path: Path) -> None:
    """git's questions are answered for the very host, whatever else git would ask about."""
    parsed = check_url("https://localhost:8443/app.git", allowed=LOOPBACK)
    known = Credential("localhost:8443", "oauth2", TOKEN)
    with access.way(parsed, ["127.0.0.1"], known, tmp_path / "hosts") as way:
        env = processes.environment(dict(way.env))

        def answer(about: str) -> subprocess.CompletedProcess[str]:
            asked = [env["GIT_ASKPASS"], question.format(about)]
            return subprocess.run(asked, env=env, pass_fds=way.fds, capture_output=True, text=True, check=False)

        wanted = "oauth2" if question.startswith("User") else TOKEN
        for _ in range(2):
            assert answer("localhost:8443").stdout == f"{wanted}\n"
        refused = answer(host)
        assert (refused.returncode, refused.stdout) == (1, "")


def test_what_the_host_repeats_is_masked(
    source: GitSource, served: Served, private: str, credential: Credential, work: Path, tmp_path: Path
) -> None:
    """A host that sends the token back, in its words or in a commit, does not get it into a log."""
    git("commit", "--quiet", "--allow-empty", "-m", f"Found {TOKEN}", cwd=work)
    served.push(work, "app")
    commit = source.resolve(private, "", credential=credential)
    found = clone(source, private, commit, tmp_path / "x/out", credential=credential)
    assert "Found" in found.message
    assert TOKEN not in found.message
    served.logins.clear()
    served.ask = lambda path: (404, {"Content-Type": "text/plain", "X": TOKEN}) if "info/refs" in path else None
    with pytest.raises(UserError) as caught:
        source.resolve(private, "", credential=credential)
    assert TOKEN not in str(caught.value)


def private_submodule(served: Served, work: Path, url: str, tmp_path: Path) -> str:
    """Gives `app` a submodule `lib` at `url`, whose repository asks for the token too; the commit of `app`."""
    inner = tmp_path / "inner"
    inner.mkdir()
    git("init", "--quiet", cwd=inner)
    (inner / "lib.txt").write_text("lib")
    git("add", "--all", cwd=inner)
    git("commit", "--quiet", "-m", "Inner", cwd=inner)
    served.push(inner, "lib")
    served.logins["/lib.git/"] = ("oauth2", TOKEN)
    with_submodule(work, url, "lib", git("rev-parse", "HEAD", cwd=inner))
    served.push(work, "app")
    return git("rev-parse", "HEAD", cwd=work)


def test_a_private_submodule_of_the_same_host(
    source: GitSource, served: Served, private: str, credential: Credential, work: Path, tmp_path: Path
) -> None:
    commit = private_submodule(served, work, "../lib.git", tmp_path)
    clone(source, private, commit, tmp_path / "x/out", submodules=True, credential=credential)
    assert (tmp_path / "x/out/lib/lib.txt").read_text() == "lib"
    asked: list[str] = []

    def lookup(url: str) -> Credential:
        asked.append(url)
        return credential

    clone(source, private, commit, tmp_path / "y/out", submodules=True, credential=credential, for_submodule=lookup)
    assert asked == [f"{served.url}/lib.git"]
    with pytest.raises(UserError) as caught:
        clone(
            source, private, commit, tmp_path / "z/out", submodules=True, credential=credential,
            for_submodule=lambda url: None,
        )  # fmt: skip
    assert caught.value.code == "submodule_failed"


def test_a_submodule_of_another_host_is_told_nothing(
    source: GitSource, served: Served, private: str, credential: Credential, work: Path, tmp_path: Path
) -> None:
    elsewhere = served.url.replace("localhost", "127.0.0.1")
    commit = private_submodule(served, work, f"{elsewhere}/lib.git", tmp_path)
    other = Credential(elsewhere.removeprefix("https://"), "oauth2", TOKEN)
    with pytest.raises(UserError) as caught:
        clone(
            source, private, commit, tmp_path / "x/out", submodules=True, credential=credential,
            for_submodule=lambda url: other,
        )  # fmt: skip
    assert caught.value.code == "submodule_failed"
    assert told(served) == {credential.host}


def test_a_way_back_from_another_host_is_told_nothing(
    source: GitSource, served: Served, private: str, credential: Credential, work: Path, tmp_path: Path
) -> None:
    """app → a public repository elsewhere → lib beside app, which is private."""
    elsewhere = served.url.replace("localhost", "127.0.0.1")
    private_submodule(served, work, "../lib.git", tmp_path)
    middle = tmp_path / "middle"
    git("clone", "--quiet", str(tmp_path / "inner"), str(middle), cwd=tmp_path)
    with_submodule(middle, f"{served.url}/lib.git", "back", git("rev-parse", "HEAD", cwd=tmp_path / "inner"))
    served.push(middle, "middle")
    outer = tmp_path / "outer"
    git("clone", "--quiet", str(tmp_path / "inner"), str(outer), cwd=tmp_path)
    commit = git("rev-parse", "HEAD", cwd=middle)
    with_submodule(outer, f"{elsewhere}/middle.git", "middle", commit)
    url = served.push(outer, "outer")
    with pytest.raises(UserError) as caught:
        clone(
            source, url, git("rev-parse", "HEAD", cwd=outer), tmp_path / "x/out", submodules=True,
            credential=credential,
        )  # fmt: skip
    assert caught.value.code == "submodule_failed"
    assert told(served) == set()
