"""The domains of a route on its page: added, told how to be proven, looked up, taken out, found."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.deployments import domains
from apps.dns.lookup import Found
from apps.pods import actions
from apps.pods.domains.claims import target_of, text_of
from apps.pods.domains.settling import settle
from apps.pods.models import DomainProof, HostName, Pod
from tests.people import make_team

pytestmark = pytest.mark.django_db
WWW = "www.example.com"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def front(live_pod: Pod) -> str:
    return f"/pods/{live_pod.name}/resources/front/"


def text(response: object) -> str:
    return " ".join(response.content.decode().split())  # type: ignore[attr-defined]


def test_none_yet(live_pod: Pod, front: str, alices: Client, veras: Client) -> None:
    assert "None of your own yet" in text(alices.get(front))
    shown = text(veras.get(front))
    assert "Domains" in shown
    assert "Add a domain" not in shown
    assert 'id="route_domains"' not in text(alices.get(front.replace("front", "web")))


def test_the_head_of_a_live_pod_has_the_addresses_that_answer(live_pod: Pod, alices: Client) -> None:
    """A proven domain that only the draft has is none of them yet."""
    proven = {"state": "verified", "verified_at": timezone.now()}
    HostName.objects.create(pod=live_pod, host=WWW, custom=True, route="front", **proven)
    live = live_pod.revisions.get(version=1)
    link = f'<a class="pod-address" href="http://{WWW}:'
    page = f"/pods/{live_pod.name}/"
    shown = text(alices.get(page))
    assert f'<a class="pod-address" href="http://{live_pod.name}.localhost:' in shown
    assert link not in shown
    route = live.resources.get(name="front")
    route.spec["domains"] = [WWW]
    route.save()
    assert link in text(alices.get(page))


def test_the_card_of_a_live_pod_has_no_address_of_a_route_that_only_the_draft_has(
    live_pod: Pod, alices: Client
) -> None:
    HostName.objects.create(pod=live_pod, host=f"news.{live_pod.name}.localhost", route="news")
    home = text(alices.get("/"))
    assert f'href="http://{live_pod.name}.localhost:' in home
    assert "news." not in home


def test_added_to_the_draft_with_the_records_to_make(live_pod: Pod, front: str, alices: Client) -> None:
    assert alices.post(f"{front}domains/", {"domain": " Bücher.Example.com. "}).status_code == 302
    host = "xn--bcher-kva.example.com"
    row = live_pod.hosts.get(custom=True)
    assert (row.host, row.state, row.route) == (host, "pending", "front")
    proof = DomainProof.objects.get()
    shown = text(alices.get(front))
    for word in (
        "bücher.example.com",
        "Not proven",
        f"_brainpod.{host}",
        text_of(proof),
        target_of(proof),
        "data-copy",
    ):
        assert word in shown
    assert f"{host} is" not in shown
    plan = text(alices.get(f"/pods/{live_pod.name}/draft/"))
    assert "adds domain bücher.example.com to front" in plan
    assert "(not yet proven)" in plan
    assert "no change" in plan  # of the route itself


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("https://www.example.com", "without https://"),
        ("co.uk", "public suffix"),
        ("x.localhost", "localhost"),
        ("<script>.example.com", "letters, digits"),
        ("", "must not be empty"),
    ],
)
def test_refused_beside_the_field(live_pod: Pod, front: str, alices: Client, typed: str, says: str) -> None:
    answer = alices.post(f"{front}domains/", {"domain": typed}, headers=HTMX)
    assert answer.status_code == 422
    shown = text(answer).replace("M", "m")
    assert says in shown
    assert 'aria-invalid="true"' in shown
    assert "<script>." not in shown
    assert not live_pod.hosts.filter(custom=True).exists()
    assert live_pod.draft is None


def test_the_same_twice_and_too_many(live_pod: Pod, front: str, alices: Client) -> None:
    for n in range(9):
        assert alices.post(f"{front}domains/", {"domain": f"h{n}.example.com"}).status_code == 302
    assert "at most 9" in text(alices.post(f"{front}domains/", {"domain": "h9.example.com"}))
    assert "Add a domain" not in text(alices.get(front))
    alices.delete(f"{front}domains/h8.example.com/")
    assert "twice" in text(alices.post(f"{front}domains/", {"domain": "H1.example.com"}))


def test_the_platforms_own_are_refused(live_pod: Pod, front: str, alices: Client) -> None:
    answer = alices.post(f"{front}domains/", {"domain": f"{live_pod.name}.localhost"})
    assert answer.status_code == 422
    assert ".localhost" in text(answer)


def test_the_form_has_them_too(live_pod: Pod, front: str, alices: Client, alice: User) -> None:
    spec = {"rules": [{"path": "/", "app": "web"}], "domains": [WWW, "bücher.example.com"]}
    actions.save_resource(pod=live_pod, kind="Route", name="front", spec=spec, by=alice, create=False)
    assert "bücher.example.com</textarea>" in text(alices.get(f"{front}?tab=configuration"))


def test_what_was_found(live_pod: Pod, front: str, alices: Client) -> None:
    alices.post(f"{front}domains/", {"domain": WWW})
    row = live_pod.hosts.get(custom=True)
    domains.tell(settle(row, Found(("v=spf1 <b>",), "", ("old.example.org",), ("203.0.113.9",))))
    shown = text(alices.get(front))
    assert "old.example.org" in shown
    assert "v=spf1 &lt;b&gt;" in shown
    domains.tell(settle(row, Found(trouble="the resolver did not answer in time")))
    assert "Not looked up: the resolver did not answer in time." in text(alices.get(front))
    domains.tell(settle(row, Found((), "", (target_of(DomainProof.objects.get()),), ())))
    shown = text(alices.get(front))
    assert "Proven by its CNAME record, and it leads here. It answers with the next deployment." in shown
    domains.tell(settle(row, Found((), "", (), ("203.0.113.9",))))
    shown = text(alices.get(front))
    assert "it leads elsewhere, to 203.0.113.9" in shown
    assert "Leads elsewhere" in shown
    assert "does not lead here any more" in shown  # among the events
    for note, words in (("taken", "Somebody else"), ("sibling", "Another pod"), ("contested", "beside it that others")):
        HostName.objects.filter(pk=row.pk).update(
            state="pending", verified_at=None, found=Found().to_json() | {"note": note}
        )
        assert words in text(alices.get(front))


def test_checked_again(live_pod: Pod, front: str, alices: Client) -> None:
    alices.post(f"{front}domains/", {"domain": WWW})
    HostName.objects.filter(custom=True).update(check_at=None)
    assert "Check again" in text(alices.get(front))
    answer = alices.post(f"{front}domains/{WWW}/checks/", headers=HTMX)
    assert answer.status_code == 200
    assert "Looking…" in text(answer)
    assert live_pod.hosts.get(custom=True).check_at
    assert alices.post(f"{front}domains/other.example.com/checks/").status_code == 404


def test_taken_out(live_pod: Pod, front: str, alices: Client, veras: Client) -> None:
    alices.post(f"{front}domains/", {"domain": WWW})
    assert veras.delete(f"{front}domains/{WWW}/").status_code == 403
    assert alices.delete(f"{front}domains/{WWW}/").status_code == 302
    assert not live_pod.hosts.filter(custom=True).exists()
    assert alices.delete(f"{front}domains/{WWW}/").status_code == 404


def test_one_that_is_live_goes_with_the_deployment(live_pod: Pod, front: str, alices: Client) -> None:
    alices.post(f"{front}domains/", {"domain": WWW})
    draft = live_pod.draft
    assert draft
    draft.version, draft.sealed_at = 2, timezone.now()
    draft.save()
    Pod.objects.filter(pk=live_pod.pk).update(live=draft, head=draft)
    settle(live_pod.hosts.get(custom=True), Found((text_of(DomainProof.objects.get()),)))
    assert WWW in text(alices.get("/"))
    alices.delete(f"{front}domains/{WWW}/")
    shown = text(alices.get(front))
    assert "to be removed" in shown
    assert "It goes with the next deployment" in shown
    assert "removes domain www.example.com" in text(alices.get(f"/pods/{live_pod.name}/draft/"))


def test_found_by_the_palette(
    live_pod: Pod, front: str, alices: Client, charlie: User, client_of: Callable[..., Client]
) -> None:
    alices.post(f"{front}domains/", {"domain": "bücher.example.com"})
    for typed in ("bücher", "BÜCHER.example", "xn--bch"):
        assert "bücher.example.com" in text(alices.get("/search/", {"q": typed})), typed
    make_team("others")
    assert "bücher.example.com" not in text(client_of(charlie).get("/search/", {"q": "bücher"}))
