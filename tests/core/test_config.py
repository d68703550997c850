"""Settings from the environment, refused with their name."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from brainpod.config import read


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"BRAINPOD_PORT": "http"}, "BRAINPOD_PORT"),
        ({"BRAINPOD_DEBUG": "maybe"}, "BRAINPOD_DEBUG"),
        ({"BRAINPOD_DRAIN_SECONDS": "x"}, "BRAINPOD_DRAIN_SECONDS"),
        ({"BRAINPOD_SANDBOX": "maybe"}, "BRAINPOD_SANDBOX"),
        ({"BRAINPOD_LEASE_SECONDS": "0"}, "BRAINPOD_LEASE_SECONDS"),
        ({"BRAINPOD_ALLOWED_NETWORKS": "10.0.0.1/8"}, "BRAINPOD_ALLOWED_NETWORKS"),
        ({"BRAINPOD_STATE": "/" + "x" * 80}, "BRAINPOD_STATE"),
        ({"BRAINPOD_PRODUCTION": "1"}, "BRAINPOD_SECRET_KEY"),
        ({"BRAINPOD_PRODUCTION": "1", "BRAINPOD_SECRET_KEY": "changeme"}, "BRAINPOD_SECRET_KEY"),
        ({"BRAINPOD_PRODUCTION": "1", "BRAINPOD_SECRET_KEY": "k" * 40}, "BRAINPOD_SANDBOX"),
        (
            {"BRAINPOD_PRODUCTION": "1", "BRAINPOD_SECRET_KEY": "k" * 40, "BRAINPOD_SANDBOX": "required",
             "BRAINPOD_FAILPOINTS": "x"},
            "BRAINPOD_FAILPOINTS",
        ),
    ],
)  # fmt: skip
def test_refused(given, named):
    with pytest.raises(ImproperlyConfigured, match=named):
        read(given)


def test_addresses():
    config = read({"BRAINPOD_PORT": "80", "BRAINPOD_DASHBOARD_HOST": "pods.example.com"})
    assert config.public_address == "http://pods.example.com"
    assert read({}).url("shop.localhost") == "http://shop.localhost:8080"
