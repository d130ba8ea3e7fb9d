"""What is no HTTP, or HTTP that means no good: a sentence where HTTP has one, and a quiet log."""

from __future__ import annotations

import json

import pytest

from bot.web.app import create_app
from bot.web.events import StreamTiming
from bot.web.server import ConnectionLimits
from tests.bot.web.conftest import Connect, Serve, whole
from tests.fakes import FakeEngine, fake_service

HASTY = ConnectionLimits(head_seconds=0.5, linger_seconds=0.05)
HOST, JSON = "Host: localhost\r\n", "Content-Type: application/json\r\n"
GET, POST = f"GET / HTTP/1.1\r\n{HOST}", f"POST /api/poems HTTP/1.1\r\n{HOST}{JSON}"
WEBSOCKET = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
CHUNKS = "Transfer-Encoding: chunked\r\n"
MALFORMED = {
    "no HTTP": "HELO mail.example\r\n\r\n",
    "HTTPS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/3": f"GET / HTTP/3.0\r\n{HOST}\r\n",
    "SSH": "SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "a method that is none": f"BREW / HTTP/1.1\r\n{HOST}\r\n",
    "a method in small letters": f"get / HTTP/1.1\r\n{HOST}\r\n",
    "a method of 100 kB": "G" * 100_000 + f" / HTTP/1.1\r\n{HOST}\r\n",
    "an address of 100 kB": f"GET /{'a' * 100_000} HTTP/1.1\r\n{HOST}\r\n",
    "a header of 100 kB": f"{GET}X: {'a' * 100_000}\r\n\r\n",
    "a header's name of 100 kB": f"{GET}{'X' * 100_000}: a\r\n\r\n",
    "1,000 headers": GET + "".join(f"X{number}: a\r\n" for number in range(1000)) + "\r\n",
    "no host": "GET / HTTP/1.1\r\n\r\n",
    "lines that end with LF": "GET / HTTP/1.1\nHost: localhost\n\n",
    "lines that end with CR": "GET / HTTP/1.1\rHost: localhost\r\r\n\n",
    "a folded header": "GET / HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n",
    "a space before the colon": "GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "a header without a colon": f"{GET}X\r\n\r\n",
    "a header without a name": f"{GET}: a\r\n\r\n",
    "NUL in a header": f"{GET}X: \0\r\n\r\n",
    "NUL in the address": f"GET /\0 HTTP/1.1\r\n{HOST}\r\n",
    "bytes that are no ASCII": f"GET /\xff\xfe HTTP/1.1\r\n{HOST}\r\n",
    "a space in the address": f"GET /a b HTTP/1.1\r\n{HOST}\r\n",
    "an address of another kind": f"GET file:///etc/passwd HTTP/1.1\r\n{HOST}\r\n",
    "half an IPv6 address": f"GET http://[::1 HTTP/1.1\r\n{HOST}\r\n",
    "a port that is none": f"GET http://localhost:99999/ HTTP/1.1\r\n{HOST}\r\n",
    "a path without a slash": f"GET style.css HTTP/1.1\r\n{HOST}\r\n",
    "two lengths": f"{POST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}",
    "the same length twice": f"{POST}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{{}}",
    "two lengths in one": f"{POST}Content-Length: 2, 2\r\n\r\n{{}}",
    "a length and chunks": f"{POST}Content-Length: 2\r\n{CHUNKS}\r\n2\r\n{{}}\r\n0\r\n\r\n",
    "chunks and a length": f"{POST}{CHUNKS}Content-Length: 2\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n",
    "a negative length": f"{POST}Content-Length: -2\r\n\r\n{{}}",
    "a length with a sign": f"{POST}Content-Length: +2\r\n\r\n{{}}",
    "a length in hexadecimal": f"{POST}Content-Length: 0x2\r\n\r\n{{}}",
    "a length of 30 digits": f"{POST}Content-Length: {'9' * 30}\r\n\r\n{{}}",
    "a coding that is none": f"{POST}Transfer-Encoding: xchunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n",
    "a coding after chunks": f"{POST}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunks of no size": f"{POST}{CHUNKS}\r\nzz\r\n{{}}\r\n0\r\n\r\n",
    "chunks of a huge size": f"{POST}{CHUNKS}\r\n{'f' * 30}\r\n{{}}\r\n",
    "chunks of another size": f"{POST}{CHUNKS}\r\n1\r\n{{}}\r\n0\r\n\r\n",
    "an old WebSocket": f"{GET}Sec-WebSocket-Key1: a\r\n\r\n",
}
REFUSED = {
    f"GET / HTTP/1.0\r\n{''}": 421,
    f"CONNECT evil.example:80 HTTP/1.1\r\n{HOST}": 421,
    f"CONNECT localhost:80 HTTP/1.1\r\n{HOST}": 404,
    f"OPTIONS * HTTP/1.1\r\n{HOST}": 404,
    f"TRACE / HTTP/1.1\r\n{HOST}": 405,
    f"PROPFIND / HTTP/1.1\r\n{HOST}": 405,
    f"DELETE /healthz HTTP/1.1\r\n{HOST}": 405,
    f"PUT /style.css HTTP/1.1\r\n{HOST}Content-Length: 0\r\n": 405,
    f"POST / HTTP/1.1\r\n{HOST}{JSON}Content-Length: 0\r\n": 405,
    f"GET /{'a' * 8000} HTTP/1.1\r\n{HOST}": 404,
}
PATHS = """
    /../app.py /../../etc/passwd /%2e%2e/app.py /%2e%2e%2fapp.py /..%2fapp.py /..%5capp.py
    /%252e%252e%252fapp.py /..%c0%afapp.py /.%00./app.py /..\\app.py /..\\..\\app.py /..;/app.py
    /./app.py /page/index.html /page/../app.py /style.css/../app.py /style.css/..%2fapp.py
    /%00 /style.css%00 /style.css%00.html /index.html%00 /style.css/ /style.css%20 /style.css.
    /STYLE.CSS //etc/passwd ///etc/passwd //localhost/ //evil.example/
    //evil.example/%2e%2e /\\evil.example
    /etc/passwd /C:/Windows/win.ini /C:\\Windows\\win.ini /\\\\server\\share /proc/self/environ
    /.git/config /.env /config.toml /bot/web/app.py /app.py /__init__.py /books.py /favicon.svg~
    /api /api/ /api/poems/ /api/../app.py /api/poems/../../app.py /api//poems /metrics/
    /healthz/.. /%zz /%
""".split()


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED)
async def test_what_is_malformed_gets_400_a_sentence_and_the_end(
    connect: Connect, serve: Serve, raw: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine = FakeEngine()
    client = await serve(
        fake_service(engine),
        connection_limits=HASTY,
        stream_timing=StreamTiming(max_body_seconds=0.05),
        allowed_hosts=["x"],
    )
    reader, writer = await connect(client)
    writer.write(raw.encode("latin-1"))
    head, _, body = (await whole(reader, writer)).partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == b"400"
    assert json.loads(body)["error"].startswith("Malformed HTTP request.")
    assert b"default-src 'none'" in head
    assert b"Server: sonneteer" in head
    assert not engine.engine_requests
    assert caplog.text == ""


@pytest.mark.parametrize(("head", "status"), REFUSED.items())
async def test_what_is_not_to_be_had_gets_its_status_and_a_sentence(
    connect: Connect, serve: Serve, head: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await connect(await serve(connection_limits=HASTY))
    writer.write(f"{head}Connection: close\r\n\r\n".encode("latin-1"))
    answer, _, body = (await whole(reader, writer)).partition(b"\r\n\r\n")
    assert answer.split(b" ")[1] == str(status).encode()
    assert json.loads(body)["error"]
    assert caplog.text == ""


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_no_path_leads_out_of_the_page(
    connect: Connect, serve: Serve, path: str, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await connect(await serve())
    head = f"{method} {path} HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n"
    writer.write(head.encode("latin-1"))
    answer, _, body = (await whole(reader, writer)).partition(b"\r\n\r\n")
    assert answer.split(b" ")[1] in (b"400", b"404")
    assert method == "HEAD" or json.loads(body)["error"]
    assert caplog.text == ""


def routes() -> list[str]:
    resources = create_app(fake_service()).router.resources()
    names = {"name": "sonnets", "code": "BCDFGH"}
    return sorted(resource.canonical.format_map(names) for resource in resources)


@pytest.mark.parametrize("path", routes())
async def test_every_address_answers_every_method_calmly(
    serve: Serve, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = await serve()
    for method in ("HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"):
        async with client.request(method, path) as response:
            allowed = response.headers.get("Allow", "")
            assert response.status == 405 or (method == "HEAD" and response.status in (200, 503))
            assert response.status != 405 or method not in allowed.split(",")
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert caplog.text == ""


@pytest.mark.parametrize("path", routes())
@pytest.mark.parametrize("upgrade", ["websocket", "h2c", "TLS/1.0"])
async def test_no_address_becomes_another_protocol(
    connect: Connect, serve: Serve, path: str, upgrade: str, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await connect(await serve(connection_limits=HASTY))
    head = GET.replace(" / ", f" {path} ") + f"Upgrade: {upgrade}\r\n{WEBSOCKET}"
    writer.write(f"{head}Connection: Upgrade, close\r\n\r\n".encode())
    answer = await whole(reader, writer)
    assert answer.split(b" ")[1] in (b"200", b"405", b"503")
    assert caplog.text == ""


async def test_after_an_upgrade_that_was_not_granted_it_is_still_http(
    connect: Connect, serve: Serve
) -> None:
    reader, writer = await connect(await serve(connection_limits=HASTY))
    head = f"{GET}Upgrade: websocket\r\n{WEBSOCKET}Connection: Upgrade\r\n\r\n"
    writer.write(f"{head}GET /nowhere HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n".encode())
    answer = await whole(reader, writer)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"HTTP/1.1 404 Not Found" in answer


async def test_a_request_hidden_in_a_body_is_not_answered(connect: Connect, serve: Serve) -> None:
    hidden = f"GET /nowhere HTTP/1.1\r\n{HOST}\r\n"
    reader, writer = await connect(await serve(connection_limits=HASTY))
    length = f"Content-Length: {len(hidden)}\r\nConnection: close\r\n\r\n"
    writer.write(f"{GET}{length}{hidden}".encode())
    answer = await whole(reader, writer)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"404" not in answer.split(b"\r\n")[0]


@pytest.mark.parametrize("count", [150, pytest.param(1000, marks=pytest.mark.slow)])
async def test_many_requests_at_once_are_answered_one_by_one(
    connect: Connect, serve: Serve, count: int
) -> None:
    """Beyond the first thirty they are spread out in time."""
    reader, writer = await connect(await serve(connection_limits=HASTY))
    request = f"HEAD /style.css HTTP/1.1\r\n{HOST}"
    writer.write((f"{request}\r\n" * (count - 1) + f"{request}Connection: close\r\n\r\n").encode())
    assert (await whole(reader, writer)).count(b"HTTP/1.1 200 OK") == count
