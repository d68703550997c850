"""What nodes fetch: a stored tree, whole, for whoever was given its address and for nobody else."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from apps import artifacts
from apps.core.errors import PlatformError
from apps.infrastructure.nodes.addresses import address


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    made = artifacts.artifacts().scratch("nodes-test")
    (made / "bin").mkdir()
    (made / "bin" / "real").write_text(f"#!/bin/sh\necho {tmp_path}\n")
    (made / "bin" / "real").chmod(0o755)
    (made / "bin" / "tool").symlink_to("real")
    return artifacts.artifacts().path(artifacts.artifacts().adopt(made).digest)


def path_of(place: Path) -> str:
    return address(str(place)).removeprefix(settings.BRAINPOD.public_address)


def test_a_node_gets_the_tree_with_its_links_and_modes(client: Client, tree: Path, tmp_path: Path) -> None:
    answer = client.get(path_of(tree))
    assert answer.status_code == 200
    into = tmp_path / "into"
    into.mkdir()
    subprocess.run(["tar", "-xzf", "-", "-C", into], input=b"".join(answer.streaming_content), check=True)  # type: ignore[attr-defined]
    assert (into / "bin" / "tool").readlink() == Path("real")
    assert subprocess.run([into / "bin" / "tool"], capture_output=True, text=True).stdout == f"{tmp_path}\n"
    assert client.head(path_of(tree)).status_code == 200


def test_nobody_else_does(client: Client, tree: Path) -> None:
    start, digest, signature, end = path_of(tree).rsplit("/", 3)
    other = ("0" if digest[0] != "0" else "1") + digest[1:]
    for attempt in (f"{start}/{other}/{signature}/{end}", f"{start}/{digest}/{signature[:-1]}x/{end}"):
        assert client.get(attempt).status_code == 404
    assert client.post(path_of(tree)).status_code == 405


def test_what_is_no_longer_kept_is_not_found(client: Client) -> None:
    assert client.get(path_of(settings.BRAINPOD.state / "artifacts" / ("a" * 64))).status_code == 404


def test_other_directories_have_no_address(tmp_path: Path) -> None:
    with pytest.raises(PlatformError) as refusal:
        address(str(tmp_path))
    assert refusal.value.code == "tree_not_stored"


def test_the_address_is_where_nodes_reach_the_platform(tree: Path, settings: Any) -> None:
    from dataclasses import replace

    settings.BRAINPOD = replace(settings.BRAINPOD, nodes_url="http://platform.internal:8080/")
    assert address(str(tree)).startswith("http://platform.internal:8080/nodes/trees/")
