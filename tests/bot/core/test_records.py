"""Records: their ranges and what they say of themselves."""

from __future__ import annotations

import re

import pytest

from bot.config import WritingConfig
from bot.core.installation import ROOT
from bot.core.records import FORMS as FORM_LINES
from bot.core.records import RANGES, Asker, Poem, PoemSettings, Range
from model import FORMS
from model.config import LengthConfig, Sampling
from model.engine import MAX_RANDOM_SEED

SETTINGS = PoemSettings(Sampling(temperature=0.5), lines=14, characters=None)


def poem(text: str) -> Poem:
    return Poem(text, "a", "sonnets", "f" * 64, 7, SETTINGS, ("a note",))


@pytest.mark.parametrize("name", ["temperature", "top_k", "top_p", "min_p"])
def test_both_ends_of_a_range_are_taken_by_the_model_and_the_config(name: str) -> None:
    for end in (RANGES[name].low, RANGES[name].high):
        value = int(end) if name == "top_k" else end
        assert getattr(Sampling.checked(**{name: value}), name) == value
        assert getattr(WritingConfig.model_validate({name: value}), name) == value


@pytest.mark.parametrize("name", ["top_k", "top_p", "min_p"])
def test_a_sampling_setting_is_named_where_it_is_defined_and_where_it_is_applied(name: str) -> None:
    files = (file for folder in ("model", "bot") for file in (ROOT / folder).rglob("*.py"))
    word = re.compile(rf"\b{name}\b")
    naming = {file.relative_to(ROOT).as_posix() for file in files if word.search(file.read_text())}
    applied = {"model/kernel/sampling.py", "model/kernel/reference.py"}
    theirs = {"bot/web/openai.py"} if name == "top_p" else set()  # in a range of OpenAI's own
    assert naming == {"model/config.py", *applied, *theirs}


def test_lengths_and_random_seeds_are_taken_by_the_model() -> None:
    assert LengthConfig.checked(lines=int(RANGES["lines"].high)).lines == 500
    assert LengthConfig.checked(characters=int(RANGES["characters"].high)).characters == 10_000
    assert RANGES["random_seed"].high <= MAX_RANDOM_SEED


def test_a_range_includes_its_ends_and_names_them() -> None:
    allowed = Range(1, 10_000)
    assert 1 in allowed
    assert 10_000 in allowed
    assert 0 not in allowed
    assert float("nan") not in allowed
    assert str(allowed) == "between 1 and 10,000"


def test_a_poems_lines_leave_out_blank_ones() -> None:
    assert poem("one\n\ntwo\n \nthree").lines == ("one", "two", "three")


def test_a_poem_as_dict_has_what_a_reader_needs_to_write_it_again() -> None:
    assert poem("one\ntwo").as_dict() == {
        "title": "",
        "plan": {"topic": [], "keywords": [], "ends": []},
        "looks": [],
        "text": "one\ntwo",
        "lines": ["one", "two"],
        "seed": "a",
        "model": "sonnets",
        "model_sha256": "f" * 64,
        "random_seed": 7,
        "settings": {
            "temperature": 0.5,
            "top_k": 0,
            "top_p": 1.0,
            "min_p": 0.0,
            "greedy": False,
            "lines": 14,
            "characters": None,
            "repetition_guard": 0,
            "stop": (),
            "form": "free",
            "avoid": (),
        },
        "notes": ["a note"],
        "ending": "complete",
    }


def test_an_asker_tells_its_door() -> None:
    assert Asker("discord:42", "7").door == "discord"


def test_the_forms_are_the_models() -> None:
    assert {name: len(form) for name, form in FORMS.items()} == FORM_LINES
