"""`init`: what is asked, what is written, and what is said to wrong answers."""

from __future__ import annotations

import asyncio
import io
import os
import stat
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest

from bot.cli import setup
from bot.cli.parser import make_parser
from bot.config import load_config
from bot.core.errors import BadConfig, BotError
from tests.discord_payloads import APPLICATION
from tests.fake_discord import TOKEN, FakeDiscord


class Person(setup.Terminal):
    """Somebody at a terminal, who gives these answers; without any, nobody is there."""

    def __init__(self, *answers: str) -> None:
        super().__init__(io.StringIO(), io.StringIO())
        self.is_there = bool(answers)
        self.answers = iter(answers)
        self.asked: list[str] = []
        self.said: list[str] = []

    def tell(self, sentence: object) -> None:
        self.said.append(str(sentence))

    def ask(self, question: str) -> str:
        self.asked.append(question)
        return next(self.answers)

    def ask_secret(self, question: str) -> str:
        return self.ask(question)


@pytest.fixture(autouse=True)
def _same_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord().serve() as served:
        yield served


def init(
    file: Path,
    *arguments: str,
    person: Person | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Run `init` for a config file; return the status and what was printed."""
    parsed = make_parser().parse_args(["--config", str(file), "init", *arguments])
    out = io.StringIO()
    status = setup.run(parsed, environment or {}, out, io.StringIO(), person or Person())
    return status, out.getvalue()


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_two_private_files_are_written_and_the_doctor_looks_at_them(tmp_path: Path) -> None:
    file, folder = tmp_path / "deep" / "config.toml", tmp_path / 'verse "and" prose'
    _, printed = init(file, "--folder", str(folder), "--no-token")
    config = load_config(file, {})
    assert config.home / config.data.folder == folder / "data"
    assert config.home / config.models.folder == folder / "models"
    assert (file.parent / "environment").read_text().endswith("\nDISCORD_TOKEN=\n")
    assert f"{file} is valid" in printed
    assert printed.endswith(f"Start it: python -m bot --config {file}\n")
    if os.name == "posix":
        assert {mode(each) for each in file.parent.iterdir()} == {0o600}
        assert {mode(file.parent), mode(folder)} == {0o700}


def test_every_other_setting_has_its_default(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    init(file, "--folder", str(tmp_path), "--no-token")
    (tmp_path / "empty.toml").touch()
    assert load_config(file, {}) == load_config(tmp_path / "empty.toml", {})


@pytest.mark.token_on_purpose("file")
async def test_a_person_gives_a_token_and_gets_the_invite_link(
    tmp_path: Path, discord: FakeDiscord
) -> None:
    """The settings that are there stay, as the person wants; the first token is a slip."""
    file = tmp_path / "config.toml"
    file.write_text(f'[web]\nport = 0\n[discord]\napi_url = "{discord.url}"\n')
    person = Person("n", f'"{TOKEN}"', TOKEN)
    status, printed = await asyncio.to_thread(init, file, person=person)
    assert status == 0
    assert person.asked[0] == f"{file} exists. Replace it? [y/N]"
    assert person.said == ["The token has quotes around it; remove them."]
    assert f"DISCORD_TOKEN={TOKEN}\n" in (tmp_path / "environment").read_text()
    assert f"client_id={APPLICATION}" in printed.partition("Invite the bot to a server: ")[2]
    assert TOKEN not in printed
    # The next visit changes nothing: the token is kept, as the empty answer says.
    again = Person("n", "")
    await asyncio.to_thread(init, file, person=again, environment={"DISCORD_TOKEN": TOKEN})
    assert "keep the one there is" in again.asked[1]
    assert len(again.asked) == 2


@pytest.mark.token_on_purpose("file")
async def test_a_token_can_come_from_a_file_and_other_variables_stay(
    tmp_path: Path, discord: FakeDiscord
) -> None:
    file, secret = tmp_path / "config.toml", tmp_path / "secret"
    file.write_text(f'[web]\nport = 0\n[discord]\napi_url = "{discord.url}"\n')
    secret.write_text(f"{TOKEN}\n")
    (tmp_path / "environment").write_text("SONNETEER_API_KEY=key-of-programs-0123\n")
    person = Person("n", "y")
    await asyncio.to_thread(init, file, "--token-file", str(secret), person=person)
    assert (tmp_path / "environment").read_text() == (
        f"SONNETEER_API_KEY=key-of-programs-0123\nDISCORD_TOKEN={TOKEN}\n"
    )


@pytest.mark.token_on_purpose("file")
async def test_a_token_in_a_file_of_its_own_stays_there_alone(
    tmp_path: Path, discord: FakeDiscord
) -> None:
    """Given both ways, the bot would not start."""
    file, secret = tmp_path / "config.toml", tmp_path / "secret"
    file.write_text(f'[web]\nport = 0\n[discord]\napi_url = "{discord.url}"\n')
    secret.write_text(TOKEN)
    person = Person("n", "")
    given = {"DISCORD_TOKEN_FILE": str(secret)}
    status, printed = await asyncio.to_thread(init, file, person=person, environment=given)
    assert status == 0
    assert "Invite the bot to a server: http" in printed
    assert "DISCORD_TOKEN=\n" in (tmp_path / "environment").read_text()


def test_what_is_there_is_replaced_only_when_that_is_wanted(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[web]\nport = 0\n")
    with pytest.raises(BadConfig, match=r"exists, and nothing was changed.*--force"):
        init(file, "--no-token")
    assert file.read_text() == "[web]\nport = 0\n"
    init(file, "--no-token", "--force", "--folder", str(tmp_path))
    assert "[operator]" in file.read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no terminal to ask for the bot's token at. Give --token-file FILE"),
        (("--token-file", "none.txt"), "none.txt cannot be read: No such file"),
        (("--token-file", os.devnull), "is empty. For no token, give --no-token"),
        (("--no-token", "--folder", "a\nb"), "folder is 'a\\nb'; it must be a path"),
        (("--no-token", "--folder", "~nobody-here/x"), "nobody of that name has a home"),
        (("--no-token", "--folder", os.devnull), "/dev/null cannot be written"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="other paths")
def test_what_cannot_be_done_gets_one_sentence_and_leaves_no_file(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    file = tmp_path / "config.toml"
    if "--folder" not in arguments:
        arguments = (*arguments, "--folder", str(tmp_path))
    with pytest.raises(BotError) as refused:
        init(file, *arguments)
    assert words in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_bad_folder_is_asked_for_again(tmp_path: Path) -> None:
    blocked, good = tmp_path / "file", tmp_path / "good"
    blocked.touch()
    person = Person(str(blocked / "inner"), str(good))
    init(tmp_path / "config.toml", "--no-token", person=person)
    assert len(person.said) == 1
    assert person.said[0].startswith(f"{blocked / 'inner'} cannot be written: ")
    assert good.is_dir()


def test_the_input_may_end() -> None:
    terminal = setup.Terminal(io.StringIO(""), io.StringIO())
    with pytest.raises(BadConfig, match="input ended"):
        terminal.ask("Folder:")
