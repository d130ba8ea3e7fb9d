"""The bridge to the engine, with a real engine on a tiny untrained model."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.core.engine_client import EngineClient
from bot.core.errors import BadSetting, ModelUnusable, QueueFull
from bot.core.metrics import Metrics
from bot.core.model_library import ModelLibrary
from bot.core.records import Ending, ModelRecord, Sampling
from model import Engine, Opening, PoemPiece
from tests.bot.core.engine.requests import (
    ENDLESS,
    LIMITS,
    SETTINGS,
    MakeModel,
    engine_request,
    first_piece,
    read,
)
from tests.conftest import OPENINGS
from tests.timeouts import HANG_SECONDS


async def test_a_poem_has_the_characters_that_were_ordered(
    client: EngineClient, apples: ModelRecord
) -> None:
    await client.load(apples)
    text = await read(client.write(engine_request(apples)))
    assert len("the sea " + text) == 60


async def test_the_same_order_writes_the_same_poem_and_another_random_seed_another(
    client: EngineClient, apples: ModelRecord
) -> None:
    await client.load(apples)
    first = await read(client.write(engine_request(apples)))
    drafts = [
        client.write(engine_request(apples)),
        client.write(engine_request(apples, random_seed=2)),
    ]
    again, other = await asyncio.gather(*map(read, drafts))
    assert again == first
    assert other != first


async def test_writers_at_once_share_one_batch(
    client: EngineClient, apples: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    widths: list[int] = []
    step = Engine.step

    def counted(engine: Engine) -> list[PoemPiece]:
        widths.append(engine.running)
        return step(engine)

    monkeypatch.setattr(Engine, "step", counted)
    await client.load(apples)
    drafts = [client.write(engine_request(apples, ENDLESS, random_seed=n)) for n in range(2)]
    await asyncio.gather(*map(first_piece, drafts))
    for draft in drafts:
        draft.cancel()
    await asyncio.gather(*map(read, drafts))
    assert max(widths) == 2


async def test_stepping_happens_on_one_thread_of_its_own(
    client: EngineClient, apples: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[str] = set()
    step = Engine.step

    def watched(engine: Engine) -> list[PoemPiece]:
        threads.add(threading.current_thread().name)
        return step(engine)

    monkeypatch.setattr(Engine, "step", watched)
    await client.load(apples)
    await read(client.write(engine_request(apples)))
    await read(client.write(engine_request(apples)))
    assert threads == {"writing-0_0"}


async def test_orders_beyond_the_rows_stand_in_line_and_are_written_in_turn(
    client: EngineClient, apples: ModelRecord
) -> None:
    await client.load(apples)
    drafts = [client.write(engine_request(apples, random_seed=n)) for n in range(4)]
    assert [draft.place for draft in drafts] == [0, 0, 1, 2]
    assert (client.running, client.waiting) == (2, 2)
    texts = await asyncio.gather(*map(read, drafts))
    assert all(len(text) == 52 for text in texts)
    assert (client.running, client.waiting) == (0, 0)


async def test_a_full_line_refuses_at_once(client: EngineClient, apples: ModelRecord) -> None:
    await client.load(apples)
    drafts = [client.write(engine_request(apples)) for _ in range(4)]
    with pytest.raises(QueueFull, match="2 poems waiting"):
        client.write(engine_request(apples))
    await asyncio.gather(*map(read, drafts))


async def test_cancelling_ends_a_poem_early_and_lets_the_next_in(
    client: EngineClient, apples: ModelRecord
) -> None:
    await client.load(apples)
    first = client.write(engine_request(apples, ENDLESS))
    client.write(engine_request(apples, ENDLESS))
    third = client.write(engine_request(apples))
    assert third.place == 1
    await first_piece(first)
    first.cancel()
    rest = await read(first)
    assert first.cancelled
    assert len(rest) < 9_000
    assert len(await read(third)) == 52


async def test_cancelling_in_line_gives_the_place_back(
    client: EngineClient, apples: ModelRecord
) -> None:
    await client.load(apples)
    drafts = [client.write(engine_request(apples, ENDLESS)) for _ in range(2)]
    third, fourth = client.write(engine_request(apples)), client.write(engine_request(apples))
    third.cancel()
    assert await read(third) == ""
    assert fourth.place == 1
    for draft in drafts:
        draft.cancel()
    assert len(await read(fourth)) == 52


async def test_a_finished_poem_cannot_be_cancelled(
    client: EngineClient, apples: ModelRecord
) -> None:
    await client.load(apples)
    draft = client.write(engine_request(apples))
    await read(draft)
    draft.cancel()
    assert not draft.cancelled


async def test_models_write_side_by_side(
    client: EngineClient, shelf: ModelLibrary, apples: ModelRecord
) -> None:
    pears = shelf.find("pears")
    await client.load(apples)
    await client.load(pears)
    alone = [await read(client.write(engine_request(model))) for model in (apples, pears)]
    drafts = [client.write(engine_request(model)) for model in (apples, pears)]
    assert await asyncio.gather(*map(read, drafts)) == alone
    assert alone[0] != alone[1]


async def test_the_least_recently_used_model_makes_room_and_its_poems_go_on(
    client: EngineClient, shelf: ModelLibrary, apples: ModelRecord, model_file: MakeModel
) -> None:
    model_file("plums", seed=3)
    pears = shelf.find("pears")
    await client.load(apples)
    await client.load(pears)
    drafts = [client.write(engine_request(model, ENDLESS)) for model in (apples, pears)]
    await asyncio.gather(*map(first_piece, drafts))
    await client.load(shelf.find("plums"))
    with pytest.raises(KeyError):
        client.prepare(apples, "gone")
    client.prepare(pears, "still there")
    await asyncio.gather(*map(first_piece, drafts))
    for draft in drafts:
        draft.cancel()


async def test_many_who_need_a_model_at_once_load_it_once(
    client: EngineClient, apples: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = 0
    init = Engine.__init__

    def counted(*arguments: object, **keywords: object) -> None:
        nonlocal loads
        loads += 1
        init(*arguments, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(Engine, "__init__", counted)
    await asyncio.gather(*(client.load(apples) for _ in range(5)))
    assert loads == 1


async def test_a_damaged_file_is_refused_and_may_be_mended(
    client: EngineClient, apples: ModelRecord
) -> None:
    whole = apples.path.read_bytes()
    apples.path.write_bytes(whole[:-10])
    with pytest.raises(ModelUnusable, match="damaged"):
        await client.load(apples)
    apples.path.write_bytes(whole)
    await client.load(apples)


async def test_a_broken_step_fails_the_poems_it_wrote_and_the_next_is_written(
    client: EngineClient, apples: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Engine) -> list[PoemPiece]:
        raise ArithmeticError("not a number")

    await client.load(apples)
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "step", broken)
        with pytest.raises(ArithmeticError):
            await read(client.write(engine_request(apples)))
    assert len(await read(client.write(engine_request(apples)))) == 52


async def test_a_file_that_was_replaced_since_it_was_listed_is_not_taken_for_it(
    client: EngineClient, apples: ModelRecord, model_file: MakeModel
) -> None:
    """A poem's link names the model's hash, and must not name another's."""
    model_file("apples", seed=9)
    with pytest.raises(ModelUnusable, match="replaced"):
        await client.load(apples)


async def test_a_thread_that_breaks_down_fails_its_poems_and_is_replaced(
    client: EngineClient, apples: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer once waited for ever, and kept its row, when the engine failed outside a step."""

    def broken(*_: object) -> bool:
        raise ArithmeticError("no row")

    await client.load(apples)
    draft = client.write(engine_request(apples, ENDLESS))
    await first_piece(draft)
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "cancel", broken)
        draft.cancel()
        with pytest.raises(RuntimeError, match="thread stopped"):
            await read(draft)
    assert client.running == 0
    await client.load(apples)
    assert len(await read(client.write(engine_request(apples)))) == 52


async def test_settings_that_the_model_refuses_are_a_bot_error(
    client: EngineClient, apples: ModelRecord
) -> None:
    await client.load(apples)
    with pytest.raises(BadSetting, match="characters"):
        client.write(engine_request(apples, replace(SETTINGS, characters=99_999)))
    assert (client.running, client.waiting) == (0, 0)


async def test_a_seed_is_folded_onto_the_alphabet(
    client: EngineClient, apples: ModelRecord
) -> None:
    await client.load(apples)
    prompt = client.prepare(apples, "Café ‘Noir’ ☕")
    assert prompt.text == "cafe 'noir' "
    assert prompt.left_out == ("☕",)


async def test_an_opening_is_one_of_the_books(client: EngineClient, apples: ModelRecord) -> None:
    await client.load(apples)
    assert {client.opening(apples, n) for n in range(20)} == set(OPENINGS)


async def test_closing_cancels_what_is_left(apples: ModelRecord) -> None:
    client = EngineClient(Metrics(), limits=replace(LIMITS, max_rows=1, max_waiting=1))
    await client.load(apples)
    drafts = [client.write(engine_request(apples, ENDLESS)) for _ in range(2)]
    await client.close()
    await asyncio.gather(*map(read, drafts))
    assert all(draft.cancelled for draft in drafts)


# ---- Several threads ----


@pytest.fixture
async def pair() -> AsyncIterator[EngineClient]:
    client = EngineClient(Metrics(), limits=replace(LIMITS, max_rows=4), max_models=2, threads=2)
    yield client
    await client.close()


async def test_poems_at_once_are_spread_over_the_threads(
    pair: EngineClient, apples: ModelRecord
) -> None:
    await pair.load(apples)
    drafts = [pair.write(engine_request(apples, ENDLESS, random_seed=n)) for n in range(4)]
    first, second = (draft.writer for draft in drafts[:2])
    assert first is not second
    assert [draft.writer for draft in drafts] == [first, second, first, second]
    drafts[1].cancel()
    drafts[3].cancel()
    await asyncio.gather(read(drafts[1]), read(drafts[3]))
    one_more = pair.write(engine_request(apples))
    assert one_more.writer is second
    assert len(await read(one_more)) == 52


async def test_a_poem_is_the_same_on_every_thread(
    client: EngineClient, pair: EngineClient, apples: ModelRecord
) -> None:
    await client.load(apples)
    await pair.load(apples)
    alone = await read(client.write(engine_request(apples)))
    both = [pair.write(engine_request(apples)) for _ in range(2)]
    assert await asyncio.gather(*map(read, both)) == [alone, alone]


async def test_a_thread_that_breaks_down_leaves_the_poems_of_the_others(
    pair: EngineClient, apples: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pair.load(apples)
    longer = replace(SETTINGS, characters=900)
    broken, whole = (pair.write(engine_request(apples, each)) for each in (ENDLESS, longer))
    await first_piece(broken)

    def break_down(*_: object) -> bool:
        raise ArithmeticError("no row")

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "cancel", break_down)
        broken.cancel()
        with pytest.raises(RuntimeError, match="thread stopped"):
            await read(broken)
    assert len(await read(whole)) == 900 - len("the sea ")
    assert pair.running == 0
    await pair.load(apples)
    again = [pair.write(engine_request(apples)) for _ in range(2)]
    assert [len(text) for text in await asyncio.gather(*map(read, again))] == [52, 52]


# ---- Endings ----


async def test_a_poem_by_lines_that_has_as_many_characters_as_may_be_is_cut_off(
    client: EngineClient, apples: ModelRecord
) -> None:
    await client.load(apples)
    lines = replace(
        SETTINGS, sampling=Sampling(temperature=0.05, min_p=0.9), characters=None, lines=500
    )
    prompt = "a" * 9_990
    draft = client.write(replace(engine_request(apples, lines), opening=Opening(rest=prompt)))
    assert len(await read(draft)) == 10
    assert draft.ending is Ending.CUT_OFF


async def test_what_was_written_when_a_poem_is_cancelled_still_arrives(
    client: EngineClient, apples: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text of the last thirtieth of a second was once lost."""
    written = 0
    step = Engine.step

    def counted(engine: Engine) -> list[PoemPiece]:
        nonlocal written
        pieces = step(engine)
        written += sum(len(piece.text) for piece in pieces)
        return pieces

    monkeypatch.setattr(Engine, "step", counted)
    monkeypatch.setattr("bot.core.engine_worker.DELIVERY_SECONDS", HANG_SECONDS)
    await client.load(apples)
    draft = client.write(engine_request(apples, ENDLESS))
    while written < 20:
        await asyncio.sleep(0)
    draft.cancel()
    assert len(await read(draft)) == written
    assert draft.ending is Ending.CANCELLED


async def test_a_poem_that_was_whole_before_the_cancel_came_is_complete(
    client: EngineClient, apples: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = threading.Event()
    step = Engine.step

    def watched(engine: Engine) -> list[PoemPiece]:
        pieces = step(engine)
        if not engine.running:
            whole.set()
        return pieces

    monkeypatch.setattr(Engine, "step", watched)
    await client.load(apples)
    draft = client.write(engine_request(apples))
    assert whole.wait(HANG_SECONDS)  # the event loop stands: nothing is delivered
    draft.cancel()
    assert len(await read(draft)) == 52
    assert draft.ending is Ending.COMPLETE


async def test_a_reader_who_never_reads_holds_no_row_and_at_most_the_poem(
    client: EngineClient, apples: ModelRecord
) -> None:
    await client.load(apples)
    unread = client.write(engine_request(apples, replace(SETTINGS, characters=500)))
    while not unread.finished:
        unread._news.clear()
        await unread._news.wait()
    assert client.running == 0
    assert unread.loaded is None
    assert sum(map(len, unread._pieces)) == 500 - len("the sea ")


# ---- Models that come and go ----


async def test_poems_of_a_replaced_model_end_on_it_and_then_its_memory_is_free(
    client: EngineClient, apples: ModelRecord, shelf: ModelLibrary, model_file: MakeModel
) -> None:
    """Other poems keep the thread at work: that once kept every engine it had had."""
    await client.load(apples)
    alone = await read(client.write(engine_request(apples)))
    old = client.write(engine_request(apples))
    assert old.loaded is not None
    engine = weakref.ref(old.loaded.engines[0])
    model_file("apples", seed=9)
    newer = shelf.find("apples")
    await client.load(newer)
    going_on = client.write(engine_request(newer, ENDLESS))
    await first_piece(going_on)
    assert await read(old) == alone
    await first_piece(going_on)
    gc.collect()
    assert engine() is None
    assert client.models == 1
    assert not going_on.finished
