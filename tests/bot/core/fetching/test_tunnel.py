"""Books through a proxy: it is told checked addresses, and everything else stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from bot.core.errors import SourceFailed, SourceRefused
from bot.core.fetching.client import FetchRules, HttpClient
from bot.core.fetching.fetcher import Fetcher
from bot.core.fetching.process import SandboxedClient, read_instructions, write_instructions
from bot.core.proxies import Proxies, Proxy
from tests.bot.core.fetching.conftest import (
    MAX_BYTES,
    NOTED,
    OTHER_PUBLIC,
    POEM,
    PUBLIC,
    Names,
    TrustInOrigins,
    names,
    out,
)
from tests.connect_proxy import LOGIN, ConnectProxy, certificate_for

REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"


def through(
    proxy: ConnectProxy, resolve: Names, *, login: tuple[str, str] = ("", ""), origin: str = ""
) -> Fetcher:
    known = Proxy("127.0.0.1", proxy.port, *login)
    rules = FetchRules(
        "Sonneteer/1 (test)",
        MAX_BYTES,
        5,
        TrustInOrigins(origins=frozenset({origin})),
        Proxies(known, known),
    )
    client = HttpClient(rules, resolve=resolve, find_route=out)
    return Fetcher(client, max_bytes=MAX_BYTES)


async def test_the_proxy_is_told_the_address_that_was_checked_and_no_name(
    mirror: TestServer, folder: Path
) -> None:
    async with ConnectProxy(mirror.port or 0).serve() as proxy:
        resolve = Names({"books.example": [[PUBLIC], ["127.0.0.1"]]})
        book = await through(proxy, resolve).fetch("http://books.example/poem.txt", folder / "a")
    assert book.path.read_bytes() == POEM
    assert (book.url, book.file_name) == ("http://books.example/poem.txt", "poem.txt")
    assert proxy.places == [f"CONNECT {PUBLIC}:80"]
    assert resolve.asked == ["books.example"]
    assert not any(b"example" in head for head in proxy.heads)


async def test_the_site_hears_its_own_name(mirror: TestServer, folder: Path) -> None:
    async with ConnectProxy(mirror.port or 0).serve() as proxy:
        await through(proxy, names(books=[PUBLIC])).fetch(
            "http://books.example/note/it", folder / "a"
        )
    (request,) = mirror.app[NOTED]
    assert request.headers["Host"] == "books.example"
    assert "Proxy-Authorization" not in request.headers


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["10.0.0.5"], [PUBLIC, "169.254.169.254"]])
async def test_a_name_that_leads_inside_is_refused_before_the_proxy_is_asked(
    mirror: TestServer, folder: Path, addresses: list[str]
) -> None:
    async with ConnectProxy(mirror.port or 0).serve() as proxy:
        with pytest.raises(SourceRefused, match="not on the public Internet"):
            await through(proxy, names(a=addresses)).fetch("http://a.example/", folder / "a")
    assert proxy.places == []
    assert not list(folder.iterdir())


async def test_a_redirect_is_looked_up_and_checked_again(mirror: TestServer, folder: Path) -> None:
    resolve = Names({"books.example": [[PUBLIC], [OTHER_PUBLIC], ["127.0.0.1"]]})
    async with ConnectProxy(mirror.port or 0).serve() as proxy:
        fetcher = through(proxy, resolve)
        with pytest.raises(SourceRefused, match="not on the public Internet"):
            await fetcher.fetch("http://books.example/hops/2", folder / "a")
    assert proxy.places == [f"CONNECT {PUBLIC}:80", f"CONNECT {OTHER_PUBLIC}:80"]
    assert not list(folder.iterdir())


async def test_an_address_of_the_proxy_itself_is_refused(mirror: TestServer, folder: Path) -> None:
    """Only from there could one reach what listens on the proxy's machine alone."""
    async with ConnectProxy(mirror.port or 0).serve() as proxy:
        known = Proxy("proxy.example", proxy.port)
        rules = FetchRules("test", MAX_BYTES, 5, proxies=Proxies(known, known))
        client = HttpClient(rules, resolve=names(a=[PUBLIC], proxy=[PUBLIC]), find_route=out)
        with pytest.raises(SourceRefused, match="the bot's own machine or"):
            await Fetcher(client, max_bytes=MAX_BYTES).fetch("http://a.example/", folder / "a")
    assert proxy.places == []


async def test_a_mirror_in_our_own_network_is_asked_directly(
    mirror: TestServer, folder: Path
) -> None:
    async with ConnectProxy(1).serve() as proxy:
        origin = f"http://127.0.0.1:{mirror.port}"
        await through(proxy, names(), origin=origin).fetch(f"{origin}/poem.txt", folder / "a")
    assert proxy.places == []


async def test_a_mirror_on_the_internet_is_asked_through_the_proxy(
    mirror: TestServer, folder: Path
) -> None:
    async with ConnectProxy(mirror.port or 0).serve() as proxy:
        fetcher = through(proxy, names(books=[PUBLIC]), origin="http://books.example:8000")
        await fetcher.fetch("http://books.example:8000/poem.txt", folder / "a")
    assert proxy.places == [f"CONNECT {PUBLIC}:8000"]


async def test_the_proxy_gets_the_login(mirror: TestServer, folder: Path) -> None:
    async with ConnectProxy(mirror.port or 0, login=LOGIN).serve() as proxy:
        fetcher = through(proxy, names(books=[PUBLIC]), login=LOGIN)
        await fetcher.fetch("http://books.example/poem.txt", folder / "a")
        with pytest.raises(SourceFailed, match=r"refuses the bot's name and password \(407\)"):
            await through(proxy, names(books=[PUBLIC])).fetch("http://books.example/", folder / "b")


async def test_an_address_that_the_proxy_does_not_reach_gives_way_to_the_next(
    mirror: TestServer, folder: Path
) -> None:
    first = f"{OTHER_PUBLIC}:80"
    async with ConnectProxy(mirror.port or 0, answers={first: REFUSAL}).serve() as proxy:
        resolve = names(books=[OTHER_PUBLIC, PUBLIC])
        await through(proxy, resolve).fetch("http://books.example/poem.txt", folder / "a")
    assert proxy.places == [f"CONNECT {first}", f"CONNECT {PUBLIC}:80"]


async def test_ipv4_is_tried_first_as_the_proxy_may_have_no_other(
    mirror: TestServer, folder: Path
) -> None:
    first = f"{PUBLIC}:80"
    async with ConnectProxy(mirror.port or 0, answers={first: REFUSAL}).serve() as proxy:
        resolve = names(books=["2606:4700::1", PUBLIC])
        await through(proxy, resolve).fetch("http://books.example/poem.txt", folder / "a")
    assert proxy.places == [f"CONNECT {first}", "CONNECT [2606:4700::1]:80"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (REFUSAL, r"refuses to connect there \(403\)"),
        (b"", "did not answer as a proxy does"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "did not answer as a proxy does"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20_000, "did not answer as a proxy does"),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\nbook", "did not answer as a proxy does"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.5/\r\n\r\n", r"\(302\)"),
    ],
)
async def test_a_proxy_that_opens_no_way_fails_with_a_sentence(
    folder: Path, answer: bytes, words: str
) -> None:
    async with ConnectProxy(1, answers={f"{PUBLIC}:80": answer}).serve() as proxy:
        with pytest.raises(SourceFailed, match=words):
            await through(proxy, names(a=[PUBLIC])).fetch("http://a.example/", folder / "a")
    assert not list(folder.iterdir())


async def test_a_proxy_that_is_not_there_fails_with_a_sentence(folder: Path) -> None:
    gone = ConnectProxy(1)
    async with gone.serve():
        pass
    with pytest.raises(SourceFailed, match="the bot's proxy cannot be reached"):
        await through(gone, names(a=[PUBLIC])).fetch("http://a.example/", folder / "a")


async def test_a_book_over_tls_is_of_the_site_and_not_of_the_proxy(
    mirror: TestServer, folder: Path, tmp_path: Path
) -> None:
    """The proxy could read along only with a certificate that this machine trusts."""
    try:
        _, tls = certificate_for(tmp_path, "books.example")
    except FileNotFoundError:
        pytest.skip("OpenSSL's program is not installed")
    async with ConnectProxy(mirror.port or 0, tls=tls).serve() as proxy:
        with pytest.raises(SourceFailed, match="its certificate cannot be trusted"):
            await through(proxy, names(books=[PUBLIC])).fetch(
                "https://books.example/", folder / "a"
            )
    assert proxy.places == [f"CONNECT {PUBLIC}:443"]
    assert not mirror.app[NOTED]


async def test_a_process_fetches_through_the_proxy_over_tls(
    mirror: TestServer, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        certificate, tls = certificate_for(tmp_path, PUBLIC)
    except FileNotFoundError:
        pytest.skip("OpenSSL's program is not installed")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with ConnectProxy(mirror.port or 0, login=LOGIN, tls=tls).serve() as proxy:
        known = Proxy("127.0.0.1", proxy.port, *LOGIN)
        rules = FetchRules("test", MAX_BYTES, 30, proxies=Proxies(known, known))
        fetcher = Fetcher(SandboxedClient(rules), max_bytes=MAX_BYTES)
        book = await fetcher.fetch(f"https://{PUBLIC}/poem.txt", folder / "a")
    assert book.path.read_bytes() == POEM
    assert proxy.places == [f"CONNECT {PUBLIC}:443"]


async def test_what_comes_through_a_proxy_is_metered(mirror: TestServer, folder: Path) -> None:
    async with ConnectProxy(mirror.port or 0).serve() as proxy:
        with pytest.raises(SourceRefused, match="more than"):
            await through(proxy, names(a=[PUBLIC])).fetch("http://a.example/endless", folder / "a")


def test_the_process_that_fetches_is_told_the_proxies() -> None:
    rules = FetchRules(
        "test", 9, 5, proxies=Proxies(Proxy("a", 1, "me", "x"), None, "localhost,.example")
    )
    assert read_instructions(write_instructions(rules, "http://b.example/")) == (
        rules,
        "http://b.example/",
    )
