"""Bytes thrown at the running page: whatever they are, it answers the next one."""

from __future__ import annotations

import logging

import pytest
from aiohttp import ClientSession
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.web.events import StreamTiming
from bot.web.server import ConnectionLimits
from tests.bot.web.conftest import Connect, Serve, say, whole

BOUNDS = ConnectionLimits(
    head_seconds=0.01, idle_seconds=0.01, read_seconds=0.5, linger_seconds=0.01
)
PULSE = StreamTiming(max_body_seconds=0.01)
HEAD = b" HTTP/1.1\r\nHost: localhost\r\n"
JSON = HEAD + b"Content-Type: application/json\r\n"
VALID = (
    b"GET /" + HEAD + b"\r\n",
    b"GET /style.css?a=b" + HEAD + b'If-None-Match: "a", W/"b"\r\nRange: bytes=0-9\r\n\r\n',
    b"HEAD /api/models" + HEAD + b"X-Forwarded-For: 1.2.3.4, 5.6.7.8\r\n\r\n",
    b"OPTIONS /api/poems" + HEAD + b"Origin: http://localhost\r\n\r\n",
    b"POST /api/poems" + JSON + b'Content-Length: 14\r\n\r\n{"seed": "Sea"}',
    b"POST /api/poems" + JSON + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"POST /api/poems" + JSON + b"Accept: text/event-stream\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /api/poems" + JSON + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /api/cards" + JSON + b'Content-Length: 13\r\n\r\n{"text": "a"}',
    b"GET /" + HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"GET http://localhost/healthz HTTP/1.0\r\nHost: localhost\r\nCookie: a=b\r\n\r\n",
)
SCRAPS = (
    *(b"\r\n", b"\n", b"\0", b" ", b":", b"%", b"/", b"..", b"\xff", b"Content-Length: 5\r\n"),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Encoding: gzip\r\n",
        b"Expect: x\r\n",
        b"0\r\n\r\n",
    ),
    *(
        b"HTTP/1.0",
        b"Connection: close\r\n",
        b"Host: evil.example\r\n",
        b"Upgrade: h2c\r\n",
        b"a" * 9000,
    ),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Draw a few requests of ours, one after another, with pieces cut out, doubled and put in."""
    raw = b"".join(draw(st.lists(st.sampled_from(VALID), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 4))):
        begin = draw(st.integers(0, len(raw)))
        end = min(len(raw), begin + draw(st.integers(0, 12)))
        put = draw(st.sampled_from(SCRAPS) | st.binary(max_size=8) | st.just(raw[begin:end] * 2))
        raw = raw[:begin] + put + raw[end:]
    return raw


@pytest.fixture
async def client(serve: Serve) -> ClientSession:
    return await serve(connection_limits=BOUNDS, stream_timing=PULSE, poems_per_minute=0)


@settings(max_examples=400)
@given(raw=st.binary(max_size=2000) | mutated())
async def test_whatever_is_said_the_page_lives_on_and_logs_no_error(
    connect: Connect, client: ClientSession, raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await connect(client)
    writer.write(raw)
    await writer.drain()
    await whole(reader, writer)
    assert b"200 OK" in await say(client, "GET /style.css HTTP/1.1\r\nHost: localhost\r\n")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
