"""Poems that other processes write, and what is lost on the way."""

from __future__ import annotations

import asyncio

import pytest

from bot.cluster import remote
from bot.cluster.messages import PoemText
from bot.core.engine_client import EngineClient
from bot.core.engine_worker import EngineDraft
from bot.core.errors import BotError, NoWriter
from bot.core.metrics import Metrics
from bot.core.ports import EngineRequest, Opening
from bot.core.records import Asker, Ending, ModelRecord, PoemSettings, Sampling
from tests.bot.cluster.conftest import LIMITS, Machine, MakeMachine
from tests.nats_server import NatsServer
from tests.sentences import left_in_english
from tests.timeouts import HANG_SECONDS

FREE = PoemSettings(Sampling(), lines=None, characters=400, form="free")
LONG = PoemSettings(Sampling(), lines=None, characters=10_000, form="free")
COUPLET = PoemSettings(Sampling(), lines=2, characters=None, form="couplet")


def asked(
    model: ModelRecord, settings: PoemSettings = COUPLET, random_seed: int = 1, member: str = "1"
) -> EngineRequest:
    opening = Opening(rest="the sea ") if settings.form == "free" else Opening()
    return EngineRequest(Asker(f"test:{member}"), model, opening, settings, random_seed)


async def read(draft: EngineDraft) -> str:
    async with asyncio.timeout(HANG_SECONDS):
        return "".join([piece async for piece in draft])


async def alone(machine: Machine, *requests: EngineRequest) -> list[str]:
    """Return the poems as one process without a cluster writes them."""
    client = EngineClient(Metrics(), limits=LIMITS)
    await client.load(machine.model)
    poems = [await read(client.write(request)) for request in requests]
    await client.close()
    return poems


async def room(machine: Machine, workers: int) -> None:
    """Wait until a gateway has heard of so many workers."""
    writer = machine.client._writers[0]
    assert isinstance(writer, remote.ClusterWriter)
    async with asyncio.timeout(HANG_SECONDS):
        while len(writer._workers) != workers:
            await asyncio.sleep(0.01)


async def test_a_poem_of_a_worker_is_the_poem_that_is_written_alone(machine: MakeMachine) -> None:
    await machine("worker", is_worker=True)
    gateway = await machine("gateway")
    await room(gateway, 1)
    requests = [asked(gateway.model, each) for each in (COUPLET, FREE)]
    drafts = [gateway.client.write(request) for request in requests]
    assert [await read(draft) for draft in drafts] == await alone(gateway, *requests)
    assert [draft.ending for draft in drafts] == [Ending.COMPLETE] * 2
    assert (gateway.client.running, gateway.client.waiting) == (0, 0)


async def test_poems_at_once_go_to_whoever_has_room_and_the_others_wait(
    machine: MakeMachine,
) -> None:
    first, second = [await machine(name, is_worker=True) for name in ("one", "two")]
    gateway = await machine("gateway")
    await room(gateway, 2)
    requests = [asked(gateway.model, random_seed=n, member=str(n)) for n in range(7)]
    drafts = [gateway.client.write(request) for request in requests]
    assert gateway.client.waiting == 3  # two workers write two poems in a form each
    assert await asyncio.gather(*map(read, drafts)) == await alone(gateway, *requests)
    assert first.client.running == second.client.running == 0


async def test_a_worker_that_dies_is_replaced_and_what_was_shown_is_left_out(
    machine: MakeMachine,
) -> None:
    dying = await machine("dying", is_worker=True)
    gateway = await machine("gateway")
    await room(gateway, 1)
    request = asked(gateway.model, LONG)
    draft = gateway.client.write(request)
    pieces = aiter(draft)
    text = await anext(pieces)
    await dying.bus.close()
    await machine("another", is_worker=True)
    async with asyncio.timeout(HANG_SECONDS):
        async for piece in pieces:
            text += piece
    assert [text] == await alone(gateway, request)


async def test_a_poem_that_ends_worker_after_worker_is_given_up(
    machine: MakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "MAX_ATTEMPTS", 2)
    gateway = await machine("gateway")
    draft: EngineDraft | None = None
    for name in ("one", "two"):
        dying = await machine(name, is_worker=True)
        await room(gateway, 1)
        draft = draft or gateway.client.write(asked(gateway.model, LONG))
        async with asyncio.timeout(HANG_SECONDS):
            while not dying.client.running:
                await asyncio.sleep(0.005)
        await dying.bus.close()
        await room(gateway, 0)
    assert draft is not None
    with pytest.raises(BotError, match="2 machines were lost with it") as caught:
        await read(draft)
    assert left_in_english(caught.value.sentence) == []


async def test_a_message_that_is_lost_on_the_way_is_noticed(
    machine: MakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[PoemText] = []
    take = remote.ClusterWriter._take_text

    async def lossy(writer: remote.ClusterWriter, message: PoemText) -> None:
        if message.attempt == 1 and message.number == 1:
            lost.append(message)
        else:
            await take(writer, message)

    monkeypatch.setattr(remote.ClusterWriter, "_take_text", lossy)
    await machine("worker", is_worker=True)
    gateway = await machine("gateway")
    await room(gateway, 1)
    request = asked(gateway.model, LONG)
    assert [await read(gateway.client.write(request))] == await alone(gateway, request)
    assert len(lost) == 1


async def test_a_poem_that_is_not_what_was_shown_ends_with_a_sentence(
    machine: MakeMachine,
) -> None:
    dying = await machine("dying", is_worker=True)
    gateway = await machine("gateway")
    await room(gateway, 1)
    draft = gateway.client.write(asked(gateway.model, LONG))
    await anext(aiter(draft))
    writer = gateway.client._writers[0]
    assert isinstance(writer, remote.ClusterWriter)
    [order] = writer._orders.values()
    order.shown = "x" + order.shown[1:]
    await dying.bus.close()
    await machine("another", is_worker=True)
    with pytest.raises(BotError, match="other program files"):
        await read(draft)


async def test_a_poem_that_is_cancelled_frees_its_worker(machine: MakeMachine) -> None:
    worker = await machine("worker", is_worker=True)
    gateway = await machine("gateway")
    await room(gateway, 1)
    draft = gateway.client.write(asked(gateway.model, LONG))
    await anext(aiter(draft))
    draft.cancel()
    await read(draft)
    assert draft.ending is Ending.CANCELLED
    async with asyncio.timeout(HANG_SECONDS):
        while worker.client.running:
            await asyncio.sleep(0.01)
    assert gateway.client.running == 0


async def test_a_gateway_that_is_gone_frees_its_workers(machine: MakeMachine) -> None:
    worker = await machine("worker", is_worker=True)
    gateway = await machine("gateway")
    await room(gateway, 1)
    await anext(aiter(gateway.client.write(asked(gateway.model, LONG))))
    await gateway.bus.close()
    assert worker.poem_worker is not None
    async with asyncio.timeout(HANG_SECONDS):
        while worker.poem_worker.writing:
            await asyncio.sleep(0.01)


async def test_poems_survive_a_restart_of_nats(machine: MakeMachine, server: NatsServer) -> None:
    await machine("worker", is_worker=True)
    gateway = await machine("gateway")
    await room(gateway, 1)
    request = asked(gateway.model, LONG)
    draft = gateway.client.write(request)
    pieces = aiter(draft)
    text = await anext(pieces)
    await server.stop(kill=True)
    await server.start()
    async with asyncio.timeout(HANG_SECONDS):
        async for piece in pieces:
            text += piece
    assert [text] == await alone(gateway, request)


async def test_without_any_worker_a_poem_is_refused_at_once(machine: MakeMachine) -> None:
    gateway = await machine("gateway")
    with pytest.raises(NoWriter, match="can be reached"):
        gateway.client.check(Asker("test:1"))
    worker = await machine("worker", is_worker=True)
    await room(gateway, 1)
    gateway.client.check(Asker("test:1"))
    await worker.bus.close()
    await room(gateway, 0)


async def test_a_worker_fetches_a_model_that_it_does_not_have(machine: MakeMachine) -> None:
    worker = await machine("worker", is_worker=True, has_model=False)
    gateway = await machine("gateway")
    await room(gateway, 1)
    request = asked(gateway.model)
    assert [await read(gateway.client.write(request))] == await alone(gateway, request)
    found = worker.library.find(gateway.model.sha256)
    assert found.path.parent.name == "shared"
    again = gateway.client.write(asked(gateway.model, FREE))
    assert len(await read(again)) == 400 - len("the sea ")


async def test_a_worker_that_stops_ends_its_poems_first(machine: MakeMachine) -> None:
    worker = await machine("worker", is_worker=True)
    gateway = await machine("gateway")
    await room(gateway, 1)
    draft = gateway.client.write(asked(gateway.model, FREE))
    await anext(aiter(draft))
    assert worker.poem_worker is not None
    await asyncio.gather(worker.poem_worker.close(HANG_SECONDS), read(draft))
    assert draft.ending is Ending.COMPLETE
