"""`python -m bot health`: whether the bot is well, wherever its page is."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from bot.cli.main import main
from bot.cli.parser import make_parser
from bot.core.poems import PoemService
from bot.core.shards import ShardRange
from bot.core.store.lock import lock_folder
from bot.health import WITH_VALUE, check_health, is_asked_for, run
from bot.sections import WebConfig
from tests.bot.web.conftest import opening
from tests.fakes import fake_service
from tests.timeouts import HANG_SECONDS

NOWHERE = Path("nowhere")


@pytest.fixture
async def ready() -> PoemService:
    service = fake_service()
    await service.warm_up()
    return service


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", ["127.0.0.2", "127.0.0.1"]])
async def test_a_bot_that_is_well_is_well(ready: PoemService, host: str | list[str]) -> None:
    async with opening(ready) as server:
        port = server.addresses[0][1]
        assert await check_health(WebConfig(host=host, port=port), NOWHERE) == (True, "well")
        web, shards = WebConfig(host=host, port=port - 4), ShardRange.read("4-7/8")
        assert await check_health(web, NOWHERE, shards) == (True, "well")


async def test_a_bot_that_is_not_well_says_why() -> None:
    async with opening(fake_service(), shards=lambda: {0: False}) as server:
        web = WebConfig(port=server.addresses[0][1])
        well, told = await check_health(web, NOWHERE)
    assert (well, told) == (False, "not well: no model is loaded, not connected to Discord")
    well, told = await check_health(web, NOWHERE)
    assert (well, told) == (False, f"no Sonneteer answers on 127.0.0.1, port {web.port}")


async def test_a_page_on_any_port_cannot_be_asked() -> None:
    well, told = await check_health(WebConfig(port=0), NOWHERE)
    assert not well
    assert "[web] port is 0" in told


async def test_without_a_page_a_bot_is_seen_by_its_data_folder(tmp_path: Path) -> None:
    web = WebConfig(enabled=False)
    told = "the page is off; no bot has the data folder"
    assert await check_health(web, tmp_path / "data") == (False, told)
    lock = lock_folder(tmp_path / "data")
    try:
        told = "the page is off; a bot has the data folder"
        assert await check_health(web, tmp_path / "data") == (True, told)
    finally:
        lock.release()


def test_the_file_and_the_environment_say_where_the_page_is(tmp_path: Path) -> None:
    """Whatever else is wrong in them: the bot may have been started before."""
    file = tmp_path / "config.toml"
    file.write_text("[web]\nport = 1\nhost = '127.0.0.2'\n[writing]\nthreads = 'x'\n")

    def told(**environment: str) -> tuple[int, str]:
        out = io.StringIO()
        return run(file, None, out=out, environment=environment), out.getvalue()

    assert told() == (1, "no Sonneteer answers on 127.0.0.2, port 1\n")
    assert told(SONNETEER_WEB_HOST="127.0.0.3, ::1", SONNETEER_TYPO="x") == (
        1,
        "no Sonneteer answers on 127.0.0.3 or ::1, port 1\n",
    )


@pytest.mark.parametrize(
    ("text", "shards", "sentence"),
    [
        ("web.port = 99999", None, "The settings are wrong; python -m bot doctor says how."),
        ("web = 3", None, "The settings are wrong; python -m bot doctor says how."),
        ("[web", None, "cannot be read"),
        ("", "nonsense", "nonsense"),
    ],
)
def test_wrong_settings_get_a_sentence_and_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, shards: str | None, sentence: str
) -> None:
    (tmp_path / "config.toml").write_text(text)
    options = ["--config", str(tmp_path / "config.toml"), *(["--shards", shards] if shards else [])]
    assert main([*options, "health"]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["health"], True),
        (["--config", "health", "--verbose", "health"], True),
        (["--config=a", "--shards", "0-3/8", "health"], True),
        (["write", "health"], False),
        (["--config", "health"], False),
        (["--help"], False),
        ([], False),
    ],
)
def test_the_command_is_told_from_other_words(arguments: list[str], expected: bool) -> None:
    assert is_asked_for(arguments) is expected


def test_the_options_that_may_stand_before_it_are_known() -> None:
    options = [action for action in make_parser()._actions if action.option_strings]
    taking = {action.option_strings[0] for action in options if action.nargs is None}
    assert set(WITH_VALUE) == taking


LIGHT = """
import runpy, sys
sys.argv = ["bot", "--config", sys.argv[1], "health"]
try:
    runpy.run_module("bot", run_name="__main__", alter_sys=True)
finally:
    print(*sorted({"numba", "numpy", "aiohttp", "discord", "torch"} & sys.modules.keys()))
"""


def test_it_imports_nothing_large(tmp_path: Path) -> None:
    """Beside a training there is no room for a second of work and 100 MB every minute."""
    (tmp_path / "config.toml").write_text("web.port = 1")
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, str(tmp_path / "config.toml")],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    assert done.stdout == "no Sonneteer answers on 127.0.0.1, port 1\n\n"
    assert (done.returncode, done.stderr) == (1, "")
