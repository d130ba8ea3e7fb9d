"""The newcomer of the rig: what they type is heard, what they see is kept, and time is counted."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("Windows has no pseudo-terminals of this kind", allow_module_level=True)

from tests.rigs.newcomer.person import Failed, Person
from tests.rigs.newcomer.walks import Walk, address_in, require_sonnet
from tests.rigs.newcomer.wrong_turns import Turn, at_the_token

ASKS = "import getpass; print(len(getpass.getpass('Bot token: ')))"
POEM = "The sea\n" + "\n".join(f"line {number}" for number in range(2, 15))


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path)


def test_a_secret_is_typed_into_the_terminal_and_not_shown(person: Person) -> None:
    session = person.start(*python(ASKS))
    session.until("Bot token")
    session.type("hush\n")
    assert session.wait().split() == ["Bot", "token:", "4"]


def test_they_have_an_empty_home_and_nothing_of_ours(person: Person) -> None:
    told = person.do(*python("import os; print(os.environ['HOME'], 'VIRTUAL_ENV' in os.environ)"))
    assert told.screen.split() == [str(person.home), "False"]
    assert not list(person.home.iterdir())


def test_another_exit_status_is_a_failure_that_shows_the_screen(person: Person) -> None:
    with pytest.raises(Failed, match=r"ended with 3: .*told"):
        person.do(*python("print('told'); raise SystemExit(3)"))
    with pytest.raises(Failed, match="'never' was not shown"):
        person.start(*python("")).until("never")


@pytest.mark.parametrize(
    ("code", "words", "holds"),
    [
        ("print('Do that.'); raise SystemExit(2)", "Do that", True),
        ("print('Do that.')", "Do that", False),  # the exit status
        ("raise SystemExit(2)", "Do that", False),
        ("print('Do that.'); raise OSError", "Do that", False),  # a stack
    ],
)
def test_an_answer_needs_its_words_its_status_and_no_stack(
    person: Person, code: str, words: str, holds: bool
) -> None:
    outcome = Turn("a slip", python(code), words, (2,)).take(person)
    assert outcome.holds is outcome.check().holds is holds


def test_what_cannot_be_tried_is_said_and_is_no_failure(person: Person) -> None:
    outcome = Turn("a slip", python(""), "", before=lambda _: "it needs root").take(person)
    assert outcome.check().holds
    assert outcome.told == "not tried here, because it needs root"


def test_a_turn_types_its_answers(person: Person) -> None:
    turn = Turn("a token", python(ASKS), "4", drive=at_the_token("hush\n"))
    assert turn.take(person).holds


def test_downloads_and_what_is_done_again_do_not_count() -> None:
    walk = Walk("way")
    for counts in (True, False):
        with walk.step("wait", counts=counts):
            time.sleep(0.01)
    assert walk.seconds == walk.steps[0].seconds > 0


def test_only_a_sonnet_is_one() -> None:
    assert require_sonnet(POEM) == "The sea"
    for text in (POEM.replace("The sea", "A rose"), "The sea\nand nothing more"):
        with pytest.raises(Failed, match="no sonnet"):
            require_sonnet(text)
    assert address_in("INFO bot the page is at http://127.0.0.1:80\nmore") == "http://127.0.0.1:80"
