"""Names, answers of name servers and redirects that lead inside, and are not followed there."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp.test_utils import TestServer

from bot.core.errors import SourceFailed, SourceRefused
from bot.core.fetching.addresses import Trust
from bot.core.fetching.routes import Route
from tests.bot.core.fetching.conftest import (
    NOTED,
    OTHER_PUBLIC,
    PUBLIC,
    Detour,
    Fetch,
    Names,
    NoSocket,
    in_process,
    names,
)


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.5"],
        ["172.16.0.1"],
        ["192.168.1.1"],
        ["169.254.169.254"],
        ["100.100.100.200"],
        ["168.63.129.16"],
        ["0.0.0.0"],
        ["::1"],
        ["::"],
        ["::ffff:127.0.0.1"],
        ["fd00:ec2::254"],
        ["fe80::1%eth0"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        [PUBLIC, "10.0.0.5"],
        ["10.0.0.5", PUBLIC],
        [PUBLIC, OTHER_PUBLIC, "::1"],
        [PUBLIC, "not an address"],
    ],
    ids=", ".join,
)
async def test_a_name_that_leads_inside_is_refused(
    fetch: Fetch, folder: Path, addresses: list[str]
) -> None:
    with pytest.raises(SourceRefused, match="not on the public Internet") as caught:
        await fetch("http://a.example/", resolve=names(a=addresses), open_socket=NoSocket())
    assert not any(address in str(caught.value) for address in addresses)
    assert not list(folder.iterdir())


async def test_the_metadata_of_google_is_refused_by_its_name(fetch: Fetch, folder: Path) -> None:
    resolve = Names({"metadata.google.internal": [["169.254.169.254"]]})
    with pytest.raises(SourceRefused):
        await fetch("http://metadata.google.internal/computeMetadata/v1/", resolve=resolve)
    assert not resolve.asked
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    "name", ["127.0.0.1.nip.io", "localtest.me", "169.254.169.254.sslip.io", "spoofed.burp.example"]
)
async def test_a_public_name_for_an_inside_address_is_refused(
    fetch: Fetch, folder: Path, name: str
) -> None:
    with pytest.raises(SourceRefused):
        await fetch(f"http://{name}/", resolve=Names({name: [["127.0.0.1"]]}))
    assert not list(folder.iterdir())


async def test_a_name_that_changes_its_answer_is_asked_once(
    fetch: Fetch, mirror: TestServer
) -> None:
    resolve = Names({"rebind.example": [[PUBLIC], ["127.0.0.1"]]})
    detour = Detour(mirror.port or 0)
    await fetch("http://rebind.example/poem.txt", resolve=resolve, open_socket=detour)
    assert resolve.asked == ["rebind.example"]
    assert detour.sent_to == [(PUBLIC, 80)]


async def test_a_name_that_changes_its_answer_between_hops_is_refused(
    fetch: Fetch, mirror: TestServer, folder: Path
) -> None:
    resolve = Names({"rebind.example": [[PUBLIC], ["127.0.0.1"]]})
    detour = Detour(mirror.port or 0)
    with pytest.raises(SourceRefused, match="not on the public Internet"):
        await fetch("http://rebind.example/hops/1", resolve=resolve, open_socket=detour)
    assert detour.sent_to == [(PUBLIC, 80)]
    assert not list(folder.iterdir())


async def test_each_hop_is_looked_up_once(fetch: Fetch, mirror: TestServer) -> None:
    resolve = Names({"books.example": [[PUBLIC], [OTHER_PUBLIC]]})
    detour = Detour(mirror.port or 0)
    await fetch("http://books.example/hops/2", resolve=resolve, open_socket=detour)
    assert resolve.asked == ["books.example"] * 3
    assert detour.sent_to == [(PUBLIC, 80), (OTHER_PUBLIC, 80), (OTHER_PUBLIC, 80)]


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.0.0.5", OTHER_PUBLIC, "::ffff:127.0.0.1"])
async def test_a_connection_that_ends_elsewhere_is_hung_up_before_anything_is_asked(
    fetch: Fetch, mirror: TestServer, folder: Path, peer: str
) -> None:
    detour = Detour(mirror.port or 0, peer)
    with pytest.raises(SourceRefused, match="not on the public Internet"):
        await fetch(
            "http://books.example/note/it", resolve=names(books=[PUBLIC]), open_socket=detour
        )
    assert not mirror.app[NOTED]
    assert not list(folder.iterdir())


async def test_an_address_is_not_looked_up(fetch: Fetch, mirror: TestServer) -> None:
    resolve = names()
    detour = Detour(mirror.port or 0)
    await fetch(f"http://{PUBLIC}/poem.txt", resolve=resolve, open_socket=detour)
    assert (resolve.asked, detour.sent_to) == ([], [(PUBLIC, 80)])


@pytest.mark.parametrize("addresses", [None, []], ids=["unknown", "no address"])
async def test_a_name_that_nobody_knows_fails(
    fetch: Fetch, folder: Path, addresses: list[str] | None
) -> None:
    resolve = names() if addresses is None else names(a=addresses)
    with pytest.raises(SourceFailed, match="no such host") as caught:
        await fetch("http://a.example/", resolve=resolve)
    assert "10.0.0.53" not in str(caught.value)
    assert not list(folder.iterdir())


async def test_the_system_knows_loopback_and_it_is_refused(folder: Path) -> None:
    fetcher = in_process()
    with pytest.raises(SourceRefused):
        await fetcher.fetch("http://localhost/", folder / "book.txt")
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "ftp://127.0.0.1/",
        "data:text/plain,Shall",
        "javascript:alert(1)",
        "http://127.0.0.1/",
        "http://localhost/",
        "http://[::1]/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "//127.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/latest/",
        "http://metadata.google.internal/",
        "http://anna:secret@books.example/",
        "//anna@books.example/",
        "http://books.example:22/",
        "http://books.example:6379/",
        "http://books.example\\@127.0.0.1/",
        "http://books.example/\u202e",
        "http:///etc/passwd",
    ],
    ids=lambda location: location[:40],
)
async def test_a_redirect_to_a_forbidden_place_is_refused(
    fetch: Fetch, folder: Path, location: str
) -> None:
    with pytest.raises(SourceRefused, match="redirects to a place that is not allowed") as caught:
        await fetch(f"/redirect?to={quote(location)}")
    assert caught.value.source.startswith(fetch.base)
    assert not list(folder.iterdir())


async def test_a_redirect_to_a_name_that_leads_inside_is_refused(
    fetch: Fetch, folder: Path
) -> None:
    with pytest.raises(SourceRefused, match="not on the public Internet"):
        await fetch("/redirect?to=http://a.example/", resolve=names(a=["10.0.0.5"]))
    assert not list(folder.iterdir())


async def test_the_mirror_by_another_name_is_not_the_mirror(
    fetch: Fetch, folder: Path, mirror: TestServer
) -> None:
    for host in ("localhost", "127.0.0.2", "[::ffff:127.0.0.1]", "mirror.example", "2130706433"):
        with pytest.raises(SourceRefused):
            await fetch(
                f"/redirect?to=http://{host}:{mirror.port}/poem.txt",
                resolve=names(mirror=["127.0.0.1"]),
            )
    assert not list(folder.iterdir())


async def test_the_mirror_may_have_a_name_that_leads_inside(
    fetch: Fetch, mirror: TestServer
) -> None:
    base = f"http://mirror.example:{mirror.port}"
    fetched = await fetch(f"{base}/poem.txt", resolve=names(mirror=["127.0.0.1"]), origins=[base])
    assert fetched.url == f"{base}/poem.txt"


async def test_a_strangers_site_that_redirects_inside_is_refused(
    fetch: Fetch, mirror: TestServer, folder: Path
) -> None:
    detour = Detour(mirror.port or 0)
    with pytest.raises(SourceRefused, match="a place that is not allowed"):
        await fetch(
            "http://books.example/redirect?to=http://127.0.0.1/",
            resolve=names(books=[PUBLIC]),
            open_socket=detour,
        )
    assert len(detour.sent_to) == 1
    assert not list(folder.iterdir())


async def test_a_host_that_is_not_on_the_list_is_not_even_looked_up(folder: Path) -> None:
    resolve = names(books=[PUBLIC])
    trust = Trust(allowed_hosts=("www.gutenberg.org",))
    fetcher = in_process(trust, resolve=resolve, open_socket=NoSocket())
    with pytest.raises(SourceRefused, match="list"):
        await fetcher.fetch("http://books.example/", folder / "book.txt")
    assert not resolve.asked
    assert not list(folder.iterdir())


@pytest.mark.parametrize("way", [Route.LOCAL, Route.LINK])
@pytest.mark.parametrize(
    ("address", "looked_at"),
    [
        (PUBLIC, PUBLIC),
        ("2a01:4f8:1:2::3", "2a01:4f8:1:2::3"),
        (f"::ffff:{PUBLIC}", PUBLIC),
        ("64:ff9b::5db8:d822", PUBLIC),
        ("2a01:4f8:1:2::5db8:d822", PUBLIC),  # somebody's own NAT64
    ],
)
async def test_a_name_that_leads_to_ourselves_or_next_door_is_refused(
    fetch: Fetch, folder: Path, address: str, looked_at: str, way: Route
) -> None:
    """They are public addresses, and behind the firewall all the same."""

    def find_route(face: IPv4Address | IPv6Address) -> Route:
        return way if str(face) == looked_at else Route.OUT

    with pytest.raises(SourceRefused, match="own machine or to the network next to it"):
        await fetch(
            "http://books.example/",
            resolve=names(books=[OTHER_PUBLIC, address]),
            find_route=find_route,
            open_socket=NoSocket(),
        )
    assert not list(folder.iterdir())


async def test_where_we_ourselves_answer_we_hang_up_before_anything_is_asked(
    fetch: Fetch, mirror: TestServer, folder: Path
) -> None:
    """As where the system does not say how it would send."""
    detour = Detour(mirror.port or 0, own=PUBLIC)
    with pytest.raises(SourceRefused, match="own machine"):
        await fetch(
            "http://books.example/note/it", resolve=names(books=[PUBLIC]), open_socket=detour
        )
    assert not mirror.app[NOTED]
    assert not list(folder.iterdir())


@pytest.mark.parametrize("network", ["93.184.216.34", "93.184.216.0/24", "93.184.216.34/24"])
async def test_the_host_can_forbid_networks(folder: Path, network: str) -> None:
    """Such as the address outside that a router or a cloud gives to this machine."""
    trust = Trust(forbidden_networks=(network,))
    fetcher = in_process(trust, resolve=names(books=[PUBLIC]), open_socket=NoSocket())
    with pytest.raises(SourceRefused, match="not allowed here"):
        await fetcher.fetch("http://books.example/", folder / "book.txt")


async def test_a_mirror_that_redirects_elsewhere_in_its_network_is_refused(
    mirror: TestServer, folder: Path
) -> None:
    """Its whole origin was trusted, and so whatever else the machine answered to."""
    base = f"http://127.0.0.1:{mirror.port}"
    fetcher = in_process(Trust(f"{base}/hops/{{number}}"), max_bytes=100_000)
    assert not mirror.app[NOTED]
    with pytest.raises(SourceRefused, match="a place that is not allowed"):
        await fetcher.fetch(f"{base}/hops/1", folder / "book.txt")  # to /hops/0, no number
    with pytest.raises(SourceRefused):
        await fetcher.fetch(f"{base}/poem.txt", folder / "book.txt")
    assert not list(folder.iterdir())
