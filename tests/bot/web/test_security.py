"""Whose request it is, where it was sent, and what a browser may do with the answer."""

from __future__ import annotations

import pytest
from aiohttp import HttpVersion10, web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from bot.web.errors import ForeignOrigin, UnknownHost
from bot.web.security import (
    MAX_HOPS,
    ClientAddresses,
    HostGuard,
    _hops,
    host_name,
    is_direct_loopback,
    parse_address,
)
from tests.bot.web.conftest import Serve, say
from tests.fakes import FakeEngine, fake_service

FOREIGN_HOSTS = [
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost@evil.example",
    "evil.example#localhost",
    "10.9.8.7",
    "localhost:notaport",
    "localhost:99999",
    "localhost:-1",
    "localhost:80:80",
    "localhost evil",
    "localhost,evil.example",
    "localhost;evil.example",
    "localhost/evil.example",
    "localhost\\\\evil.example",
    "localhost?evil.example",
    "localhost%2eevil.example",
    "localhost.evil.example",
    "evil-localhost",
    "sub.localhost",
    "evil.example[::1]",
    "[::1]evil.example",
    "[::1].evil.example:80",
    "[::1%25lo]",
    "[localhost]",
    "::1",
    "[::ffff:127.0.0.1]",
    "0.0.0.0",
    "[::]",
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
    "127.0.0.1.nip.io",
    "user:secret@localhost",
    "http://localhost",
    ".localhost",
    "[",
    "]",
    "*",
    "",
]
FOREIGN_TARGETS = [
    "http://evil.example/",
    "http://localhost.evil.example/",
    "http://localhost@evil.example/",
    "http://evil.example:80/healthz",
    "HTTP://EVIL.example/",
    "https://evil.example",
    "ftp://evil.example/",
]
FOREIGN_ORIGINS = [
    "http://evil.example",
    "https://evil.example:443",
    "null",
    "NULL",
    "",
    "*",
    "http://",
    "https://",
    "file://",
    "file:///",
    "data:text/html,hello",
    "chrome-extension://abcdefghijklmnop",
    "http://localhost:1",
    "http://127.0.0.1:1",
    "http://[::1]:1",
    "http://0.0.0.0:1",
    "http://127.0.0.2:1",
    "{ours}.evil.example",
    "{ours}@evil.example",
    "{ours}/",
    "{ours}/path",
    "{ours}#",
    "{ours}?",
    "{ours} http://evil.example",
    "{ours}, http://evil.example",
    "{ours}0",
    "ws{ours}",
    "http:{ours}",
    "http://evil.example@{authority}",
    "http:///{authority}",
    "ftp://{authority}",
]


def request_from(peer: str, **headers: str) -> web.Request:
    """Make a request as a handler sees it; `X_Real_IP` stands for the header X-Real-IP."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request("POST", "/", headers=named).clone(remote=peer)


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8080", "localhost.", "localhost:", "127.0.0.1", "[::1]:8080", "[::1]"],
)
async def test_the_names_of_loopback_are_served(serve: Serve, host: str) -> None:
    client = await serve()
    async with client.get("/", headers={"Host": host}) as response:
        assert response.status == 200


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/api/models", "/nowhere"])
async def test_a_foreign_host_name_gets_421_everywhere(serve: Serve, host: str, path: str) -> None:
    client = await serve()
    async with client.get(path, headers={"Host": host}) as response:
        assert response.status == 421
        assert "allowed_hosts" in (await response.json())["error"]


async def test_an_allowed_host_name_is_served(serve: Serve) -> None:
    client = await serve(allowed_hosts=["Poems.Example.org"])
    async with client.get("/", headers={"Host": "poems.example.org:443"}) as response:
        assert response.status == 200


@pytest.mark.parametrize("second", ["localhost", "evil.example"])
async def test_a_request_with_two_host_names_is_refused(serve: Serve, second: str) -> None:
    answer = await say(await serve(), f"GET / HTTP/1.1\r\nHost: localhost\r\nHost: {second}\r\n")
    assert b" 400 " in answer.split(b"\r\n")[0]


def test_two_host_headers_are_refused() -> None:
    request = make_mocked_request(
        "GET",
        "/",
        headers=[("Host", "localhost"), ("Host", "evil.example")],
    )
    with pytest.raises(UnknownHost):
        HostGuard().check_host(request)


@given(st.text())
def test_a_host_name_is_read_or_refused_whatever_it_is(authority: str) -> None:
    name = host_name(authority)
    assert name is None or (name == name.lower() and "@" not in name and "/" not in name)


@pytest.mark.parametrize("target", FOREIGN_TARGETS)
async def test_a_foreign_name_in_the_request_line_gets_421(serve: Serve, target: str) -> None:
    answer = await say(await serve(), f"GET {target} HTTP/1.1\r\nHost: localhost\r\n")
    assert answer.startswith(b"HTTP/1.1 421 ")


@pytest.mark.parametrize("target", ["http://localhost/", "http://127.0.0.1:80/", "/"])
async def test_a_name_of_ours_in_the_request_line_is_served(serve: Serve, target: str) -> None:
    answer = await say(await serve(), f"GET {target} HTTP/1.1\r\nHost: localhost\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
@pytest.mark.parametrize("path", ["/api/poems", "/api/cards"])
async def test_a_page_of_another_site_gets_nothing_done(
    serve: Serve, origin: str, path: str
) -> None:
    engine = FakeEngine()
    client = await serve(fake_service(engine), allowed_hosts=["0.0.0.0", "127.0.0.2"])
    ours = str(client._base_url).rstrip("/")
    authority = ours.removeprefix("http://")
    named = origin.format(ours=ours, authority=authority)
    request = (
        f"POST {path} HTTP/1.1\r\nHost: {authority}\r\nOrigin: {named}\r\n"
        "Content-Type: application/json\r\nContent-Length: 2\r\n"
    )
    answer = await say(client, request, b"{}")
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert not engine.engine_requests


async def test_of_two_origins_both_must_be_ours(serve: Serve) -> None:
    client = await serve()
    ours = str(client._base_url).rstrip("/")
    request = (
        f"POST /api/poems HTTP/1.1\r\nHost: {ours.removeprefix('http://')}\r\nOrigin: {ours}\r\n"
        "Origin: http://evil.example\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
    )
    assert (await say(client, request, b"{}")).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_what_a_browser_calls_foreign_is_refused_without_an_origin(
    serve: Serve, site: str
) -> None:
    client = await serve()
    headers = {"Sec-Fetch-Site": site}
    async with client.post("/api/poems", json={}, headers=headers) as response:
        assert response.status == 403
        assert site in (await response.json())["error"]


@pytest.mark.parametrize("site", ["same-origin", "none"])
async def test_what_a_browser_calls_ours_is_served(serve: Serve, site: str) -> None:
    client = await serve()
    headers = {"Sec-Fetch-Site": site}
    async with client.post("/api/poems", json={}, headers=headers) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "text/plain; charset=application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/json",
        "application/json-patch+json",
    ],
)
@pytest.mark.parametrize("path", ["/api/poems", "/api/cards"])
async def test_what_a_form_of_another_site_can_send_is_refused(
    serve: Serve, kind: str, path: str
) -> None:
    client = await serve()
    async with client.post(path, data=b"{}", headers={"Content-Type": kind}) as response:
        assert response.status == 415


async def test_our_own_page_can(serve: Serve) -> None:
    client = await serve()
    origin = str(client._base_url).rstrip("/")
    async with client.post("/api/poems", json={}, headers={"Origin": origin}) as response:
        assert response.status == 200


async def test_our_page_behind_a_proxy_that_rewrites_the_host_can(serve: Serve) -> None:
    client = await serve(allowed_hosts=["poems.example.org"])
    headers = {"Origin": "https://poems.example.org"}
    async with client.post("/api/poems", json={}, headers=headers) as response:
        assert response.status == 200


def test_an_origin_on_another_port_of_an_allowed_loopback_name_is_foreign() -> None:
    request = request_from("127.0.0.1", Host="localhost:8080", Origin="http://localhost:3000")
    with pytest.raises(ForeignOrigin):
        HostGuard(["localhost"]).check_origin(request)


@pytest.mark.parametrize("path", ["/", "/style.css", "/api/models", "/nowhere", "/metrics"])
async def test_every_answer_carries_the_strict_policy(serve: Serve, path: str) -> None:
    client = await serve()
    async with client.get(path) as response:
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Server"] == "sonneteer"
        assert "Access-Control-Allow-Origin" not in response.headers


async def test_a_stream_carries_the_strict_policy(serve: Serve) -> None:
    client = await serve()
    headers = {"Accept": "text/event-stream"}
    async with client.post("/api/poems", json={}, headers=headers) as response:
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]


async def test_a_preflight_of_another_site_is_not_granted(serve: Serve) -> None:
    client = await serve()
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    async with client.options("/api/poems", headers=headers) as response:
        assert response.status == 405
        assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "client"),
    [
        ([], "127.0.0.1", "1.1.1.1", "127.0.0.1"),
        (["127.0.0.1"], "127.0.0.1", "1.1.1.1", "1.1.1.1"),
        (["127.0.0.1"], "127.0.0.1", "9.9.9.9, 1.1.1.1", "1.1.1.1"),
        (["127.0.0.1", "10.0.0.0/8"], "127.0.0.1", "9.9.9.9, 1.1.1.1, 10.0.0.2", "1.1.1.1"),
        (["10.0.0.0/8"], "1.2.3.4", "9.9.9.9", "1.2.3.4"),
        (["127.0.0.1"], "127.0.0.1", "1.1.1.1, rubbish", "127.0.0.1"),
        (["127.0.0.1"], "127.0.0.1", "1.1.1.1:5555", "1.1.1.1"),
        (["127.0.0.1"], "::ffff:127.0.0.1", "1.1.1.1", "1.1.1.1"),
        (["::1"], "::1", "[2001:db8:1:2:3::4]:99", "2001:db8:1:2::/64"),
        ([], "unix socket", "1.1.1.1", "unknown"),
    ],
)
def test_the_client_is_the_nearest_address_that_no_trusted_proxy_has(
    trusted: list[str], peer: str, forwarded: str, client: str
) -> None:
    request = request_from(peer, X_Forwarded_For=forwarded)
    assert ClientAddresses(trusted).client(request) == client


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("10.3.2.1", None),
        ("", "unknown"),
    ],
)
def test_a_connection_counts_for_its_address_but_a_trusted_proxys_for_nobody(
    peer: str, client: str | None
) -> None:
    assert ClientAddresses(["10.0.0.0/8"]).peer(peer) == client


@given(st.text())
def test_an_address_is_read_or_refused_whatever_it_is(text: str) -> None:
    address = parse_address(text)
    assert address is None or parse_address(str(address)) == address


@pytest.mark.parametrize("header", ["X_Forwarded_For", "Forwarded", "X_Real_IP", "Via"])
def test_a_proxy_on_this_machine_is_not_local(header: str) -> None:
    assert is_direct_loopback(request_from("127.0.0.1"))
    assert not is_direct_loopback(request_from("127.0.0.1", **{header: "127.0.0.1"}))


FORWARDED = [
    ("X-Forwarded-For", "1.2.3.4"),
    ("Forwarded", 'proto=http;for="[2001:db8::1]:80"'),
    ("CF-Connecting-IP", "2001:db8:1:2:3:4:5:6"),
    ("True-Client-IP", "1.2.3.4"),
    ("Fly-Client-IP", "::1"),
    ("X-Client-IP", "10.0.0.1:80"),
    ("X-A-Proxy-Of-Ours", "for=1.2.3.4, by=me"),
]


@pytest.mark.parametrize(("header", "value"), FORWARDED)
def test_a_header_that_tells_an_address_is_a_proxys_whatever_its_name(
    header: str, value: str
) -> None:
    assert not is_direct_loopback(request_from("127.0.0.1", **{header.replace("-", "_"): value}))


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("User-Agent", "Mozilla/5.0 (X11; rv:128.0) Chrome/131.0.0.0 Safari/537.36"),
        ("Referer", "http://127.0.0.1:8080/dashboard"),
        ("Origin", "http://[::1]:8080"),
        ("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"),
        ("If-Modified-Since", "Sat, 29 Oct 1994 19:43:31 GMT"),
        ("X-Prometheus-Scrape-Timeout-Seconds", "10"),
        ("Host", "127.0.0.1:8080"),
        ("Host", "[::1]:8080"),
        ("Host", "localhost"),
    ],
)
def test_what_programs_on_this_machine_send_is_local(header: str, value: str) -> None:
    assert is_direct_loopback(request_from("127.0.0.1", **{header.replace("-", "_"): value}))


def test_what_was_sent_to_another_name_or_with_the_old_http_comes_through_a_proxy() -> None:
    assert not is_direct_loopback(request_from("127.0.0.1", Host="poems.example.org"))
    old = make_mocked_request("GET", "/", version=HttpVersion10).clone(remote="127.0.0.1")
    assert not is_direct_loopback(old)  # as nginx asks, unless it is told otherwise


def test_who_asks_through_a_trusted_proxy_is_not_local_nor_is_another_machine() -> None:
    bare, proxied = request_from("127.0.0.1"), request_from("127.0.0.1", X_Forwarded_For="unix:")
    assert ClientAddresses(["127.0.0.0/8"]).is_local(bare)  # a program beside the proxy
    assert not ClientAddresses(["127.0.0.0/8"]).is_local(proxied)
    assert ClientAddresses().is_local(request_from("::ffff:127.0.0.1"))
    assert not ClientAddresses().is_local(request_from("192.0.2.7"))
    assert not ClientAddresses().is_local(request_from(""))


def test_of_many_hops_the_nearest_are_looked_at() -> None:
    many = ",".join(["1.1.1.1"] + ["127.0.0.1"] * 10_000)
    request = request_from("127.0.0.1", X_Forwarded_For=many)
    assert ClientAddresses(["127.0.0.1"]).client(request) == "127.0.0.1"
    assert len(list(_hops(request))) == MAX_HOPS


@given(st.text(alphabet=st.sampled_from(" ,;=0123456789abcdef:.[]")))
def test_a_header_is_read_whatever_it_is(text: str) -> None:
    is_direct_loopback(request_from("127.0.0.1", X_Any=text))


def test_what_could_be_our_own_page_through_a_proxy_names_the_setting() -> None:
    guard = HostGuard()
    request = request_from("127.0.0.1", Host="127.0.0.1:8080", Origin="https://poems.example.org")
    with pytest.raises(ForeignOrigin, match=r"add 'poems\.example\.org' to allowed_hosts"):
        guard.check_origin(request)
    HostGuard(["poems.example.org"]).check_origin(request)
    for foreign in ("http://localhost:9000", "null"):  # no setting makes these ours
        with pytest.raises(ForeignOrigin) as refused:
            guard.check_origin(request_from("127.0.0.1", Host="127.0.0.1:8080", Origin=foreign))
        assert "allowed_hosts" not in str(refused.value)


def test_the_log_names_the_setting_once_and_no_strangers_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    guard = HostGuard()
    with caplog.at_level("INFO"):
        for name in ("poems.example.org", "evil.example"):
            with pytest.raises(UnknownHost):
                guard.check_host(request_from("127.0.0.1", Host=name))
            with pytest.raises(ForeignOrigin):
                guard.check_origin(request_from("127.0.0.1", Origin=f"http://{name}"))
    assert len(caplog.records) == 2
    assert all("allowed_hosts" in line and "example" not in line for line in caplog.messages)
