"""Visitors of both gateways' pages, who ask for sonnets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import aiohttp

from bench.poem_seeds import SEEDS

AT_ONCE = 8
ASK_SECONDS = 180.0


@dataclass
class Asked:
    """Sonnets that were asked for, by their number."""

    texts: dict[int, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)  # when each came
    refused: list[str] = field(default_factory=list)
    again: int = 0  # asked once more, as its gateway was gone

    def count_wrong(self, alone: dict[int, str]) -> int:
        return sum(text != alone[number] for number, text in self.texts.items())

    @property
    def pause(self) -> float:
        """The longest time in which no sonnet came."""
        return max((b - a for a, b in pairwise(self.ended)), default=0.0)


async def ask(
    addresses: Sequence[str], count: int, *, at_once: int = AT_ONCE, again: bool = False
) -> Asked:
    """Ask pages for sonnets by turns; with `again` the others where one does not answer."""
    asked, turns = Asked(), asyncio.Semaphore(at_once)
    timeout = aiohttp.ClientTimeout(total=ASK_SECONDS)

    async def ask_for(session: aiohttp.ClientSession, number: int) -> None:
        body = {"seed": SEEDS[number % len(SEEDS)], "random_seed": number, "form": "sonnet"}
        async with turns:
            began = time.perf_counter()
            for attempt in range(len(addresses) if again else 1):
                address = addresses[(number + attempt) % len(addresses)]
                try:
                    async with session.post(f"{address}/api/poems", json=body) as response:
                        answer = await response.json()
                except (aiohttp.ClientError, TimeoutError) as error:
                    if not again:
                        asked.refused.append(repr(error))
                    asked.again += 1
                    continue
                if response.status == 200:
                    asked.texts[number] = answer["text"]
                    asked.seconds.append(time.perf_counter() - began)
                    asked.ended.append(time.perf_counter())
                else:
                    asked.refused.append(answer["error"])
                return

    async with aiohttp.ClientSession(timeout=timeout) as session:
        await asyncio.gather(*(ask_for(session, number) for number in range(count)))
    return asked
