"""Who comes in when there is little room: of connections, and of descriptors."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from aiohttp import ClientSession

from bot.web.server import ConnectionLimits, within_descriptors
from tests.bot.web.conftest import Connect, Serve, opening, say, until, whole
from tests.fakes import FakeEngine, fake_service

GET = "GET /favicon.svg HTTP/1.1\r\nHost: localhost\r\n"
POST = "POST /api/poems HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


async def begin_poems(
    connect: Connect, client: ClientSession, engine: FakeEngine, sources: list[str]
) -> list[asyncio.StreamWriter]:
    """Ask for poems that do not end, until all of them are being written."""
    writers = []
    for source in sources:
        _, writer = await connect(client, source)
        writer.write(f"{POST}Content-Length: 2\r\n\r\n{{}}".encode())
        writers.append(writer)
    await until(lambda: engine.running == len(sources))
    return writers


@pytest.mark.parametrize(
    "beginning",
    [b"", b"GET / HT", (GET + "\r\n").encode(), (POST + "Content-Length: 9\r\n\r\n{").encode()],
)
async def test_the_oldest_that_owes_us_something_goes_for_a_newcomer(
    connect: Connect, beginning: bytes
) -> None:
    async with opening(fake_service(), connection_limits=ConnectionLimits(per_client=3)) as server:
        waiting = [await connect(server) for _ in range(3)]
        for _, writer in waiting:
            writer.write(beginning)
        room = server._server._open
        await until(lambda: len(room) == 3)
        await until(
            lambda: all(one.awaits_client and one._heard == bool(beginning) for one in room)
        )
        reader, writer = await connect(server)
        writer.write(f"{GET}Connection: close\r\n\r\n".encode())
        assert b"200 OK" in await whole(reader, writer)
        await whole(*waiting[0])
        for reader, writer in waiting[1:]:
            assert not reader.at_eof()
            writer.transport.abort()  # else the end waits for the bodies


@pytest.mark.parametrize("hundreds", [10, pytest.param(100, marks=pytest.mark.slow)])
async def test_thousands_that_say_nothing_do_not_keep_out_one_that_speaks(
    connect: Connect, serve: Serve, hundreds: int
) -> None:
    client = await serve(connection_limits=ConnectionLimits(per_client=20))
    for _ in range(hundreds):
        silent = [await connect(client) for _ in range(100)]
        assert b"200 OK" in await say(client, GET)
        for _, writer in silent:
            writer.transport.abort()


async def test_who_is_being_served_is_not_closed_and_the_newcomer_gets_503(
    connect: Connect, serve: Serve
) -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Semaphore(0)
    client = await serve(fake_service(engine), connection_limits=ConnectionLimits(per_client=2))
    await begin_poems(connect, client, engine, ["127.0.0.1"] * 2)
    reader, writer = await connect(client)
    head, _, body = (await whole(reader, writer)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"Retry-After: 5" in head
    assert json.loads(body)["error"].startswith("Too many connections.")
    assert engine.running == 2


async def test_another_client_comes_in_all_the_same(connect: Connect, serve: Serve) -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Semaphore(0)
    client = await serve(fake_service(engine), connection_limits=ConnectionLimits(per_client=2))
    await begin_poems(connect, client, engine, ["127.0.0.1"] * 2)
    reader, writer = await connect(client, "127.0.0.2")
    writer.write(f"{GET}Connection: close\r\n\r\n".encode())
    assert b"200 OK" in await whole(reader, writer)


async def test_the_whole_room_has_a_limit_too(connect: Connect, serve: Serve) -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Semaphore(0)
    client = await serve(fake_service(engine), connection_limits=ConnectionLimits(connections=3))
    await begin_poems(connect, client, engine, ["127.0.0.1", "127.0.0.2", "127.0.0.3"])
    assert (await whole(*await connect(client, "127.0.0.4"))).startswith(b"HTTP/1.1 503 ")


async def test_a_trusted_proxy_brings_as_many_as_it_likes(connect: Connect, serve: Serve) -> None:
    client = await serve(
        connection_limits=ConnectionLimits(per_client=2), trusted_proxies=["127.0.0.1"]
    )
    brought = [await connect(client) for _ in range(20)]
    for reader, writer in brought:
        writer.write(f"{GET}Connection: close\r\n\r\n".encode())
        assert b"200 OK" in await whole(reader, writer)


async def test_who_leaves_makes_room(connect: Connect, serve: Serve) -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Semaphore(0)
    client = await serve(fake_service(engine), connection_limits=ConnectionLimits(per_client=1))
    _, writer = await connect(client)
    writer.write(f"{POST}Content-Length: 2\r\n\r\n{{}}".encode())
    await until(lambda: engine.running)
    writer.transport.abort()
    await until(lambda: not engine.running)
    assert b"200 OK" in await say(client, GET)


needs_limits = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """Let this process open nothing more."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = os.dup(0)
    os.close(spare)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@needs_limits
async def test_where_descriptors_run_out_newcomers_wait_and_one_line_tells(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    client = await serve()
    url = client._base_url
    assert url is not None
    with socket.socket() as newcomer:
        newcomer.setblocking(False)
        loop = asyncio.get_running_loop()
        with no_more_descriptors():
            await loop.sock_connect(newcomer, (url.host, url.port))
            await loop.sock_sendall(newcomer, f"{GET}\r\n".encode())
            await until(lambda: caplog.records)
        assert b"200 OK" in await loop.sock_recv(newcomer, 1000)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == "new web connections have to wait: Too many open files"


@needs_limits
def test_the_page_takes_at_most_half_of_the_descriptors() -> None:
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert within_descriptors(ConnectionLimits(connections=10**9)).connections == soft // 2
    assert within_descriptors(ConnectionLimits(connections=7)).connections == 7


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
async def test_every_address_is_of_both_families_and_loopback_is_local_in_both() -> None:
    async with opening(fake_service(), host="::") as server:
        [address] = server.addresses
        for host in ("127.0.0.1", "[::1]"):
            async with (
                ClientSession(f"http://{host}:{address[1]}") as client,
                client.get("/metrics") as response,
            ):
                assert response.status == 200, host
