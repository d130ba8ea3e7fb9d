"""The page's address, examined: free, taken, or a Sonneteer's."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress

import pytest

from bot.core.poems import PoemService
from bot.doctor.page import check_page
from bot.doctor.results import CheckStatus
from bot.sections import WebConfig
from tests.bot.doctor.conftest import shows
from tests.bot.web.conftest import serving
from tests.fakes import fake_service


@pytest.fixture
def free_port() -> int:
    """Return a port that nobody has: below those that systems give to whoever wants any."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000):
        with suppress(OSError), socket.create_server(("", port)):
            return port
    raise AssertionError("every port is taken")


@pytest.fixture
async def ready() -> PoemService:
    service = fake_service()
    await service.warm_up()
    return service


async def test_a_free_port_is_fine(free_port: int) -> None:
    shows(await check_page(WebConfig(port=free_port)), CheckStatus.OK, "is free")


@pytest.mark.parametrize(
    ("web", "words"),
    [(WebConfig(enabled=False), "turned off"), (WebConfig(port=0), "any free port")],
)
async def test_a_page_without_an_address_of_its_own_is_fine(web: WebConfig, words: str) -> None:
    shows(await check_page(web), CheckStatus.OK, words)


async def test_a_sonneteer_that_runs_there_tells_how_it_is(ready: PoemService) -> None:
    async with serving(ready, shards=lambda: {0: True}) as url:
        found = await check_page(WebConfig(port=int(url.rsplit(":", 1)[1])))
    shows(found, CheckStatus.OK, "a Sonneteer is running at 127.0.0.1")
    assert "connected to Discord, loop lag 0.0 ms" in found.seen


async def test_a_sonneteer_that_is_not_well_is_told(ready: PoemService) -> None:
    async with serving(ready, shards=lambda: {0: False}) as url:
        found = await check_page(WebConfig(port=int(url.rsplit(":", 1)[1])))
    shows(found, CheckStatus.WARNING, "not connected to Discord")


async def test_a_sonneteer_without_a_model_is_told() -> None:
    async with serving(fake_service()) as url:
        found = await check_page(WebConfig(port=int(url.rsplit(":", 1)[1])))
    shows(found, CheckStatus.WARNING, "no model loaded yet")


async def test_a_port_that_another_program_has_is_wrong() -> None:
    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        shows(await check_page(WebConfig(port=port)), CheckStatus.WRONG, "in use")


@pytest.mark.parametrize(
    ("host", "words"),
    [("192.0.2.1", "is not available"), ("not an address", "is not an address of this machine")],
)
async def test_a_host_that_is_not_this_machine_is_wrong(
    free_port: int, host: str, words: str
) -> None:
    shows(await check_page(WebConfig(host=host, port=free_port)), CheckStatus.WRONG, words)


@pytest.mark.parametrize(
    ("hosts", "state", "words"),
    [
        ([], CheckStatus.WARNING, "allowed_hosts"),
        (["verse.example.org"], CheckStatus.OK, "is running"),
    ],
)
async def test_a_page_for_others_needs_a_name(
    ready: PoemService, hosts: list[str], state: CheckStatus, words: str
) -> None:
    async with serving(ready) as url:
        port = int(url.rsplit(":", 1)[1])
        shows(
            await check_page(WebConfig(host="0.0.0.0", port=port, allowed_hosts=hosts)),
            state,
            words,
        )


async def test_a_free_page_for_others_needs_a_name_too(free_port: int) -> None:
    found = await check_page(WebConfig(host="0.0.0.0", port=free_port))
    shows(found, CheckStatus.WARNING, "is free; no bot is running there; from other machines")
