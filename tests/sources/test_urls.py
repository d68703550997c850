"""What may be named as a repository and as a branch, decided from the text alone."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.sources.urls import check_ref, check_url

GOOD = {
    "https://github.com/you/app": "https://github.com/you/app",
    "https://github.com/you/app.git": "https://github.com/you/app.git",
    "https://GitHub.com/you/app.git": "https://github.com/you/app.git",
    "https://git.example.org:8443/a/b/c.git": "https://git.example.org:8443/a/b/c.git",
    "https://1.1.1.1/you/app.git": "https://1.1.1.1/you/app.git",
    "https://[2606:4700:4700::1111]/you/app.git": "https://[2606:4700:4700::1111]/you/app.git",
    "https://example.org/~you/app": None,
    "https://example.org/a%20b.git": "https://example.org/a%20b.git",
    "ssh://git@github.com/you/app.git": "ssh://git@github.com/you/app.git",
    "ssh://git@example.org:2222/you/app.git": "ssh://git@example.org:2222/you/app.git",
    "git@github.com:you/app.git": "ssh://git@github.com/you/app.git",
    "deploy@git.example.org:srv/app.git": "ssh://deploy@git.example.org/srv/app.git",
    "brainpod:acme/hello": "brainpod:acme/hello",
    "brainpod:acme/hello.git": "brainpod:acme/hello",
}

BAD = [
    "", " ", "hello", "/etc/passwd", "/srv/repo.git", "./repo", "../repo", "~/repo", "~root/repo", "C:\\repo",
    "file:///etc/passwd", "file:/srv/repo.git", "FILE:///srv/x", "git://github.com/you/app", "http://github.com/a/b",
    "ftp://example.org/a", "ftps://example.org/a", "gopher://example.org/a", "data:text/plain,x", "javascript:alert(1)",
    "ext::sh -c id", "ext::sh% -c% id", "fd::17", "transport::https://example.org/a", "ext::https://example.org/x",
    "testgit::/srv/x", "--upload-pack=id", "-oProxyCommand=id", "--", "-u", "https://-oProxyCommand=id/x",
    "ssh://-oProxyCommand=id/x", "ssh://git@-oProxyCommand=id/x", "git@-oProxyCommand=id:x", "-oX@host:path",
    "ssh://-l@example.org/x", "https://example.org/--upload-pack=id", "ssh://git@example.org/-x", "git@example.org:-x",
    "https://user:token@github.com/you/app", "https://token@github.com/you/app", "https://:x@github.com/a/b",
    "ssh://git:secret@github.com/you/app", "https://@github.com/a/b", "https://user%3Ax@github.com/a/b",
    "https://github.com/you/app\n", "https://github.com/you/app\0", "https://github.com/a b", "https://github.com/\tx",
    "https://github.com/you/app\r\nHost: x", "https://gıthub.com/a/b", "https://github.com/ü", "\u202ehttps://a.b/c",
    "https://github.com", "https://github.com/", "https:///a/b", "https://", "https:github.com/a/b", "ssh://git@/a",
    "https://github.com/a?x=1", "https://github.com/a#frag", "https://github.com/a?", "https://github.com/a#",
    "https://github.com/../x", "https://github.com/a/../../b", "https://github.com/a/%2e%2e/b", "https://a.b/%00",
    "https://a.b/x%0aHost:y", "https://a.b/a%5cb", "https://a.b/`id`", "https://a.b/$(id)", "https://a.b/a;id",
    "https://a.b/a|id", "https://a.b/a&b", "https://a.b/'x'", 'https://a.b/"x"', "https://a..b/x", "https://.a/x",
    "https://a_.b/x", "https://a.b:0/x", "https://a.b:99999/x", "https://a.b:abc/x", "https://a.b:-1/x",
    "https://127.0.0.1/a", "https://127.1/a", "https://127.0.1/a", "https://2130706433/a", "https://0x7f000001/a",
    "https://0x7f.0.0.1/a", "https://0177.0.0.1/a", "https://017700000001/a", "https://0x7f.1/a", "https://0/a",
    "https://0.0.0.0/a", "https://127.0.0.1./a", "https://10.0.0.1/a", "https://172.16.0.1/a", "https://172.31.9.9/a",
    "https://192.168.1.1/a", "https://192.168.257/a", "https://169.254.169.254/latest", "https://2852039166/latest",
    "https://0xa9fea9fe/latest", "https://0251.0376.0251.0376/latest", "https://169.254.43518/latest",
    "https://100.64.0.1/a", "https://100.100.100.200/a", "https://224.0.0.1/a", "https://255.255.255.255/a",
    "https://192.0.2.1/a", "https://198.18.0.1/a", "https://240.0.0.1/a", "https://1.2.3.4.5/a", "https://1.2.3.256/a",
    "https://99999999999/a", "https://0x/a", "https://[::1]/a", "https://[::]/a", "https://[::ffff:127.0.0.1]/a",
    "https://[::ffff:7f00:1]/a", "https://[::ffff:a9fe:a9fe]/a", "https://[fe80::1]/a", "https://[fe80::1%25eth0]/a",
    "https://[fc00::1]/a", "https://[fd00:ec2::254]/latest", "https://[64:ff9b::7f00:1]/a", "https://[2002:7f00:1::]/a",
    "https://[ff02::1]/a", "https://[::127.0.0.1]/a", "https://[::1/a", "https://::1/a", "https://[x]/a",
    "https://localhost/a", "https://LOCALHOST/a", "https://app.localhost/a", "https://localhost./a",
    "https://metadata.google.internal/x", "https://printer.local/a", "git@127.0.0.1:a/b", "git@2130706433:a/b",
    "git@localhost:a/b", "ssh://git@169.254.169.254/x", "ssh://git@[::1]/x", "git@[::1]:a/b", "a:b:c", "host:path",
    "git@host:a:b", "git@:a", "@host:a", "git@host:", "brainpod:", "brainpod:acme", "brainpod:/hello", "brainpod:acme/",
    "brainpod:../hello", "brainpod:acme/../x", "brainpod:acme/a/b/c", "brainpod:Acme/x", "brainpod:acme/x y",
    "brainpod:acme/-x", "brainpod://acme/x", "brainpod:acme/.git", "brainpod:acme/a--b",
    "https://example.org/" + "a" * 1000, "https://" + "a." * 130 + "org/x", "https://" + "a" * 64 + ".org/x",
]  # fmt: skip


@pytest.mark.parametrize(("url", "expected"), GOOD.items())
def test_what_may_be_cloned(url: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(Invalid):
            check_url(url)
    else:
        assert check_url(url).url == expected


@pytest.mark.parametrize("url", BAD, ids=lambda url: ascii(url)[:60])
def test_what_may_not(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_url(url, field="spec.repo")
    assert [detail.path for detail in caught.value.details] == ["spec.repo"]
    for secret in ("token", "secret"):
        assert f"{secret}@" not in str(caught.value)
        assert f":{secret}" not in str(caught.value)


def test_parts_of_an_address() -> None:
    parsed = check_url("git@git.example.org:you/app.git")
    assert (parsed.scheme, parsed.host, parsed.port, parsed.user) == ("ssh", "git.example.org", 22, "git")
    parsed = check_url("https://git.example.org:8443/you/app.git")
    assert (parsed.scheme, parsed.host, parsed.port, parsed.user) == ("https", "git.example.org", 8443, "")


def test_hosted_repositories_of_other_teams_are_refused() -> None:
    assert check_url("brainpod:acme/hello", team="acme").name == "hello"
    with pytest.raises(Invalid, match="not a repository of this team"):
        check_url("brainpod:other/hello", team="acme")


def test_private_networks_can_be_allowed() -> None:
    allowed = [ipaddress.ip_network("127.0.0.0/8")]
    assert check_url("https://127.0.0.1:8443/a", allowed=allowed).host == "127.0.0.1"
    assert check_url("https://0x7f.1/a", allowed=allowed).host == "127.0.0.1"
    with pytest.raises(Invalid):
        check_url("https://10.0.0.1/a", allowed=allowed)


@given(st.text(max_size=80))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for url in (text, f"https://{text}", f"git@{text}:x", f"https://example.org/{text}"):
        try:
            parsed = check_url(url)
        except Invalid:
            continue
        assert parsed.url.startswith(("https://", "ssh://", "brainpod:"))
        assert parsed.url.isascii()
        assert parsed.url.isprintable()


@pytest.mark.parametrize(
    "name", ["main", "feature/sign-in", "v1.2", "release-2026", "a", "user@home", "ümlaut", "a/b/c", "x.y", "#1"]
)
def test_branches(name: str) -> None:
    assert check_ref(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "", "-x", "--upload-pack=id", "a..b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[b", "a\\b", "/a", "a/", "a//b",
        ".a", "a/.b", "a.lock", "a/b.lock", "a.", "a@{1}", "@", "HEAD", "refs/heads/main", "a\n", "a\0", "a\x7f", "\t",
        "x" * 201,
    ],
    ids=ascii,
)  # fmt: skip
def test_what_is_no_branch(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_ref(name, field="branch")
    assert caught.value.details[0].path == "branch"
