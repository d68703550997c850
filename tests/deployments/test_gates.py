"""What a route's spec asks of the edge, and that it gets there: from the draft to a real nginx's answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from apps.accounts.models import User
from apps.core.errors import Invalid
from apps.deployments.desired import edge_state
from apps.deployments.gates import gates
from apps.deployments.models import Deployment
from apps.edge.base import Redirect, Site
from apps.pods import actions, kinds
from apps.pods.consequences import other_line
from apps.pods.diff import diff
from apps.pods.environment import secret_path, secret_paths
from apps.pods.models import Pod, Resource, RoutePassword
from apps.secretstore.vault import Vault
from tests.edge.conftest import Stand, shared, stand
from tests.pods import components
from tests.pods.conftest import go_live, pod, save, shop
from tests.pods.specs import RULES

__all__ = ["pod", "save", "shared", "shop", "stand"]
pytestmark = pytest.mark.django_db
HOSTS = ("shop.localhost", "example.com", "www.example.com")
Save = Callable[..., Resource]


def of(host: str, **spec: Any) -> dict[str, Any]:
    normal = kinds.get("Route").parse(RULES | spec)
    return gates(normal, host, HOSTS, hashed="", https=True)


def test_without_anything_set_a_site_is_as_before() -> None:
    assert Site("shop.localhost", **of("shop.localhost")) == Site("shop.localhost", https=True)


def test_www() -> None:
    assert of("www.example.com", www="remove")["redirects"] == (Redirect("*", "//example.com", 308),)
    assert of("example.com", www="add")["redirects"] == (Redirect("*", "//www.example.com", 308),)
    for host, www in (("example.com", "remove"), ("www.example.com", "add"), ("shop.localhost", "add")):
        assert of(host, www=www)["redirects"] == ()


def test_redirects_of_one_host_and_of_all() -> None:
    redirects = [
        {"source": "/old", "target": "/new", "status": 301},
        {"source": "WWW.example.com", "target": "https://example.com"},
        {"source": "example.com/a/*", "target": "https://example.org/b/:splat", "status": 308},
        {"source": "www.example.com", "target": "https://example.org/landing"},
    ]
    with pytest.raises(Invalid, match="sent to two places"):
        of("example.com", redirects=redirects)
    found = {host: of(host, redirects=redirects[:3])["redirects"] for host in HOSTS}
    old = Redirect("/old", "/new", 301)
    assert found == {
        "shop.localhost": (old,),
        "www.example.com": (old, Redirect("*", "https://example.com", 307)),
        "example.com": (old, Redirect("/a/*", "https://example.org/b/:splat", 308)),
    }
    assert of("www.example.com", redirects=redirects[3:])["redirects"][0].path == "/*"


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"redirects": [{"source": "", "target": "/a"}]}, "redirects.0.source"),
        ({"redirects": [{"source": "a b", "target": "/a"}]}, "redirects.0.source"),
        ({"redirects": [{"source": "/a", "target": "/a"}]}, "redirects.0.target"),
        ({"redirects": [{"source": "a.test", "target": "https://a.test"}]}, "redirects.0.target"),
        ({"redirects": [{"source": "a.test", "target": "/a"}]}, "redirects.0.target"),
        ({"redirects": [{"source": "/a", "target": "javascript:x"}]}, "redirects.0.target"),
        ({"redirects": [{"source": "/a", "target": "/b", "status": 303}]}, "redirects.0.status"),
        ({"redirects": [{"source": "/a*", "target": "/b"}]}, "redirects.0.source"),
        ({"headers": [{"name": "Content-Length", "value": "1"}]}, "headers.0.name"),
        ({"headers": [{"name": "X-A", "value": "a\nb"}]}, "headers.0.value"),
        ({"headers": [{"name": "X-A", "value": "a"}, {"name": "x-a", "value": "b"}]}, "headers.1.name"),
        ({"allowFrom": ["10.0.0.1/8"]}, "allowFrom.0"),
        ({"allowFrom": ["everybody"]}, "allowFrom.0"),
        ({"passwordUser": "a b"}, "passwordUser"),
        ({"passwordUser": ""}, "passwordUser"),
        ({"hsts": 731}, "hsts"),
        ({"gzip": "brotli"}, "gzip"),
        ({"www": "maybe"}, "www"),
    ],
)  # fmt: skip
def test_what_a_route_refuses_names_its_field(spec: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        kinds.get("Route").parse(RULES | spec)
    assert [detail.path for detail in caught.value.details] == [field]


@pytest.fixture
def store(openbao: Vault, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Vault:
    monkeypatch.setattr(components, "store", openbao)
    settings.COMPONENTS = "tests.pods.components"
    return openbao


def test_a_password_is_in_the_store_and_its_hash_at_the_edge(
    store: Vault, shop: Pod, save: Save, alice: User, stand: Stand
) -> None:
    made = save("Route", "front", RULES | {"password": 7}, create=False, secrets={"password": "open sesame"})
    assert made.spec["password"] == 1
    assert store.read(secret_path(shop.pk, "front", "password"), 1) == {"value": "open sesame"}
    assert secret_paths(shop) == {secret_path(shop.pk, "front", "password")}
    assert save("Route", "front", RULES | {"timeout": 9}, create=False).spec["password"] == 1
    go_live(shop, alice)
    (site,) = edge_state().sites
    assert site.password.startswith("guest:$2b$")
    stand.apply(replace(site, host="shop.test"))
    assert stand.ask("shop.test").status_code == 401
    assert stand.ask("shop.test", auth=("guest", "open sesame")).status_code == 502  # nothing runs

    other = save("Route", "front", RULES, create=False, secrets={"password": "another one"})
    assert other.spec["password"] == 2
    assert edge_state().sites[0].password == site.password  # until it is deployed
    assert "open sesame" not in str(list(RoutePassword.objects.values()))
    gone = save("Route", "front", RULES, create=False, secrets={"password": None})
    assert gone.spec["password"] == 0
    go_live(shop, alice)
    assert edge_state().sites[0].password == ""


def test_what_passwords_are_refused(shop: Pod, save: Save) -> None:
    for secrets in (
        {"password": "short"},
        {"password": "x" * 73},
        {"password": "a\nb cdefgh"},
        {"other": "long enough"},
    ):
        with pytest.raises(Invalid) as caught:
            save("Route", "front", RULES, create=False, secrets=secrets)
        assert not any(value in str(caught.value.details) for value in secrets.values())


def test_before_the_first_deployment_is_over(shop: Pod, save: Save, alice: User) -> None:
    """What is about to be live says who is let in, as in docs/routes.md: disabled, password, redirect, then 202."""
    assert edge_state().sites[0].answer == "not_deployed"
    spec = RULES | {"redirects": [{"source": "/a", "target": "/b"}]}
    save("Route", "front", spec, create=False)
    revision = actions.seal(pod=shop, summary="", by=alice)
    deployment = Deployment.objects.create(pod=shop, revision=revision)
    (site,) = edge_state().sites
    assert (site.answer, site.redirects) == ("deploying", (Redirect("/a", "/b", 307),))
    Deployment.objects.filter(pk=deployment.pk).update(state="failed")
    assert edge_state().sites[0].answer == "failed"
    revision.resources.filter(kind="Route").update(spec=kinds.get("Route").parse(spec | {"enabled": False}))
    assert edge_state().sites[0].answer == "disabled"


def test_what_changes_is_said(shop: Pod) -> None:
    def route(**spec: Any) -> dict[str, Resource]:
        parsed = kinds.get("Route").parse(RULES | spec) | {"hostname": "shop.test", "password": spec.get("password", 0)}
        return {"front": Resource(kind="Route", name="front", spec=parsed)}

    def said(before: dict[str, Any], after: dict[str, Any]) -> str:
        return str(other_line("front", route(**before), route(**after), frozenset())[1])

    secret = {"password": 1}
    assert said({}, secret) == "shop.test asks for a password, no downtime"
    assert said(secret, {"password": 2}) == "shop.test asks for another password, no downtime"
    assert said(secret, {"allowFrom": ["10.0.0.1"]}) == (
        "shop.test no longer asks for a password and lets in other addresses, no downtime"
    )
    assert said({}, {"redirects": [{"source": "/a", "target": "/b"}]}) == "shop.test has other redirects, no downtime"
    assert said({}, {"headers": [{"name": "X-A", "value": "b"}], "httpsOnly": True}) == (
        "shop.test sends http to https and has other headers, no downtime"
    )
    assert said({}, {"cache": True}) == "shop.test keeps answers at the edge, no downtime"
    assert said({"cache": True}, {"timeout": 5}) == "shop.test no longer keeps answers at the edge, no downtime"
    (change,) = diff(route(), route(redirects=[{"source": "/a", "target": "/b"}], **secret))
    assert {(field.path, field.after) for field in change.fields} == {
        ("password", "version 1"), ("redirects./a.status", 307), ("redirects./a.target", "/b"),
    }  # fmt: skip
