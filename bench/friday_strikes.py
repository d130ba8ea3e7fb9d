"""What goes wrong on a long evening: the trials of tests/faults.py, drawn at random."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from bench.friday_ledger import IN_A_CROWD, IN_A_FAULT, Strike, Wants
from bench.friday_members import TROUBLE_GUILDS, Evening
from bench.town import Town
from tests.fault_stage import Stage
from tests.faults import TRIALS, Trial

EVERY_SECONDS = 20.0
RECOVER_SECONDS = 170.0
CROWD = 30
# What costs a session makes the bot wait before the next, up to five minutes; a real evening has
# none of them at all. And two faults take more than a minute each to be noticed.
RARE = {
    "op 9, session gone": 2,
    "RESUME refused": 2,
    "heartbeats unanswered": 1,
    "handshake without HELLO": 1,
}
RARE_PER_SECONDS = 1800.0
WEIGHTS = {"gateway": 4, "events": 3, "forbidden": 2, "vanishing": 2}  # of a group; 1 for others
IN_PROCESS = ("DNS fails three times",)  # such trials reach into the bot, which is elsewhere


@dataclass
class MemberStage(Stage):
    """Asks as members of the evening do, and enters each command into its ledger."""

    evening: Evening | None = None
    kind: str = IN_A_FAULT

    async def ask(self, seed: str = "a rose", *, answers: int = 1) -> int:
        evening, town = self._parts()
        member = evening.member()
        wants = Wants.POEM if answers else Wants.NOTHING
        if answers and seed.startswith("--"):
            wants = Wants.WORDS
        entry = evening.note(self.kind, wants, guild=self.guild, member=member, calm=False)
        entry.command = await town.write(f"!sonnet {seed}", member, self.guild)
        self.expected[entry.command] = answers
        if answers:
            evening.launch(evening.follow(entry))
        return entry.command

    async def slash(self, **options: float) -> int:
        evening, town = self._parts()
        member, given = evening.member(), {"seed": "a rose", **options}
        wants = Wants.WORDS if options else Wants.POEM
        entry = evening.note(self.kind, wants, guild=self.guild, member=member, calm=False)
        entry.command = await town.command("sonnet", given, member, self.guild)
        self.expected[entry.command] = 1
        evening.launch(evening.follow(entry))
        return entry.command

    async def answered(self, command: int) -> None:
        _, town = self._parts()
        await town.until(lambda: self.is_answered(command) or command in town.lost_commands())

    async def recover(self) -> float:
        """Ask until an answer comes; a question may be lost with a session."""
        evening, _ = self._parts()
        while (command := await self.ask("and after")) is not None:
            await self.answered(command)
            if self.is_answered(command):
                break
        seconds = evening.now() - self.struck_at
        for number, answers in self.expected.items():
            if answers:
                await self.answered(number)
        return seconds

    def strike(self) -> None:
        self.struck_at = self._parts()[0].now()

    def lost_sessions(self) -> float:
        """Return how often the bot had to begin anew, as Discord sees it."""
        return len(self.fake.gateway.identified)

    def _parts(self) -> tuple[Evening, Town]:
        assert self.evening is not None
        return self.evening, self.evening.town


async def crowd(stage: Stage) -> None:
    """Many members at once, on one server."""
    assert isinstance(stage, MemberStage)
    stage.strike()
    stage.kind = IN_A_CROWD
    await asyncio.gather(*(stage.ask(f"rose {number}") for number in range(CROWD)))
    stage.kind = IN_A_FAULT


def repertoire() -> list[Trial]:
    """Return what can be played to a bot in a process of its own."""
    played = [
        trial for trial in TRIALS if trial.group != "machine" and trial.name not in IN_PROCESS
    ]
    return [*played, Trial("members", f"{CROWD} at once", crowd)]


@dataclass
class Director:
    """Draws faults and plays them, those of the gateway one at a time."""

    evening: Evening
    strikes: list[Strike] = field(default_factory=list)
    _guilds: asyncio.Queue[int] = field(default_factory=asyncio.Queue)
    _gateway: asyncio.Lock = field(default_factory=asyncio.Lock)
    _played: Counter[str] = field(default_factory=Counter)

    def draw(self, trials: list[Trial], seconds: float) -> Trial:
        """Choose a group, then one of it; what is rare only as often as it may be."""
        chance = self.evening.chance
        groups = list(dict.fromkeys(trial.group for trial in trials))
        [group] = chance.choices(groups, [WEIGHTS.get(group, 1) for group in groups])
        share = max(seconds / RARE_PER_SECONDS, 0.5)
        fit = [
            trial
            for trial in trials
            if trial.group == group
            and self._played[trial.name] < RARE.get(trial.name, 10**9) * share
        ]
        trial = chance.choice(fit)
        self._played[trial.name] += 1
        return trial

    async def keep_striking(self, seconds: float) -> None:
        """Play faults until the evening's end."""
        trials, evening = repertoire(), self.evening
        for guild in TROUBLE_GUILDS:
            self._guilds.put_nowait(guild)
        while True:
            await asyncio.sleep(evening.chance.uniform(0.5, 1.5) * EVERY_SECONDS)
            if evening.now() >= seconds:
                return
            evening.launch(self._play(self.draw(trials, seconds)))

    async def _play(self, trial: Trial) -> None:
        if trial.group != "gateway":
            return await self._strike(trial)
        async with self._gateway:
            return await self._strike(trial)

    async def _strike(self, trial: Trial) -> None:
        evening = self.evening
        guild = await self._guilds.get()
        stage = MemberStage(evening.town, _no_bot, None, guild, evening=evening)  # type: ignore[arg-type]
        strike = Strike(str(trial), evening.now())
        self.strikes.append(strike)
        evening.striking += 1
        try:
            async with asyncio.timeout(RECOVER_SECONDS):
                stage.strike()
                await trial.play(stage)
                strike.seconds = await stage.recover()
        except Exception as error:
            strike.note = repr(error)
        finally:
            evening.striking -= 1
            self._guilds.put_nowait(guild)


def _no_bot() -> object:
    raise AssertionError("the bot is in another process")
