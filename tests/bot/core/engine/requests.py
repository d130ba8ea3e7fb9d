"""What tests of the bridge to the engine ask for, and how they read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bot.core.engine_worker import EngineDraft
from bot.core.fair_queue import QueueLimits
from bot.core.ports import EngineRequest
from bot.core.records import Asker, ModelRecord, PoemSettings, Sampling
from model import Opening

SETTINGS = PoemSettings(Sampling(), lines=None, characters=60)
LIMITS = QueueLimits(max_rows=2, max_waiting=2, max_per_guild=10, max_per_member=10)
ENDLESS = replace(SETTINGS, characters=10_000)

MakeModel = Callable[..., Path]


def engine_request(
    model: ModelRecord,
    settings: PoemSettings = SETTINGS,
    random_seed: int = 1,
    asker: Asker = Asker("test:"),  # noqa: B008 - frozen
) -> EngineRequest:
    return EngineRequest(asker, model, Opening(rest="the sea "), settings, random_seed)


async def read(draft: EngineDraft) -> str:
    return "".join([piece async for piece in draft])


async def first_piece(draft: EngineDraft) -> str:
    return await anext(aiter(draft))
