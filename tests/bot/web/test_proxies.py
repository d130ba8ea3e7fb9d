"""The page behind nginx and Caddy, set up as the files in deploy/ say."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientConnectionError, ClientSession, TCPConnector

from bot.web.server import WebServer
from tests.bot.web.conftest import opening
from tests.fakes import FakeEngine, fake_service
from tests.timeouts import HANG_SECONDS

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
NAME = "poems.example.org"
VISITOR = "127.0.0.2"  # not the proxy's own address, which is trusted
PROXIES = [
    pytest.param(
        name, marks=pytest.mark.skipif(not shutil.which(name), reason=f"{name} is not installed")
    )
    for name in ("nginx", "caddy")
]
AROUND_NGINX = """\
daemon off; master_process off; pid {folder}/pid; error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    {site}
}}
"""
AROUND_CADDY = "{{\nadmin off\n}}\n{site}"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def changed(text: str, *changes: tuple[str, str]) -> str:
    """Return a text with each change made; what is to be changed must be there."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def command_of(name: str, folder: Path, port: int, page: int) -> list[str]:
    """Return how to run a proxy with the deployed file, on other ports and without TLS."""
    backend = ("127.0.0.1:8080;", f"127.0.0.1:{page};")
    if name == "nginx":
        site = changed(
            (DEPLOY / "nginx.conf").read_text("utf-8"),
            ("listen 80;", f"listen 127.0.0.1:{port};"),
            ("listen [::]:80;", ""),
            backend,
        )
        (folder / "nginx.conf").write_text(AROUND_NGINX.format(folder=folder, site=site))
        return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    site = changed(
        (DEPLOY / "Caddyfile").read_text("utf-8"),
        (f"\n{NAME} {{", f"\nhttp://{NAME}:{port} {{\n\tbind 127.0.0.1"),
        ("127.0.0.1:8080 {", f"127.0.0.1:{page} {{"),
    )
    (folder / "Caddyfile").write_text(AROUND_CADDY.format(site=site))
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


@asynccontextmanager
async def proxied(name: str, folder: Path, server: WebServer) -> AsyncIterator[ClientSession]:
    """Run a proxy before the page; gives a client of it."""
    port = free_port()
    command = command_of(name, folder, port, server.addresses[0][1])
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with (
            ClientSession(
                f"http://127.0.0.1:{port}",
                headers={"Host": NAME},
                connector=TCPConnector(local_addr=(VISITOR, 0)),
            ) as client,
            asyncio.timeout(HANG_SECONDS),
        ):
            while True:
                assert process.returncode is None, f"{name} does not take the file"
                try:
                    async with client.get("/healthz"):
                        break
                except ClientConnectionError:
                    await asyncio.sleep(0.02)
            yield client
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


@pytest.mark.parametrize("name", PROXIES)
async def test_the_deployed_file_of_a_proxy_works(name: str, tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Semaphore(1)
    origin = {"Origin": f"https://{NAME}"}
    async with (
        opening(
            fake_service(engine),
            allowed_hosts=[NAME],
            trusted_proxies=["127.0.0.1"],
            max_streams_per_client=1,
        ) as server,
        proxied(name, tmp_path, server) as client,
    ):
        async with client.get("/") as response:
            assert response.status == 200
            assert "Sonneteer" in await response.text()
        for path in ("/metrics", "/dashboard"):  # for this machine alone
            async with client.get(path) as response:
                assert response.status == 403, path
        stream = {**origin, "Accept": "text/event-stream"}
        async with client.post("/api/poems", json={"seed": "The sea"}, headers=stream) as response:
            seen = b""
            while b"upon the quiet" not in seen:  # the rest is not written yet
                seen += await response.content.readany()
            # The limit goes by the visitor's address, not by what a visitor says it is.
            spoofed = {**origin, "X-Forwarded-For": "192.0.2.7"}
            async with client.post("/api/poems", json={}, headers=spoofed) as second:
                assert second.status == 429
            for _ in range(20):
                engine.gate.release()
            while piece := await response.content.readany():
                seen += piece
        assert b"event: end" in seen
