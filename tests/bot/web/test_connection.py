"""Clients that take their time: a head, a body, reading; and the memory they hold meanwhile."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace

import pytest

from bot.web.events import StreamTiming
from bot.web.server import ConnectionLimits
from tests.bot.web.conftest import Connect, Serve, opening, say, until, whole
from tests.fakes import FakeEngine, fake_service

HASTY = ConnectionLimits(head_seconds=0.05, read_seconds=0.05, linger_seconds=0.05)
GET = b"GET /favicon.svg HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /api/poems HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


async def test_who_says_nothing_is_left_without_a_word(connect: Connect, serve: Serve) -> None:
    reader, writer = await connect(await serve(connection_limits=HASTY))
    assert await whole(reader, writer) == b""


@pytest.mark.parametrize("beginning", [b"G", b"GET / HTTP/1.1\r\n", GET[:-2], b"\r\n"])
async def test_a_head_that_never_ends_gets_408(
    connect: Connect, serve: Serve, beginning: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await connect(await serve(connection_limits=HASTY))
    writer.write(beginning)
    head, _, body = (await whole(reader, writer)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"Connection: close" in head
    assert b"default-src 'none'" in head
    assert json.loads(body) == {"error": "The request headers did not arrive within 0.05 s."}
    assert caplog.text == ""


async def test_a_head_is_not_waited_for_longer_because_letters_come(
    connect: Connect, serve: Serve
) -> None:
    reader, writer = await connect(await serve(connection_limits=HASTY))
    answer = asyncio.create_task(whole(reader, writer))
    writer.write(GET[:-2] + b"X: ")
    while not answer.done():
        writer.write(b"a")
        await asyncio.sleep(0.001)
    assert (await answer).startswith(b"HTTP/1.1 408 ")


async def test_the_second_head_of_a_connection_is_not_waited_for_longer(
    connect: Connect, serve: Serve
) -> None:
    reader, writer = await connect(await serve(connection_limits=HASTY))
    writer.write(GET)
    assert await reader.readuntil(b"</svg>") != b""
    writer.write(GET[:-2])
    assert b"HTTP/1.1 408 " in await whole(reader, writer)


async def test_a_connection_between_two_requests_may_rest(connect: Connect, serve: Serve) -> None:
    client = await serve(connection_limits=HASTY)
    reader, writer = await connect(client)
    for _ in range(2):
        writer.write(GET)
        assert b"200 OK" in await reader.readuntil(b"</svg>")
        await whole(*await connect(client))  # one that says nothing comes and goes meanwhile
    writer.close()


@pytest.mark.parametrize("path", ["/api/poems", "/api/cards"])
async def test_a_body_that_comes_in_drops_gets_408(
    connect: Connect, serve: Serve, path: str
) -> None:
    # It lingers longer than the loop may stand still: a close would discard the answer unread.
    limits, timing = replace(HASTY, linger_seconds=0.5), StreamTiming(max_body_seconds=0.05)
    client = await serve(connection_limits=limits, stream_timing=timing)
    reader, writer = await connect(client)
    answer = asyncio.create_task(whole(reader, writer))
    head = POST.replace(b"/api/poems", path.encode())
    writer.write(head + b"Content-Length: 60000\r\n\r\n")
    while not answer.done():
        writer.write(b" ")
        await asyncio.sleep(0.001)
    assert (await answer).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("path", [b"/", b"/style.css", b"/nowhere", b"/api/models"])
async def test_a_body_that_nobody_wants_is_not_waited_for(
    connect: Connect, serve: Serve, path: bytes
) -> None:
    reader, writer = await connect(await serve(connection_limits=HASTY))
    writer.write(GET[:-2].replace(b"/favicon.svg", path) + b"Content-Length: 60000\r\n\r\n")
    assert (await whole(reader, writer)).startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 404 "))


async def test_a_body_said_to_be_too_large_gets_413_before_it_comes(
    connect: Connect, serve: Serve
) -> None:
    reader, writer = await connect(await serve(connection_limits=HASTY))
    writer.write(POST + b"Content-Length: 99999999999\r\n\r\n{")
    assert (await whole(reader, writer)).startswith(b"HTTP/1.1 413 ")


async def test_a_body_in_chunks_without_end_gets_413(connect: Connect, serve: Serve) -> None:
    reader, writer = await connect(await serve(connection_limits=HASTY))
    answer = asyncio.create_task(whole(reader, writer))
    writer.write(POST + b"Transfer-Encoding: chunked\r\n\r\n")
    while not answer.done():
        writer.write(b"1000\r\n" + b" " * 4096 + b"\r\n")
        await asyncio.sleep(0)
    assert (await answer).startswith(b"HTTP/1.1 413 ")


async def test_a_compressed_body_is_not_unfolded(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    client = await serve()
    for encoding in ("gzip", "deflate", "br", "zstd"):
        head = POST + f"Content-Encoding: {encoding}\r\nContent-Length: 10\r\n".encode()
        answer = await say(client, head.decode(), b"0123456789")
        assert answer.startswith(b"HTTP/1.1 415 ")
        assert b"Send it uncompressed" in answer
    assert caplog.text == ""


@pytest.mark.parametrize("files", [1, 4, 8, 12, 16, 24, 40])
async def test_who_never_reads_holds_nothing_for_long(
    connect: Connect, files: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Of few files the kernel takes all, of some the transport, of many the handler waits."""
    async with opening(fake_service(), connection_limits=HASTY) as server:
        _, writer = await connect(server, limit=1)
        request = b"GET /script.js HTTP/1.1\r\nHost: localhost\r\n"
        writer.write((request + b"\r\n") * (files - 1) + request + b"Connection: close\r\n\r\n")
        await until(lambda: server.connections)
        await until(lambda: not server.connections)
    assert caplog.text == ""


async def test_a_whole_poem_that_is_never_read_holds_nothing_for_long(connect: Connect) -> None:
    engine = FakeEngine("x" * 5_000_000, piece_characters=1_000_000)
    async with opening(fake_service(engine), connection_limits=HASTY) as server:
        _, writer = await connect(server, limit=1)
        writer.write(POST + b"Content-Length: 2\r\n\r\n{}")
        await until(lambda: engine.drafts and engine.drafts[0].finished)
        await until(lambda: not server.connections)
        writer.close()


async def test_an_answer_that_is_read_slowly_comes_whole(connect: Connect) -> None:
    engine = FakeEngine("x" * 2_000_000, piece_characters=1_000_000)
    async with opening(
        fake_service(engine), connection_limits=ConnectionLimits(read_seconds=30)
    ) as server:
        reader, writer = await connect(server, limit=1)
        writer.write(POST + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}")
        answer = b""
        while piece := await reader.read(10_000):
            answer += piece
            await asyncio.sleep(0)
    assert len(json.loads(answer.partition(b"\r\n\r\n")[2])["text"]) > 2_000_000


async def test_what_is_no_http_is_told_to_the_log_at_debug_alone(
    connect: Connect, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "bot.web")
    reader, writer = await connect(await serve())
    writer.write(b"HELO mail.example\r\n\r\n")
    assert b" 400 " in await whole(reader, writer)
    assert {record.levelname for record in caplog.records} == {"DEBUG"}
