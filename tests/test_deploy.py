"""What deploy/ has for Docker: the files fit together, and a cluster starts with them.

No container is started. The commands, settings and servers' files are those of the containers.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
import yaml  # type: ignore[import-untyped]

from bot.cli.parser import make_parser
from bot.config import load_config
from bot.core.store.server_address import Login, ServerAddress
from bot.sources import SECRET_VARIABLES
from tests.fake_discord import TOKEN, FakeDiscord
from tests.nats_server import NATS_SERVER, WITHOUT, NatsServer, free_port
from tests.postgres_server import PASSWORD, PostgresServer, find_programs
from tests.rigs.bot_process import BotProcess
from tests.timeouts import HANG_SECONDS

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
CLUSTER = DEPLOY / "cluster"
FILES = [DEPLOY / "compose.yaml", CLUSTER / "compose.yaml"]
SECRET = re.compile(r"\$\{\w+:?\?[^}]+\}")  # from the environment, refused where it is missing
NATS_PASSWORD = "p4ssword-of-the-bus"

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)


def services(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))["services"]
    return found


def of_ours(file: Path) -> dict[str, Any]:
    """Return the services that are Sonneteer."""
    return {name: each for name, each in services(file).items() if "build" in each}


@each_file
def test_a_container_can_do_no_more_than_it_must(file: Path) -> None:
    for name, service in services(file).items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        if service.get("user") == "root":  # to give a folder away, without a network
            assert service["network_mode"] == "none", name
            assert service["cap_add"] == ["CHOWN"], name
        elif "build" not in service:  # our image has a user of its own
            assert service["user"] not in ("", "0"), name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name


@each_file
def test_no_secret_is_in_the_file_and_none_is_told_to_who_does_not_need_it(file: Path) -> None:
    for name, service in services(file).items():
        told = service.get("environment", {})
        for key, value in told.items():
            assert key == "SONNETEER_NATS_USER" or SECRET.fullmatch(value), f"{name} {key}"
        if name in ("worker", "trainer"):
            assert set(told) == {"SONNETEER_NATS_USER", "SONNETEER_NATS_PASSWORD"}
        assert "DISCORD_TOKEN" not in told or name.startswith("gateway")


@each_file
def test_what_a_container_is_told_to_run_exists(file: Path) -> None:
    for name, service in of_ours(file).items():
        assert (file.parent / service["build"]["context"] / service["build"]["dockerfile"]).exists()
        arguments = make_parser().parse_args(service.get("command", []))
        assert arguments.command in (None, name), name
    mounted = [volume for each in services(file).values() for volume in each.get("volumes", [])]
    for volume in mounted:
        if volume.startswith("."):
            assert (file.parent / volume.split(":")[0]).is_file(), volume


def test_each_shard_of_the_cluster_has_one_gateway() -> None:
    found = services(CLUSTER / "compose.yaml")
    gateways = [each["command"] for name, each in found.items() if name.startswith("gateway")]
    ranges = [make_parser().parse_args(command).shards for command in gateways]
    assert ranges == ["0/2", "1/2"]


def test_an_argument_of_the_build_is_known() -> None:
    known = re.findall(r"^ARG (\w+)=", (DEPLOY / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    given = {key for file in FILES for each in of_ours(file).values() for key in args_of(each)}
    assert given <= set(known)
    allowed = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    copied = re.findall(r"requirements[\w-]*\.lock", (DEPLOY / "Dockerfile").read_text("utf-8"))
    assert {f"!{name}" for name in copied} <= set(allowed)


def args_of(service: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = service["build"].get("args", {})
    return found


@pytest.mark.parametrize("file", [DEPLOY / "docker.toml", CLUSTER / "config.toml"], ids=str)
def test_the_settings_of_a_container_can_be_read(file: Path) -> None:
    config = load_config(file, {})
    assert config.data.folder == "/var/lib/sonneteer/data"
    assert set(SECRET_VARIABLES).isdisjoint(file.read_text("utf-8").split())


# The same by hand


def changed(text: str, *changes: tuple[str, str]) -> str:
    """Return a text with each change made; what is to be changed must be there."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


async def runs(check: list[str], *changes: tuple[str, str]) -> bool:
    """Whether a health check finds its service well."""
    program, *arguments = check[1:]
    assert program == "python"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, arguments[0], changed(arguments[1], *changes)),
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait() == 0


async def wait_for(log: BotProcess, words: str) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while words not in log.log():
            assert log.status is None, log.log()
            await asyncio.sleep(0.05)


@pytest.mark.slow
@pytest.mark.postgres
async def test_the_cluster_starts_with_these_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = find_programs()
    if programs is None or NATS_SERVER is None:
        pytest.skip("no PostgreSQL here" if programs is None else WITHOUT)
    monitor, page = free_port(), free_port()
    nats_file = changed(
        (CLUSTER / "nats.conf").read_text("utf-8"),
        ("port: 4222\n", ""),
        ("127.0.0.1:8222", f"127.0.0.1:{monitor}"),
        ('  store_dir: "/var/lib/nats"\n', ""),  # NatsServer gives it one
    )
    (tmp_path / "nats.conf").write_text(nats_file)
    async with AsyncExitStack() as running:
        monkeypatch.setenv("SONNETEER_NATS_PASSWORD", NATS_PASSWORD)
        bus = NatsServer(tmp_path / "nats", "-c", str(tmp_path / "nats.conf"))
        running.push_async_callback(bus.stop, kill=True)
        await bus.start()
        monkeypatch.delenv("SONNETEER_NATS_PASSWORD")
        server = PostgresServer(programs, admin="postgres")
        running.callback(server.stop)
        server.start()
        address = f"127.0.0.1:{server.port}"
        make_database(programs, server.port)
        discord = await running.enter_async_context(FakeDiscord([1 << 22, 2 << 22]).serve())
        config = changed(
            (CLUSTER / "config.toml").read_text("utf-8"),
            ("nats://nats:4222", bus.address),
            ("@postgres/", f"@{address}/"),
            ("/var/lib/sonneteer/", ""),
            ('host = "0.0.0.0"', f'host = "127.0.0.1"\nport = {page}'),
        )
        found = services(CLUSTER / "compose.yaml")
        bots: dict[str, BotProcess] = {}
        for name in of_ours(CLUSTER / "compose.yaml"):
            home = tmp_path / name
            home.mkdir()
            extra = f'\n[discord]\napi_url = "{discord.url}"\n' if "gateway" in name else ""
            (home / "config.toml").write_text(config + extra)
            bots[name] = BotProcess(
                home / "config.toml",
                TOKEN if "DISCORD_TOKEN" in found[name]["environment"] else None,
                *found[name]["command"],
                variables=variables_of(found[name]),
            )
        on_the_bus = found["worker"]["healthcheck"]["test"]
        port = (":107E", f":{bus.port:04X}")
        assert not await runs(on_the_bus, port)
        for name, words in (("worker", "writes on"), ("trainer", "waits for trainings")):
            await running.enter_async_context(bots[name])
            await wait_for(bots[name], words)
        assert await runs(on_the_bus, port)
        for name in ("gateway-1", "gateway-2"):
            await running.enter_async_context(bots[name])
        for name in ("gateway-1", "gateway-2"):
            await wait_for(bots[name], "the page is at")
        await discord.until(lambda: len(discord.gateway.identified) == 2)
        well = found["gateway-2"]["healthcheck"]["test"]
        async with aiohttp.ClientSession() as http, asyncio.timeout(HANG_SECONDS):
            for number in range(2):
                url = f"http://127.0.0.1:{page + number}/api/poems"
                async with http.post(url, json={"seed": "the sea", "form": "sonnet"}) as answer:
                    assert answer.status == 200, await answer.text()
            while not await runs(well, ("8081", str(page + 1))):
                await asyncio.sleep(0.2)
            async with http.get(f"http://127.0.0.1:{monitor}/healthz") as answer:
                assert answer.status == 200


def variables_of(service: dict[str, Any]) -> dict[str, str]:
    """Return what a service is told, with the secrets of our servers in place."""
    secrets = {
        "DISCORD_TOKEN": TOKEN,
        "SONNETEER_NATS_PASSWORD": NATS_PASSWORD,
        "SONNETEER_DATABASE_PASSWORD": PASSWORD,
    }
    told: dict[str, str] = service["environment"]
    return {key: secrets.get(key, value) for key, value in told.items()}


def make_database(programs: Path, port: int) -> None:
    """Do what PostgreSQL's container does at its first start."""
    subprocess.run(
        [
            *(programs / "psql", "-v", "ON_ERROR_STOP=1", "--no-psqlrc", "--quiet"),
            *("--host", "127.0.0.1", "--port", str(port), "--username", "postgres"),
            *("--file", CLUSTER / "database.sql"),
        ],
        check=True,
        env={
            "PATH": os.environ["PATH"],
            "PGPASSWORD": PASSWORD,
            "SONNETEER_DATABASE_PASSWORD": PASSWORD,
        },
    )


@pytest.mark.postgres
async def test_the_bot_is_no_admin_of_the_database() -> None:
    programs = find_programs()
    if programs is None or not (programs / "psql").exists():
        pytest.skip("no PostgreSQL here")
    server = PostgresServer(programs, admin="postgres")
    try:
        server.start()
        make_database(programs, server.port)
        address = ServerAddress.read(f"postgresql://sonneteer@127.0.0.1:{server.port}/sonneteer")
        connection = await asyncpg.connect(**Login(address, PASSWORD).options())
        try:
            assert not await connection.fetchval(
                "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication FROM pg_roles "
                "WHERE rolname = current_user"
            )
        finally:
            await connection.close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(**server.login().options())
    finally:
        server.stop()
