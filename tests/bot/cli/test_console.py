"""The terminal's door, on a fake engine."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import pytest

from bot.cli.console import run_prompt, write_poem
from bot.core.errors import CannotWrite
from bot.core.records import Asker, Defaults, Ending, PoemRequest
from tests.fakes import VERSE, FakeEngine, fake_service

REQUEST = PoemRequest(asker=Asker("terminal:"), seed="The sea")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


async def test_a_poem_and_nothing_else_goes_to_stdout() -> None:
    out, err = io.StringIO(), io.StringIO()
    await write_poem(fake_service(), REQUEST, out, err)
    assert out.getvalue() == "The sea" + VERSE + "\n"
    assert err.getvalue() == ""


async def test_notes_go_to_stderr() -> None:
    out, err = io.StringIO(), io.StringIO()
    request = PoemRequest(asker=Asker("terminal:"), seed="abc⚓")
    await write_poem(fake_service(FakeEngine(alphabet="abc")), request, out, err)
    assert out.getvalue().startswith("abc⚓")
    assert "⚓" in err.getvalue()


async def test_a_wait_in_line_and_a_note_on_the_end_go_to_stderr() -> None:
    out, err, engine = io.StringIO(), io.StringIO(), FakeEngine()
    engine.place, engine.expected_wait, engine.ending = 1, 2.0, Ending.CUT_OFF
    await write_poem(fake_service(engine), REQUEST, out, err)
    assert out.getvalue() == "The sea" + VERSE + "\n"
    waiting, cut_off = err.getvalue().splitlines()
    assert waiting == "In the queue: yours is next, about 2 s."
    assert "10,000 characters" in cut_off


async def test_json_is_one_object_on_one_line() -> None:
    out = io.StringIO()
    await write_poem(fake_service(), REQUEST, out, io.StringIO(), as_json=True)
    assert out.getvalue().count("\n") == 1
    poem = json.loads(out.getvalue())
    assert poem["text"] == "The sea" + VERSE
    assert poem["lines"] == ("The sea" + VERSE).split("\n")
    assert poem["seed"] == "The sea"
    assert (poem["model"], poem["random_seed"]) == ("sonnets", 7)
    assert poem["settings"]["lines"] == 14


def talk(lines: io.StringIO, engine: FakeEngine | None = None) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    service = fake_service(engine)
    with asyncio.Runner() as runner:
        run_prompt(service, REQUEST, runner.run, lines=lines, out=out, err=err)
    return out.getvalue(), err.getvalue()


def test_each_piped_line_is_a_seed_and_no_prompt_is_shown() -> None:
    out, err = talk(io.StringIO("Rain\nWind"))
    assert out == f"Rain{VERSE}\n\nWind{VERSE}\n\n"
    assert err == ""


def test_an_empty_line_opens_at_random() -> None:
    out, _ = talk(io.StringIO("\n"))
    assert out.startswith("an opening, number 7")


def test_a_terminal_gets_a_prompt() -> None:
    out, err = talk(Terminal("Rain\n"))
    assert out.startswith("seed> Rain")
    assert out.endswith("seed> ")
    assert "Ctrl-D" in err


def test_a_refusal_is_told_and_the_conversation_goes_on() -> None:
    engine = FakeEngine()
    engine.full = True
    out, err = talk(io.StringIO("Rain\nWind\n"), engine)
    assert out == ""
    assert err.count("waiting") == 2


async def test_a_title_and_a_signature_go_to_stderr() -> None:
    out, err = io.StringIO(), io.StringIO()
    await write_poem(fake_service(defaults=Defaults()), REQUEST, out, err)
    assert err.getvalue() == "A Title · sonnets · random seed 7\n"


@pytest.mark.parametrize("as_json", [False, True])
async def test_a_card_is_a_picture_in_a_file(as_json: bool, tmp_path: Path) -> None:
    card = tmp_path / "card.png"
    out, err = io.StringIO(), io.StringIO()
    await write_poem(fake_service(), REQUEST, out, err, as_json=as_json, card=card)
    assert card.read_bytes().startswith(b"\x89PNG")


async def test_a_card_that_cannot_be_written_is_told_after_the_poem(tmp_path: Path) -> None:
    out = io.StringIO()
    with pytest.raises(CannotWrite, match="cannot be written: No such file"):
        await write_poem(
            fake_service(), REQUEST, out, io.StringIO(), card=tmp_path / "no" / "card.png"
        )
    assert out.getvalue() == "The sea" + VERSE + "\n"
