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
        ({"BRAINPOD_ENGINE": "podman"}, "BRAINPOD_ENGINE"),
        ({"BRAINPOD_ENGINES": "process, podman"}, "BRAINPOD_ENGINES has 'podman'"),
        ({"BRAINPOD_DOCKER_RUNTIME": "kata"}, "BRAINPOD_DOCKER_RUNTIME"),
        ({"BRAINPOD_NOMAD_ADDR": "nomad:4646"}, "BRAINPOD_NOMAD_ADDR"),
        ({"BRAINPOD_NOMAD_DRIVER": "podman"}, "BRAINPOD_NOMAD_DRIVER"),
        ({"BRAINPOD_NOMAD_DISCOVERY": "dns"}, "BRAINPOD_NOMAD_DISCOVERY"),
        ({"BRAINPOD_NOMAD_DATACENTERS": "dc1"}, "BRAINPOD_NOMAD_DATACENTERS"),
        ({"BRAINPOD_NOMAD_CA": "/nowhere/ca.pem"}, "BRAINPOD_NOMAD_CA"),
        ({"BRAINPOD_NOMAD_CERT": "/nowhere/c.pem"}, "BRAINPOD_NOMAD_KEY"),
        ({"BRAINPOD_NODES_URL": "platform:8080"}, "BRAINPOD_NODES_URL"),
        ({"BRAINPOD_LEASE_SECONDS": "0"}, "BRAINPOD_LEASE_SECONDS"),
        ({"BRAINPOD_ALLOWED_NETWORKS": "10.0.0.1/8"}, "BRAINPOD_ALLOWED_NETWORKS"),
        ({"BRAINPOD_STATE": "/" + "x" * 80}, "BRAINPOD_STATE"),
        ({"BRAINPOD_PORT": "0"}, "BRAINPOD_PORT"),
        ({"BRAINPOD_NGINX": "apache"}, "BRAINPOD_NGINX"),
        ({"BRAINPOD_NGINX": "external"}, "BRAINPOD_NGINX_DIRECTORY"),
        ({"BRAINPOD_NGINX": "external", "BRAINPOD_NGINX_DIRECTORY": "/d", "BRAINPOD_NGINX_TEST": "'"}, "NGINX_TEST"),
        ({"BRAINPOD_NGINX": "external", "BRAINPOD_NGINX_DIRECTORY": "/d", "BRAINPOD_NGINX_RELOAD": ""}, "_RELOAD"),
        ({"BRAINPOD_PORT": "65536"}, "BRAINPOD_PORT"),
        ({"BRAINPOD_PORT": ""}, "BRAINPOD_PORT"),
        ({"BRAINPOD_PUBLIC_PORT": "-1"}, "BRAINPOD_PUBLIC_PORT"),
        ({"BRAINPOD_WORKERS": "0"}, "BRAINPOD_WORKERS"),
        ({"BRAINPOD_WEB_WORKERS": "-2"}, "BRAINPOD_WEB_WORKERS"),
        ({"BRAINPOD_LOG_DAYS": "0"}, "BRAINPOD_LOG_DAYS"),
        ({"BRAINPOD_CLONE_MB": "-1"}, "BRAINPOD_CLONE_MB"),
        ({"BRAINPOD_BUILD_CPU": "nan"}, "BRAINPOD_BUILD_CPU"),
        ({"BRAINPOD_BUILD_CPU": "inf"}, "BRAINPOD_BUILD_CPU"),
        ({"BRAINPOD_BUILD_MEMORY": "1"}, "BRAINPOD_BUILD_MEMORY"),
        ({"BRAINPOD_DRAIN_SECONDS": "-0.1"}, "BRAINPOD_DRAIN_SECONDS"),
        ({"BRAINPOD_BIND": "localhost"}, "BRAINPOD_BIND"),
        ({"BRAINPOD_TRUSTED_PROXIES": "10.0.0.0/8, nginx"}, "BRAINPOD_TRUSTED_PROXIES"),
        ({"BRAINPOD_DOMAIN": "Apps.example.com"}, "BRAINPOD_DOMAIN"),
        ({"BRAINPOD_DOMAIN": "apps.example.com:8080"}, "BRAINPOD_DOMAIN"),
        ({"BRAINPOD_DOMAIN": ""}, "BRAINPOD_DOMAIN"),
        ({"BRAINPOD_DASHBOARD_HOST": "a b"}, "BRAINPOD_DASHBOARD_HOST"),
        ({"BRAINPOD_DASHBOARD_HOST": "-x.org"}, "BRAINPOD_DASHBOARD_HOST"),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL"),
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL"),
        ({"BRAINPOD_VALKEY_URL": "http://x"}, "BRAINPOD_VALKEY_URL"),
        ({"BRAINPOD_VAULT_ADDR": "vault:8200"}, "BRAINPOD_VAULT_ADDR"),
        ({"BRAINPOD_VAULT_ADDR": "https://vault:8200"}, "BRAINPOD_VAULT_ROLE_ID"),
        ({"BRAINPOD_REGISTRY": "brainpod"}, "BRAINPOD_REGISTRY"),
        ({"BRAINPOD_REGISTRY": "https://registry.example.org"}, "BRAINPOD_REGISTRY"),
        ({"BRAINPOD_REGISTRY": "registry.example.org/Brainpod"}, "BRAINPOD_REGISTRY"),
        ({"BRAINPOD_REGISTRY": "registry.example.org/"}, "BRAINPOD_REGISTRY"),
        ({"BRAINPOD_REGISTRY": "registry.example.org/a:tag"}, "BRAINPOD_REGISTRY"),
        ({"BRAINPOD_REGISTRY_USER": "us"}, "BRAINPOD_REGISTRY_PASSWORD"),
        ({"BRAINPOD_REGISTRY_PASSWORD": "secret"}, "BRAINPOD_REGISTRY_USER"),
        ({"BRAINPOD_REGISTRY_CA": "/nowhere.pem"}, "BRAINPOD_REGISTRY_CA"),
        ({"BRAINPOD_PRODUCTION": "1"}, "BRAINPOD_SECRET_KEY"),
        ({"BRAINPOD_PRODUCTION": "1", "BRAINPOD_SECRET_KEY": "changeme"}, "BRAINPOD_SECRET_KEY"),
        ({"BRAINPOD_PRODUCTION": "1", "BRAINPOD_SECRET_KEY": "k" * 40}, "BRAINPOD_SANDBOX"),
        (
            {"BRAINPOD_PRODUCTION": "1", "BRAINPOD_SECRET_KEY": "k" * 40, "BRAINPOD_SANDBOX": "required",
             "BRAINPOD_FAILPOINTS": "yes"},
            "BRAINPOD_FAILPOINTS",
        ),
    ],
)  # fmt: skip
def test_refused(given, named):
    with pytest.raises(ImproperlyConfigured, match=named):
        read(given)


def test_a_password_is_not_shown():
    config = read({"BRAINPOD_REGISTRY_USER": "us", "BRAINPOD_REGISTRY_PASSWORD": "not-to-be-seen"})
    assert "not-to-be-seen" not in repr(config)


def test_addresses():
    config = read({"BRAINPOD_PORT": "80", "BRAINPOD_DASHBOARD_HOST": "pods.example.com"})
    assert config.public_address == "http://pods.example.com"
    assert read({}).url("shop.localhost") == "http://shop.localhost:8080"
    assert config.other_address == "https://pods.example.com"
    assert read({}).other_address == "https://localhost:8443"
    for given in ({"BRAINPOD_TLS_PORT": "0"}, {"BRAINPOD_SECURE": "1"}, {"BRAINPOD_PUBLIC_PORT": "80"}):
        assert read(given).other_address == ""


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"BRAINPOD_DEBUG": "yes", "BRAINPOD_SECURE": "0"},
        {"BRAINPOD_BIND": "::", "BRAINPOD_PORT": "1", "BRAINPOD_DRAIN_SECONDS": "0"},
        {"BRAINPOD_ALLOWED_NETWORKS": " 10.0.0.0/8 , fd00::/8", "BRAINPOD_TRUSTED_PROXIES": "127.0.0.1"},
        {"DATABASE_URL": "postgres://u@%2Ftmp%2Fpg/d", "BRAINPOD_VALKEY_URL": "rediss://h:6379/1"},
        {"BRAINPOD_VAULT_ADDR": "https://v", "BRAINPOD_VAULT_ROLE_ID": "r", "BRAINPOD_VAULT_SECRET_ID": "s"},
        {"BRAINPOD_PRODUCTION": "1", "BRAINPOD_SECRET_KEY": "k" * 40, "BRAINPOD_SANDBOX": "required"},
        {"BRAINPOD_REGISTRY": "registry.example.org/our/brain-pod", "BRAINPOD_REGISTRY_CA": __file__},
        {"BRAINPOD_REGISTRY": "127.0.0.1:5000", "BRAINPOD_REGISTRY_USER": "u", "BRAINPOD_REGISTRY_PASSWORD": "p"},
        {"BRAINPOD_REGISTRY": "registry:5000/brainpod"},
        {"BRAINPOD_REGISTRY": "localhost/brainpod"},
    ],
)
def test_accepted(given):
    read(given)
