"""Seeds, through the whole core on small models, and onto the paper of the one that ships."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.core.engine_client import EngineClient
from bot.core.errors import BotError
from bot.core.metrics import Metrics
from bot.core.model_library import ModelLibrary
from bot.core.poems import PoemService
from bot.core.records import Asker, Poem, PoemRequest
from bot.web.poems import PoemBody
from model import FORMS, Prosody, Vocabulary, lay_out_seed, load_model, save_model, scan_poem
from model.capitals import Capitals
from model.verse import make_title
from tests.fuzz.answers import MAX_SENTENCE, answer
from tests.fuzz.strings import hostile, json_values
from tests.fuzz.test_settings import request_fields
from tests.verse_words import verse_model

SHIPPED = Path(__file__).resolve().parents[2] / "model" / "pretrained" / "sonnets.safetensors"
MAX_NOTES = 3_000
Ask = Callable[[PoemRequest], Poem | BotError]


@pytest.fixture(scope="module")
def paper() -> tuple[Prosody, Vocabulary]:
    """Return what a seed is laid out with: the words and the alphabet of the model that ships."""
    model = load_model(SHIPPED)
    return Prosody(model.lexicon, model.vocabulary, 1.5), model.vocabulary


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Return a function that asks the real service, with a model that knows nothing but words."""
    folder, small = tmp_path_factory.mktemp("models"), verse_model()
    save_model(
        folder / "small.safetensors",
        *(small.network, small.tensors, small.vocabulary, small.card),
        lexicon=small.lexicon,
    )
    with asyncio.Runner() as runner:

        async def make() -> PoemService:
            metrics = Metrics()
            library = ModelLibrary([folder], shipped=folder / "none", default="small")
            return PoemService(library, EngineClient(metrics), metrics)

        async def write(request: PoemRequest) -> Poem | BotError:
            try:
                async with service.write(await service.admit(request)) as poem_stream:
                    return await poem_stream.finish()
            except BotError as error:
                return error

        service = runner.run(make())
        yield lambda request: runner.run(write(request))
        runner.run(service.close())


@settings(max_examples=60)
@given(hostile, st.integers(1, 40))
@example("a" + "\u0300\u0316" * 5_000, 3)
@example("\ufdfa" * 500, 40)
@example("un'yes " * 80, 5)
def test_any_seed_begins_a_poem_of_free_text(ask: Ask, seed: str, characters: int) -> None:
    poem = ask(PoemRequest(Asker("web:1"), seed, characters=characters, random_seed=1))
    assert isinstance(poem, Poem), poem
    poem.text.encode("utf-8")
    assert poem.text.startswith(poem.seed)


@settings(max_examples=25)
@given(hostile, st.sampled_from(["haiku", "couplet"]), st.integers(0, 2**53 - 1))
@example("shall i " * 70, "haiku", 1)
@example("\u0301", "couplet", 1)
def test_any_seed_begins_a_poem_in_a_form(ask: Ask, seed: str, form: str, random_seed: int) -> None:
    poem = ask(PoemRequest(Asker("web:1"), seed, form=form, random_seed=random_seed))
    assert isinstance(poem, Poem), poem
    poem.text.encode("utf-8")
    assert len(str(poem.notes)) < MAX_NOTES


@settings(max_examples=60)
@given(request_fields)
def test_any_request_is_written_or_refused(ask: Ask, fields: dict[str, object]) -> None:
    fields = {"characters": 20, **fields}
    for name in ("lines", "characters"):  # or each takes its time
        value = fields.get(name)
        if isinstance(value, int | float) and value > 30:
            fields[name] = 30
    written = ask(PoemRequest(Asker("web:1"), **fields))  # type: ignore[arg-type]
    if isinstance(written, BotError):
        assert len(str(written)) < MAX_SENTENCE
    else:
        json.dumps(written.as_dict()).encode()


@settings(max_examples=50)
@given(hostile)
def test_any_name_finds_a_model_or_none(ask: Ask, name: str) -> None:
    written = ask(PoemRequest(Asker("web:1"), "a", name, characters=3))
    assert isinstance(written, Poem) or len(str(written)) < MAX_SENTENCE


@settings(max_examples=80)
@given(hostile.map(lambda text: text[:500]), st.sampled_from(list(FORMS)))
@example("o'er-" * 100, "sonnet")
@example("ouriseo'oh'eousin'hereiness " * 17, "sonnet")
def test_any_seed_can_be_laid_out_and_looked_at(
    paper: tuple[Prosody, Vocabulary], seed: str, name: str
) -> None:
    prosody, vocabulary = paper
    form = FORMS[name]
    folding = vocabulary.fold(seed)
    assert set(folding.text) <= set(vocabulary.characters)

    def fold(text: str) -> str:
        return vocabulary.fold(text).text.strip()

    opening = answer(lambda: lay_out_seed(seed, form, prosody, fold))
    if opening is None:
        return
    assert set(opening.text) <= set(vocabulary.characters)
    lines = [line for line in seed.split("\n") if any(map(fold, line.split()))]
    # But for capitals, of which ß has two, and for lines of which the model knows nothing.
    assert _letters(opening.shown) == _letters("".join(lines) or seed)
    lines = opening.shown.split("\n")
    shown = scan_poem(lines, form, prosody)
    assert [line.text for line in shown] == lines[: len(shown)]
    make_title(lines, prosody)
    capitals = Capitals(("Time",), opening.text)
    capitals.write(seed)
    capitals.rest()


def _letters(text: str) -> str:
    return "".join(text.split()).upper().casefold()


# The page

bodies = st.dictionaries(
    st.sampled_from(list(PoemBody.model_fields)) | hostile, json_values, max_size=4
).map(lambda body: json.dumps(body).encode())


@settings(max_examples=200)
@given(bodies | st.binary(max_size=100) | json_values.map(lambda value: json.dumps(value).encode()))
@example(b"[" * 60_000)
@example(b'{"lines":' + b"9" * 60_000 + b"}")
@example(b'{"stop":[' + b"0," * 30_000 + b"0]}")
@example(b'{"seed":"\\ud800"}')
def test_a_body_is_read_or_refused(body: bytes) -> None:
    request = answer(lambda: PoemBody.parse(body).request(Asker("web:1")))
    if request is not None:
        request.seed.encode("utf-8")


@settings(max_examples=40)
@given(bodies)
def test_what_a_body_asks_for_is_written_or_refused(ask: Ask, body: bytes) -> None:
    request = answer(lambda: PoemBody.parse(body).request(Asker("web:1")))
    if request is not None:
        written = ask(request)
        assert isinstance(written, Poem) or len(str(written)) < MAX_SENTENCE
