"""What a commit changed, asked of a real https server and of hosted repositories."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from apps.core.errors import Invalid, UserError
from apps.sources import git as implementation
from apps.sources.git import GitSource
from tests.sources.conftest import Served, git


@pytest.fixture
def source(tmp_path: Path) -> GitSource:
    loopback = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")]
    return GitSource(tmp_path / "hosted", allowed=loopback, seconds=60)


def commit(work: Path, **files: str | None) -> str:
    """The next commit: each file with its text, or removed; `__` in a name is a slash."""
    for name, text in files.items():
        path = work / name.replace("__", "/")
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    git("add", "--all", cwd=work)
    git("commit", "--quiet", "-m", "Next", cwd=work)
    return git("rev-parse", "HEAD", cwd=work)


def test_what_was_added_changed_and_removed(source: GitSource, served: Served, work: Path) -> None:
    head = commit(work, app="new", docs__read="me", link=None)
    url = served.push(work, "app")
    assert sorted(source.changed(url, head)) == ["app", "docs/read", "link"]
    assert not list(source.hosted.root.glob(".changed-*")), "nothing is left behind"


def test_a_first_commit_changes_everything(source: GitSource, served: Served, work: Path) -> None:
    head = git("rev-parse", "HEAD", cwd=work)
    assert sorted(source.changed(served.push(work, "app"), head)) == ["app.py", "link", "run.sh"]


def test_a_renamed_file_is_both(source: GitSource, served: Served, work: Path) -> None:
    git("mv", "app.py", "main.py", cwd=work)
    head = commit(work)
    assert sorted(source.changed(served.push(work, "app"), head)) == ["app.py", "main.py"]


def test_a_merge_brings_what_its_first_parent_had_not(source: GitSource, served: Served, work: Path) -> None:
    git("checkout", "--quiet", "-b", "side", cwd=work)
    commit(work, side="1", more="1")
    git("checkout", "--quiet", "main", cwd=work)
    commit(work, other="2")
    git("merge", "--quiet", "--no-ff", "-m", "Merge", "side", cwd=work)
    head = git("rev-parse", "HEAD", cwd=work)
    assert sorted(source.changed(served.push(work, "app"), head)) == ["more", "side"]


def test_an_older_commit_and_odd_names(source: GitSource, served: Served, work: Path) -> None:
    (work / 'a "b"\tc\nd ü').write_text("x")
    head = commit(work)
    commit(work, later="1")
    assert source.changed(served.push(work, "app"), head) == ['a "b"\tc\nd ü']


def test_a_hosted_repository(source: GitSource, work: Path) -> None:
    source.hosted.commit_tree("home", "app", work, "One")
    (work / "app.py").write_text("two")
    head = source.hosted.commit_tree("home", "app", work, "Two")
    assert source.changed("brainpod:home/app", head) == ["app.py"]


@pytest.mark.parametrize("wrong", ["main", "--all", "HEAD", "a" * 39, "A" * 40, "", "a" * 40 + "\n"])
def test_only_whole_commits_are_asked_for(wrong: str, source: GitSource, work: Path) -> None:
    source.hosted.commit_tree("home", "app", work, "One")
    with pytest.raises(Invalid, match=r"source\.commit"):
        source.changed("brainpod:home/app", wrong)


def test_a_commit_that_is_not_there(source: GitSource, served: Served, work: Path) -> None:
    source.hosted.commit_tree("home", "app", work, "One")
    for url in (served.push(work, "app"), "brainpod:home/app"):
        with pytest.raises(UserError) as caught:
            source.changed(url, "d" * 40)
        assert caught.value.code == "branch_not_found"


def test_too_many_are_not_looked_at(
    source: GitSource, served: Served, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(implementation, "MOST_CHANGES", 2)
    with pytest.raises(UserError) as caught:
        source.changed(served.push(work, "app"), git("rev-parse", "HEAD", cwd=work))
    assert caught.value.code == "too_many_changes"
