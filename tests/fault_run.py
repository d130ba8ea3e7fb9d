"""A bot on a fake Discord, and what was asked of it while something goes wrong."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bot.discord_app.client import SonneteerBot
from bot.discord_app.metrics import DiscordMetrics
from tests.discord_payloads import CHANNEL, GUILD
from tests.fake_discord import FakeDiscord


@dataclass
class FaultRun:
    """A bot on a fake Discord, and what was asked of it."""

    fake: FakeDiscord
    bot: Callable[[], SonneteerBot]  # the one that is running now
    metrics: DiscordMetrics
    guild: int = GUILD  # where it is asked, and what is forbidden or vanishes
    expected: dict[int, int] = field(default_factory=dict)  # command → answers
    struck_at: float = 0.0

    @property
    def channel(self) -> int:
        return CHANNEL + self.guild - GUILD

    @property
    def posts(self) -> str:
        """The path under which the bot says something there."""
        return f"/channels/{self.channel}/messages"

    async def ask(self, seed: str = "a rose", *, answers: int = 1) -> int:
        """Send a command, which is to get so many answers."""
        command = await self.fake.say(f"!sonnet {seed}", self.guild)
        self.expected[command] = answers
        return command

    async def slash(self, **options: float) -> int:
        given = {"seed": "a rose", **options}
        command = int((await self.fake.slash("sonnet", given)).split("-")[1])
        self.expected[command] = 1
        return command

    async def answered(self, command: int) -> None:
        await self.fake.until(lambda: self.is_answered(command))

    def is_answered(self, command: int) -> bool:
        """Whether there is a whole poem, or a sentence in its place."""
        answers = [answer["content"] for answer in self.fake.answers_to(command)]
        return any("random seed" in answer or "\n-# " not in answer for answer in answers)

    def strike(self) -> None:
        """Note when the fault began."""
        self.struck_at = time.perf_counter()

    async def recover(self) -> float:
        """Wait for all answers and for one to a new command; return the seconds since the fault."""
        await self.answered(await self.ask("and after"))
        seconds = time.perf_counter() - self.struck_at
        for command, answers in self.expected.items():
            if answers:
                await self.answered(command)
        return seconds

    def counts(self) -> list[tuple[int, int]]:
        """Return how many answers each command was to get, and got."""
        return [
            (answers, len(self.fake.answers_to(command)))
            for command, answers in self.expected.items()
        ]

    def lost_sessions(self) -> float:
        samples = next(iter(self.metrics.sessions_lost.collect())).samples
        return sum(sample.value for sample in samples if sample.name.endswith("_total"))


Scenario = Callable[[FaultRun], Awaitable[None]]
