"""Where the page listens, and where it is found there."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from bot.web.addresses import describe, listen
from bot.web.errors import CannotListen
from bot.web.health import ask_health
from bot.web.server import WebServer
from tests.bot.web.conftest import opening
from tests.fakes import fake_service

has_ipv6 = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
Hear = Callable[..., object]


async def heard(hosts: list[str], *tried: str) -> tuple[list[str], list[bool]]:
    """Listen on one free port of `hosts`; return what is said of it, and which addresses answer."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(each) for each in await listen(hosts[:1], 0)]
        port = listeners[0].getsockname()[1]
        if len(hosts) > 1:
            listeners.pop().close()
            listeners = [stack.enter_context(each) for each in await listen(hosts, port)]
        told = [describe(each).replace(str(port), "PORT") for each in listeners]
        return told, [_answers(address, port) for address in tried]


def _answers(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as sock:
        sock.settimeout(5)
        found = sock.connect_ex((address, port))
        assert found in (0, errno.ECONNREFUSED)
        return found == 0


@has_ipv6
@pytest.mark.parametrize(
    ("hosts", "told", "answers"),
    [
        (["::"], ["http://[::]:PORT (IPv6 and IPv4)"], [True, True]),
        (["0.0.0.0"], ["http://0.0.0.0:PORT"], [True, False]),
        (["::1"], ["http://[::1]:PORT"], [False, True]),
        (["::", "0.0.0.0"], ["http://[::]:PORT (IPv6 only)", "http://0.0.0.0:PORT"], [True, True]),
        (["0.0.0.0", "::"], ["http://0.0.0.0:PORT", "http://[::]:PORT (IPv6 only)"], [True, True]),
        (
            ["::", "127.0.0.2"],
            ["http://[::]:PORT (IPv6 only)", "http://127.0.0.2:PORT"],
            [False, True],
        ),
        (["127.0.0.1", "::1"], ["http://127.0.0.1:PORT", "http://[::1]:PORT"], [True, True]),
        (["127.0.0.1", "127.0.0.1"], ["http://127.0.0.1:PORT"], [True, False]),
    ],
    ids=str,
)
async def test_each_host_is_heard_on_the_families_that_are_told(
    hosts: list[str], told: list[str], answers: list[bool]
) -> None:
    """The kernel is asked, not the socket's options."""
    assert await heard(hosts, "127.0.0.1", "::1") == (told, answers)


async def test_a_host_that_cannot_be_had_is_named_and_the_others_are_given_up() -> None:
    with socket.create_server(("127.0.0.2", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CannotListen, match=rf"on 127\.0\.0\.2 port {port}: Address already in"):
            await listen(["127.0.0.1", "127.0.0.2"], port)
        assert not _answers("127.0.0.1", port)


@pytest.mark.parametrize("host", ["not an address", "x" * 200, "a..b"])
async def test_what_is_no_address_is_named(host: str) -> None:
    with pytest.raises(CannotListen, match="cannot be served on"):
        await listen([host], 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
async def test_a_page_is_found_wherever_it_listens(host: str) -> None:
    async with opening(fake_service(), host=host) as server:
        figures = await ask_health([host], _port(server), 5)
    assert figures is not None
    assert figures["model_loaded"] is False


@has_ipv6
@pytest.mark.parametrize("host", ["::", "::1"])
async def test_a_page_on_ipv6_is_found_too(host: str) -> None:
    async with opening(fake_service(), host=host) as server:
        assert await ask_health([host], _port(server), 5) is not None


async def test_a_page_is_found_at_the_address_that_answers() -> None:
    async with opening(fake_service(), host="127.0.0.3") as server:
        assert await ask_health(["127.0.0.2", "127.0.0.3"], _port(server), 5) is not None
        assert await ask_health(["127.0.0.2"], _port(server), 5) is None


async def test_another_program_is_not_taken_for_the_page() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert await ask_health(["127.0.0.1"], silent.getsockname()[1], 0.05) is None


def _port(server: WebServer) -> int:
    return int(server.addresses[0][1])
