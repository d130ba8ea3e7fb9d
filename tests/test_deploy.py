"""What deploy/ has for Docker: the files fit together, and a cluster starts with them.

No container is started. The commands, settings and servers' files are those of the containers.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
import yaml  # type: ignore[import-untyped]

from bot.cli.parser import make_parser
from bot.config import load_config
from bot.core.application import VERSION
from bot.core.languages import LANGUAGES
from bot.core.store.server_address import Login, ServerAddress
from bot.health import TIMEOUT_SECONDS
from bot.sources import FILE, SECRET_VARIABLES
from deploy.trim import trim, unread_locales
from tests.fake_discord import TOKEN, FakeDiscord
from tests.nats_server import NATS_SERVER, WITHOUT, NatsServer, free_port
from tests.postgres_server import PASSWORD, PostgresServer, find_programs
from tests.rigs.bot_process import BotProcess
from tests.timeouts import HANG_SECONDS

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
CLUSTER = DEPLOY / "cluster"
DOCKERFILE = DEPLOY / "Dockerfile"
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
            if key.endswith(FILE):  # of a secret that Docker puts there
                assert key.removesuffix(FILE) in SECRET_VARIABLES, f"{name} {key}"
                assert value.removeprefix("/run/secrets/") in service["secrets"], f"{name} {key}"
            else:
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


def test_a_secret_of_compose_is_a_file_outside_the_project() -> None:
    content = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    assert content["secrets"] == {"token": {"file": "/etc/sonneteer/token"}}


# The image


def instructions() -> list[tuple[str, str]]:
    """Return what the Dockerfile says, such as ("USER", "build"), with long lines joined."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text("utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines) if word]


def image() -> list[tuple[str, str]]:
    """Return what the Dockerfile says of its last stage, which is the image."""
    found = instructions()
    return found[max(at for at, (word, _) in enumerate(found) if word == "FROM") :]


def test_the_image_runs_as_a_user_without_rights_and_installs_as_another() -> None:
    users = [rest for word, rest in instructions() if word == "USER"]
    assert users == ["build", "10001:10001"]
    assert not any("pip" in rest for word, rest in image() if word == "RUN")
    (packages,) = [rest for word, rest in instructions() if "-m pip" in rest]
    for call in re.findall(r"\binstall (?!\(\)|\"\$@)[^;]*", packages):
        assert re.search(r"-r /tmp/[\w-]+\.lock$", call.strip()), call
    assert any("PIP_REQUIRE_HASHES=1" in rest for word, rest in instructions() if word == "ENV")
    copied = [rest.split() for word, rest in instructions() if word == "COPY"]
    names = [name for words in copied for name in words[:-1] if not name.startswith("--")]
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    for name in names:
        if not name.startswith("/"):  # of another stage
            assert f"!{name}" in ignored
            assert (ROOT / name).exists()


def test_the_image_starts_the_bot_and_asks_it_how_it_is() -> None:
    said = dict(image())
    start: list[str] = json.loads(said["ENTRYPOINT"])
    assert start[:3] == ["python", "-m", "bot"]
    options, _, check = said["HEALTHCHECK"].partition(" CMD ")
    assert json.loads(check) == [*start, "health"]
    assert f"--timeout={TIMEOUT_SECONDS + 1:.0f}s" in options
    assert f"COPY deploy/docker.toml {start[-1]}\n" in DOCKERFILE.read_text("utf-8")
    assert said["VOLUME"] == "/var/lib/sonneteer"
    config = load_config(DEPLOY / "docker.toml", {})
    assert said["EXPOSE"] == str(config.web.port)


def targets_of(text: str) -> dict[str, str]:
    """Return the targets of docker-bake.hcl by name; each ends with a line "}"."""
    return dict(re.findall(r'^target "(\w+)" {\n(.*?)^}$', text, re.MULTILINE | re.DOTALL))


def texts(block: str, key: str) -> list[str]:
    """Return the texts after `key =` in a block of docker-bake.hcl, one or a list."""
    found = re.search(rf"^\s*{key}\s*= (.*)$", block, re.MULTILINE)
    return re.findall(r'"([^"]*)"', found[1]) if found else []


def test_all_images_are_described_for_both_kinds_of_processors() -> None:
    text = (DEPLOY / "docker-bake.hcl").read_text("utf-8")
    targets = targets_of(text)
    base = targets.pop("base")
    assert set(targets) == {"bot", "training", "cluster"}
    assert texts(base, "platforms") == ["linux/amd64", "linux/arm64"]
    assert ROOT / texts(base, "dockerfile")[0] == DOCKERFILE
    assert texts(base, "attest") == ["type=provenance,mode=max", "type=sbom"]
    known = re.findall(r"^ARG (\w+)=", DOCKERFILE.read_text("utf-8"), re.MULTILINE)
    tags = [tag for block in targets.values() for tag in texts(block, "tags")]
    assert len(tags) == len(set(tags)) == 6
    for block in targets.values():
        assert texts(block, "inherits") == ["base"]
        given = re.findall(r'(\w+) = "(?:yes|no)"', block)
        assert given == ["TRAINING", "CLUSTER"]
        assert set(given) <= set(known)
    assert f'variable "VERSION" {{ default = "{VERSION}" }}\n' in text


def test_trimming_leaves_what_the_bot_reads(tmp_path: Path) -> None:
    gone = ["numpy/tests/test.py", "numba/cuda/tests/a.py", "torch/include/a.h"]
    gone += ["babel/locale-data/fi.dat", "babel/locale-data/pt_PT.dat"]
    kept = ["numpy/linalg.py", "discord/tests/a.py", "babel/global.dat"]
    kept += [f"babel/locale-data/{name}.dat" for name in ("root", "en", "pt", "pt_BR", "ru")]
    for name in (*gone, *kept):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    trim(tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == set(kept)


def test_trimming_leaves_a_file_of_each_language() -> None:
    packages = Path(sysconfig.get_path("purelib"))
    removed = {path.stem for path in unread_locales(packages)}
    for language in LANGUAGES:
        name = language.replace("-", "_")
        assert (packages / "babel" / "locale-data" / f"{name}.dat").is_file()
        assert name not in removed


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
        *(sys.executable, *shlex.split(changed(shlex.join(arguments), *changes))),
        cwd=ROOT,
        stdout=asyncio.subprocess.DEVNULL,
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
            settings = ("/etc/sonneteer/config.toml", str(tmp_path / "gateway-2" / "config.toml"))
            while not await runs(well, settings):
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
