"""The service's use-cases, on a fake engine."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.errors import (
    BadSetting,
    ModelUnusable,
    QueueFull,
    ShuttingDown,
    TooSoon,
    UnknownModel,
)
from bot.core.metrics import Metrics
from bot.core.poems import PoemService
from bot.core.records import (
    FREE,
    RANGES,
    Asker,
    Defaults,
    Ending,
    ModelRecord,
    Poem,
    PoemRequest,
    Sampling,
)
from tests.fakes import (
    SEA_SONGS,
    SONNETS,
    VERSE,
    Clock,
    FakeEngine,
    FakeLibrary,
    fake_service,
    write_poem,
)
from tests.timeouts import HANG_SECONDS

ANNA = Asker("discord:1", "10")
BEN = Asker("discord:2", "10")
REQUEST = PoemRequest(asker=ANNA, seed="The sea")


async def write(service: PoemService, request: PoemRequest = REQUEST) -> Poem:
    return await write_poem(service, request)


async def test_a_poem_begins_with_the_seed_as_it_was_typed() -> None:
    poem = await write(fake_service())
    assert poem.text == "The sea" + VERSE
    assert poem.seed == "The sea"
    assert poem.ending is Ending.COMPLETE


async def test_text_comes_in_pieces_the_seed_first() -> None:
    service = fake_service()
    async with service.write(await service.admit(REQUEST)) as poem_stream:
        pieces = [piece async for piece in poem_stream]
    assert pieces[0] == "The sea"
    assert len(pieces) > 3
    assert "".join(pieces) == poem_stream.text


async def test_stop_strings_are_put_on_the_models_alphabet() -> None:
    engine = FakeEngine()
    poem = await write(fake_service(engine), replace(REQUEST, stop=("THE END", "amen")))
    assert engine.engine_requests[0].settings.stop == tuple(
        engine.prepare(SONNETS, stop).text for stop in ("THE END", "amen")
    )
    assert poem.settings.stop == ("THE END", "amen")


@pytest.mark.parametrize(
    ("stop", "sentence"),
    [
        (("",), "text of 1 to 100 characters"),
        (("x" * 101,), "text of 1 to 100 characters"),
        (("a",) * 9, "stop is '9 strings'; it must be at most 8 strings"),
    ],
)
async def test_stop_strings_that_cannot_be_are_refused(
    stop: tuple[str, ...], sentence: str
) -> None:
    engine = FakeEngine()
    engine.alphabet = "abc"
    with pytest.raises(BadSetting, match=sentence):
        await write(fake_service(engine), replace(REQUEST, stop=stop))


async def test_a_stop_string_that_the_model_cannot_write_is_left_out_whole() -> None:
    """Chat programs send such as "###\\n"; what was left of it ended the first line."""
    engine = FakeEngine(alphabet="abc \n")
    poem = await write(fake_service(engine), replace(REQUEST, stop=("###\n", "abba", "☃")))
    assert engine.engine_requests[0].settings.stop == ("abba",)
    told = "Stop texts that the model cannot write are left out; it does not know # ☃."
    assert told in poem.notes


async def test_who_goes_before_the_poem_has_begun_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = fake_service(FakeEngine())

    loading = asyncio.Event()

    async def never(_: object) -> None:
        loading.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(service._engine, "load", never)
    asking = asyncio.create_task(write(service))
    await loading.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert _counted(service, "cancelled") == 1.0


async def test_defaults_fill_in_what_nobody_asked_for() -> None:
    engine = FakeEngine()
    await write(
        fake_service(
            engine,
            defaults=Defaults(form=FREE, lines=6, sampling=Sampling(temperature=0.9, min_p=0.1)),
        )
    )
    (engine_request,) = engine.engine_requests
    assert engine_request.model == SONNETS
    assert engine_request.random_seed == 7
    assert (engine_request.settings.lines, engine_request.settings.characters) == (6, None)
    assert engine_request.settings.sampling == Sampling(temperature=0.9, min_p=0.1)


async def test_what_was_asked_for_goes_before_the_defaults() -> None:
    engine = FakeEngine()
    await write(
        fake_service(engine),
        replace(
            REQUEST,
            model="sea-songs",
            random_seed=5,
            lines=3,
            sampling={"temperature": 1.5, "top_k": 0},
        ),
    )
    (engine_request,) = engine.engine_requests
    assert (engine_request.model, engine_request.random_seed) == (SEA_SONGS, 5)
    assert engine_request.settings.sampling.temperature == 1.5
    assert engine_request.settings.lines == 3


async def test_random_seed_zero_is_not_taken_for_none() -> None:
    assert (await write(fake_service(), replace(REQUEST, random_seed=0))).random_seed == 0


async def test_a_length_in_characters_is_counted_from_the_seed_as_shown() -> None:
    engine = FakeEngine(alphabet="aes ht")
    await write(fake_service(engine), replace(REQUEST, seed="The sea 🌊🌊", characters=100))
    (engine_request,) = engine.engine_requests
    assert engine_request.opening.text == "the sea "
    assert engine_request.settings.characters == 100 - len("The sea 🌊🌊") + len("the sea ")
    assert engine_request.settings.lines is None


@pytest.mark.parametrize("name", sorted(RANGES))
async def test_a_value_out_of_its_range_is_refused_with_the_range(name: str) -> None:
    for value in (RANGES[name].low - 1, RANGES[name].high + 1):
        of_sampling = name in Sampling.model_fields
        changed: dict[str, Any] = {"sampling": {name: value}} if of_sampling else {name: value}
        with pytest.raises(BadSetting) as caught:
            await write(fake_service(), replace(REQUEST, **changed))
        assert str(RANGES[name]) in str(caught.value)
        assert repr(value) in str(caught.value)


async def test_lines_and_characters_together_are_refused() -> None:
    with pytest.raises(BadSetting, match="one of the two"):
        await write(fake_service(), replace(REQUEST, lines=3, characters=3))


async def test_characters_that_the_model_lacks_are_named_and_still_shown() -> None:
    poem = await write(fake_service(FakeEngine(alphabet="abc")), replace(REQUEST, seed="abc→⚓"))
    assert poem.text.startswith("abc→⚓")
    assert len(poem.notes) == 1
    assert "→ ⚓" in poem.notes[0]


@pytest.mark.parametrize("seed", ["", "  \n "])
async def test_no_seed_takes_an_opening_of_the_book(seed: str) -> None:
    poem = await write(fake_service(random_seed=3), replace(REQUEST, seed=seed))
    assert poem.seed == "an opening, number 3"
    assert poem.text.startswith("an opening, number 3")
    assert poem.notes == ()


async def test_a_seed_of_which_nothing_is_left_opens_at_random_and_says_so() -> None:
    poem = await write(fake_service(FakeEngine(alphabet="abc")), replace(REQUEST, seed="🌊🌊"))
    assert poem.seed == "an opening, number 7"
    assert any("at random" in note for note in poem.notes)


async def test_of_a_long_seed_the_last_500_characters_are_used_and_that_is_said() -> None:
    engine = FakeEngine()
    poem = await write(fake_service(engine), replace(REQUEST, seed="x" * 9_500 + "y" * 500))
    assert engine.engine_requests[0].opening.text == "y" * 500
    assert poem.seed == "y" * 500
    assert any("10,000 characters" in note and "500" in note for note in poem.notes)


@settings(max_examples=60)
@given(seed=st.text(st.characters(), max_size=600))
def test_no_seed_whatever_raises(seed: str) -> None:
    poem = asyncio.run(write(fake_service(), replace(REQUEST, seed=seed)))
    assert poem.text.startswith(poem.seed)
    poem.text.encode("utf-8")


async def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(UnknownModel, match="sonnets, sea-songs"):
        await write(fake_service(), replace(REQUEST, model="haiku"))


async def test_a_member_waits_for_the_cooldown_and_others_do_not() -> None:
    clock = Clock()
    service = fake_service(cooldown_seconds={"discord": 5.0}, clock=clock)
    await write(service)
    clock.now += 2.0
    with pytest.raises(TooSoon, match="wait 3 s"):
        await write(service)
    await write(service, replace(REQUEST, asker=BEN))
    await write(service, replace(REQUEST, asker=Asker("web:::1")))
    clock.now += 3.0
    await write(service)


async def test_a_refused_request_costs_no_cooldown() -> None:
    engine = FakeEngine()
    engine.full = True
    service = fake_service(engine, cooldown_seconds={"discord": 5.0})
    with pytest.raises(QueueFull):
        await write(service)
    engine.full = False
    await write(service)


async def test_two_requests_at_the_same_moment_do_not_slip_past_the_cooldown() -> None:
    service = fake_service(cooldown_seconds={"discord": 5.0})
    results = await asyncio.gather(write(service), write(service), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Poem", "TooSoon"]


async def test_what_would_be_refused_is_known_and_counted_before_it_is_asked_for() -> None:
    engine = FakeEngine()
    service = fake_service(engine, cooldown_seconds={"discord": 5.0})
    for _ in range(2):
        await service.admit(REQUEST)  # takes no place and begins no pause
    await write(service)
    with pytest.raises(TooSoon):
        await service.admit(REQUEST)
    engine.full = True
    with pytest.raises(QueueFull):
        await service.admit(replace(REQUEST, asker=BEN))
    assert {refusal: _counted(service, refusal) for refusal in ("TooSoon", "QueueFull")} == {
        "TooSoon": 1.0,
        "QueueFull": 1.0,
    }


async def test_who_has_to_leave_the_line_is_counted_as_refused_and_owes_no_pause() -> None:
    engine = FakeEngine()
    engine.failure = QueueFull(64)
    service = fake_service(engine, cooldown_seconds={"discord": 5.0})
    with pytest.raises(QueueFull):
        await write(service)
    assert _counted(service, "QueueFull") == 1.0
    await service.admit(REQUEST)


def _counted(service: PoemService, outcome: str) -> float | None:
    return service.metrics.registry.get_sample_value(
        "sonneteer_requests_total", {"door": "discord", "outcome": outcome}
    )


async def test_cancelling_ends_the_iteration_with_what_there_is() -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Semaphore(1)
    service = fake_service(engine)
    async with service.write(await service.admit(REQUEST)) as poem_stream:
        pieces = []
        async for piece in poem_stream:
            pieces.append(piece)
            if len(pieces) == 2:
                poem_stream.cancel()
    assert poem_stream.poem.ending is Ending.CANCELLED
    assert poem_stream.poem.text == "The sea" + VERSE[:16]


async def test_a_poem_that_reached_the_most_a_poem_may_have_says_so() -> None:
    engine = FakeEngine()
    engine.ending = Ending.CUT_OFF
    service = fake_service(engine)
    poem = await write(service)
    assert poem.ending is Ending.CUT_OFF
    assert any("10,000 characters" in note for note in poem.notes)
    text = service.metrics.render().decode()
    assert 'sonneteer_requests_total{door="discord",outcome="cut_off"} 1.0' in text


async def test_poems_that_were_cancelled_are_not_timed() -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Semaphore(0)
    service = fake_service(engine)
    async with service.write(await service.admit(REQUEST)) as poem_stream:
        poem_stream.cancel()
    assert "sonneteer_e2e_request_latency_seconds_count 0.0" in service.metrics.render().decode()


async def test_a_full_line_refuses_before_a_model_is_looked_for() -> None:
    engine = FakeEngine()
    engine.full = True
    engine.loading = asyncio.Event()
    service = fake_service(engine)
    with pytest.raises(QueueFull):
        await write(service)
    assert 'outcome="QueueFull"} 1.0' in service.metrics.render().decode()


async def test_a_model_whose_file_was_replaced_before_it_was_loaded_is_looked_for_again() -> None:
    class Replaced(FakeEngine):
        async def load(self, model: ModelRecord) -> None:
            if model == SONNETS:
                library.known = (newer,)
                raise ModelUnusable(model.name, "Its file was replaced just now. Try again.")

    newer = replace(SONNETS, sha256="c3" * 32)
    library = FakeLibrary()
    service = PoemService(library, Replaced(), Metrics(), defaults=Defaults(form=FREE))
    assert (await write(service)).model_sha256 == newer.sha256


async def test_who_goes_while_a_request_is_admitted_is_counted_as_cancelled() -> None:
    service = fake_service()
    gate = threading.Event()  # before which the thread has no time for the request
    busy = asyncio.ensure_future(service.run_in_thread(REQUEST.asker, gate.wait))
    await asyncio.sleep(0)
    admitting = asyncio.create_task(service.admit(REQUEST))
    await asyncio.sleep(0)
    admitting.cancel()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await admitting
    await busy
    assert _counted(service, "cancelled") == 1.0


async def test_leaving_the_context_early_frees_the_row() -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Semaphore(0)
    service = fake_service(engine)
    async with service.write(await service.admit(REQUEST)):
        assert engine.running == 1
    assert engine.running == 0


async def test_a_stop_turns_new_requests_away_and_lets_poems_finish() -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Semaphore(0)
    service = fake_service(engine)
    poem = asyncio.create_task(write(service))
    while not engine.drafts:
        await asyncio.sleep(0)
    closing = asyncio.create_task(service.close(grace_seconds=HANG_SECONDS))
    await asyncio.sleep(0)
    with pytest.raises(ShuttingDown):
        await write(service, replace(REQUEST, asker=BEN))
    for _ in range(20):
        engine.gate.release()
    await closing
    assert (await poem).ending is Ending.COMPLETE
    assert engine.closed


async def test_a_stop_while_a_model_is_being_loaded_turns_the_request_away() -> None:
    engine = FakeEngine()
    service = fake_service(engine)
    engine.loading = asyncio.Event()
    poem = asyncio.create_task(write(service))
    await asyncio.sleep(0)
    await service.close(grace_seconds=0)
    engine.loading.set()
    with pytest.raises(ShuttingDown):
        await poem
    assert engine.drafts == []


async def test_a_stop_cuts_short_what_outlasts_the_grace() -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Semaphore(0)
    service = fake_service(engine)
    poem = asyncio.create_task(write(service))
    while not engine.drafts:
        await asyncio.sleep(0)
    await service.close(grace_seconds=0)
    assert (await poem).ending is Ending.CANCELLED


async def test_a_failure_while_writing_reaches_the_door_and_frees_the_row() -> None:
    engine = FakeEngine()
    engine.failure = RuntimeError("out of ink")
    service = fake_service(engine)
    with pytest.raises(RuntimeError, match="out of ink"):
        await write(service)
    await service.close(grace_seconds=0)


async def test_an_unusable_model_is_refused_in_its_own_words() -> None:
    engine = FakeEngine()
    engine.unusable.add("sonnets")
    with pytest.raises(ModelUnusable, match="damaged"):
        await write(fake_service(engine))


async def test_requests_are_counted_by_door_and_outcome() -> None:
    service = fake_service()
    await write(service)
    with pytest.raises(UnknownModel):
        await write(service, replace(REQUEST, model="haiku"))
    text = service.metrics.render().decode()
    assert 'sonneteer_requests_total{door="discord",outcome="complete"} 1.0' in text
    assert 'sonneteer_requests_total{door="discord",outcome="UnknownModel"} 1.0' in text
    assert "sonneteer_time_to_first_text_seconds_count 1.0" in text
    assert "sonneteer_e2e_request_latency_seconds_count 1.0" in text
