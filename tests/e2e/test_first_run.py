"""What a newcomer sees first: the sample app goes live by itself, and everything comes back after a stop."""

import time

import httpx
import pytest

pytestmark = pytest.mark.platform


def answer(platform, host):
    return httpx.get(platform.address, headers={"Host": host}, timeout=30, trust_env=False)


def test_the_sample_app_goes_live_and_comes_back(platform):
    told = platform.manage("demo", timeout=300).stdout
    first = answer(platform, "hello.localhost")
    assert first.status_code == 200, told
    assert "Hello from your first pod" in first.text
    for stage in ("clone", "detect", "inject secrets", "install", "build", "push", "launch", "health check"):
        assert stage in told, f"every stage is told as it passes:\n{told}"

    assert platform.stop() == 0
    platform.start()
    deadline = time.monotonic() + 60
    while answer(platform, "hello.localhost").text != first.text:
        assert time.monotonic() < deadline, platform.tails()
        time.sleep(0.2)
