"""What strangers' words cost is paid by another thread than the event loop's, and once."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Collection
from dataclasses import replace

import pytest

from bot.core.errors import AvoidedSeed, QueueFull, ShuttingDown, TooSoon
from bot.core.poems import MAX_DRAWINGS
from bot.core.ports import EngineRequest, Opening, Prompt
from bot.core.records import (
    Asker,
    Defaults,
    ModelRecord,
    Plan,
    Poem,
    PoemRequest,
    PoemScansion,
    PoemSettings,
    Sampling,
)
from tests.fakes import Clock, FakeDraft, FakeEngine, fake_service, write_poem

REQUEST = PoemRequest(Asker("test:1", "10"), "The sea", random_seed=1)
POEM = Poem(
    "the sea", "", "sonnets", "", 1, PoemSettings(Sampling(temperature=0.7), 1, None), ()
)  # fmt: skip


class WatchedEngine(FakeEngine):
    """Counts what is asked of it, by name and whether the event loop's thread asks."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[tuple[str, bool]] = Counter()
        self._loop_thread = threading.get_ident()

    def _note(self, name: str) -> None:
        self.asked[name, threading.get_ident() == self._loop_thread] += 1

    def prepare(self, model: ModelRecord, seed: str) -> Prompt:
        self._note("prepare")
        return super().prepare(model, seed)

    def lay_out(self, model: ModelRecord, seed: str, form: str) -> Opening:
        self._note("lay_out")
        return replace(super().lay_out(model, seed, form), spoken="laid out")

    def plan(
        self,
        model: ModelRecord,
        opening: Opening,
        form: str,
        random_seed: int,
        avoid: Collection[str],
    ) -> Plan:
        self._note("plan")
        return super().plan(model, opening, form, random_seed, avoid)

    def look_at(self, model: ModelRecord, text: str, form: str) -> PoemScansion:
        self._note("look_at")
        return super().look_at(model, text, form)

    def opening(self, model: ModelRecord, random_seed: int) -> str:
        self._note("opening")
        return super().opening(model, random_seed)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"seed": ""},
        {"seed": "The sea\n" * 9_000},
        {"form": "free", "seed": ""},
        {"form": "free", "stop": ("the end",) * 8},
        {"avoid": tuple("é" * (n % 30 + 1) for n in range(200))},
    ],
)
async def test_the_event_loop_does_none_of_a_strangers_work(changes: dict[str, object]) -> None:
    client = WatchedEngine()
    service = fake_service(client, defaults=Defaults())
    await write_poem(service, replace(REQUEST, **changes))  # type: ignore[arg-type]
    assert client.asked
    assert not [name for name, on_loop in client.asked if on_loop]
    await service.close()


async def test_a_seed_is_laid_out_and_a_poem_looked_at_once() -> None:
    client = WatchedEngine()
    service = fake_service(client, defaults=Defaults())
    admitted = await service.admit(REQUEST)
    async with service.write(admitted) as poem_stream:
        poem = await poem_stream.finish()
        assert poem_stream.poem == poem
    assert client.asked["lay_out", False] == client.asked["look_at", False] == 1
    assert client.asked["plan", False] == 1
    assert client.engine_requests[0].opening.spoken == "laid out"
    await service.close()


async def test_the_settings_are_checked_off_the_loop_too() -> None:
    threads: list[int] = []

    class Word:
        def __str__(self) -> str:
            threads.append(threading.get_ident())
            return "sea"

    service = fake_service()
    with pytest.raises(AvoidedSeed):
        await service.admit(replace(REQUEST, avoid=(Word(),)))  # type: ignore[arg-type]
    assert threads
    assert threading.get_ident() not in threads
    await service.close()


async def test_what_does_not_hang_on_words_is_asked_before_they_are_looked_at() -> None:
    client, clock = WatchedEngine(), Clock()
    service = fake_service(client, cooldown_seconds={"test": 5.0}, clock=clock)
    await write_poem(service, REQUEST)
    client.asked.clear()
    bad = replace(REQUEST, sampling={"temperature": 99.0})
    with pytest.raises(TooSoon):
        await write_poem(service, bad)
    with pytest.raises(TooSoon):
        service.require_room(REQUEST.asker)
    clock.now += 5.0
    client.full = True
    with pytest.raises(QueueFull):
        await write_poem(service, bad)
    await service.close()
    with pytest.raises(ShuttingDown):
        await write_poem(service, bad)
    assert not client.asked


async def test_a_model_is_held_until_the_poem_has_its_place() -> None:
    held: list[ModelRecord] = []

    class HeldEngine(FakeEngine):
        def prepare(self, model: ModelRecord, seed: str) -> Prompt:
            held.extend(self.held)
            return super().prepare(model, seed)

        def write(self, engine_request: EngineRequest) -> FakeDraft:
            held.extend(self.held)
            return super().write(engine_request)

    client = HeldEngine()
    service = fake_service(client)
    await write_poem(service, REQUEST)
    assert len(held) >= 2
    assert {model.name for model in held} == {"sonnets"}
    assert not client.held
    await service.close()


async def test_cards_are_drawn_one_at_a_time_and_each_member_waits_between_two() -> None:
    clock = Clock()
    service = fake_service(cooldown_seconds={"test": 5.0}, clock=clock)
    picture = await service.draw(REQUEST.asker, POEM)
    assert picture.startswith(b"\x89PNG")
    with pytest.raises(TooSoon, match=r"Please wait 5 s before you ask for another card"):
        service.check_drawing(REQUEST.asker)
    service.require_room(REQUEST.asker)  # a poem may be asked for
    clock.now += 5.0
    assert await service.draw(REQUEST.asker, POEM) == picture
    await service.close()
    with pytest.raises(ShuttingDown):
        await service.draw(REQUEST.asker, POEM)


async def test_so_many_cards_wait_and_no_more() -> None:
    service = fake_service()
    askers = [Asker(f"test:{n}") for n in range(MAX_DRAWINGS + 3)]
    drawing = [asyncio.create_task(service.draw(asker, POEM)) for asker in askers]
    refused, _ = await asyncio.wait(drawing, return_when=asyncio.FIRST_EXCEPTION)
    for task in drawing:
        task.cancel()
    ended = await asyncio.gather(*drawing, return_exceptions=True)
    assert [type(end) for end in ended[-2:]] == [QueueFull] * 2
    assert len(refused) == 2
    await service.close()
