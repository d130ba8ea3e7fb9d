"""On a machine with public addresses of its own: a network namespace that has them for real."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
ENTER = ["unshare", "--map-root-user", "--net", "--mount"]
# The addresses are other people's, and nothing leaves the namespace.
NETWORK = """
ip link set lo up
ip link add public type veth peer name street
ip link set public up && ip link set street up
ip addr add 185.199.108.10/24 dev public
ip route add default via 185.199.108.1
ip -6 addr add 2a01:4f8:1:2::10/64 dev public nodad
ip -6 route add default via 2a01:4f8:1:2::1
ip addr add 66.35.62.7 peer 66.35.62.8/32 dev street
"""
VISIT = """
import asyncio, json, tempfile
from ipaddress import ip_address
from pathlib import Path
from aiohttp import web
from bot.core.errors import BotError
from bot.core.fetching.client import FetchRules, HttpClient
from bot.core.fetching.fetcher import Fetcher
from bot.core.fetching.routes import route_to

async def answer(request):
    asked.append(str(request.url))
    return web.Response(text="a book\\n" * 500)

async def visit(host, address):
    async def resolve(_host, _port):
        return [address]
    client = HttpClient(FetchRules("x", 100_000, 0.5), resolve=resolve)
    with tempfile.TemporaryDirectory() as folder:
        try:
            await Fetcher(client, max_bytes=100_000).fetch(f"http://{host}/", Path(folder) / "b")
        except BotError as error:
            return str(error)
    return "a book"

async def main():
    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    for host in ("0.0.0.0", "::"):
        await web.TCPSite(runner, host, 80).start()
    said = {a: [route_to(ip_address(a)).name, await visit("books.example", a)] for a in ADDRESSES}
    await runner.cleanup()
    print(json.dumps([said, asked]))

asked = []
asyncio.run(main())
"""
LOCAL = ["185.199.108.10", "2a01:4f8:1:2::10", "66.35.62.7"]
NEIGHBOURS = ["185.199.108.99", "2a01:4f8:1:2::99", "66.35.62.8", "2a01:4f8:1:2::"]
BEYOND = ["93.184.216.34", "2606:4700::6810:84e5"]


@pytest.fixture(scope="module")
def namespace() -> list[str]:
    """Return the words that run a shell's script in a namespace of its own."""
    if not all(map(shutil.which, ("unshare", "ip", "sh"))):
        pytest.skip("there is no unshare or ip here")
    tried = subprocess.run(
        [*ENTER, "sh", "-ec", NETWORK], capture_output=True, text=True, check=False
    )
    if tried.returncode:
        pytest.skip(f"network namespaces are not allowed here: {tried.stderr.strip()[:100]}")
    return [*ENTER, "sh", "-ec"]


def test_a_machine_with_public_addresses_keeps_strangers_from_itself_and_next_door(
    namespace: list[str],
) -> None:
    """Its own web page, behind the firewall, was fetched as anybody's book."""
    addresses = [*LOCAL, *NEIGHBOURS, *BEYOND]
    visit = f"ADDRESSES = {addresses!r}\n{VISIT}"
    script = f'{NETWORK}\nexec "$0" -c "$1"'
    ran = subprocess.run(
        [*namespace, script, sys.executable, visit],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    said, asked = json.loads(ran.stdout)
    assert {address: said[address][0] for address in addresses} == {
        **dict.fromkeys(LOCAL, "LOCAL"),
        **dict.fromkeys(NEIGHBOURS, "LINK"),
        **dict.fromkeys(BEYOND, "OUT"),
    }
    for address in (*LOCAL, *NEIGHBOURS):
        assert "own machine or to the network next to it" in said[address][1]
    for address in BEYOND:  # tried, and nobody answers
        assert "could not be fetched" in said[address][1]
    assert asked == []
