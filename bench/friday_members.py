"""The members of a long evening: who asks for what, and how each finds out what came of it."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import deque
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import aiohttp

from bench.friday_ledger import Entry, Ledger, Wants, is_whole
from bench.town import Town, channel_of
from tests.discord_payloads import BOT, GUILD, Payload

GUILDS = tuple(range(GUILD, GUILD + 8))  # where members ask
TALK_GUILD = GUILD + 8  # where only words are asked for, one at a time
OFFICE_GUILD = GUILD + 9  # whose admins settle things and train
TROUBLE_GUILDS = tuple(range(GUILD + 10, GUILD + 16))  # where things are forbidden and vanish
MEMBERS = 400  # take turns, so that nobody asks twice within minutes
HASTY = range(90_000, 90_050)  # who ask again at once
ADMIN = 95_000
PICKED = 50  # of the latest poems, for their buttons
WORDS_SECONDS, LATE_SECONDS = 90.0, 2.0
SEEDS = ("a rose", "the sea at night", "Shall I", "when lamps are lit", "O winter", "my love", "")
SETTINGS: tuple[tuple[str, dict[str, object]], ...] = (
    ("settings show", {}),
    ("settings temperature", {"temperature": 0.7}),
    ("settings form", {"form": "sonnet"}),
    ("settings length", {"lines": 14}),
    ("settings cooldown", {"seconds": 5.0}),
    ("settings avoid", {"change": "add", "words": "spleen, thunder"}),
    ("settings avoid", {"change": "clear"}),
    ("settings temperature", {"temperature": 9.0}),  # refused
)
KINDS: dict[str, int] = {
    "prefix": 26,
    "slash": 18,
    "mention": 10,
    "direct message": 8,
    "Again": 6,
    "Continue": 5,
    "Delete": 4,
    "web": 8,
    "web, leaves early": 4,
    "three at once": 3,
    "two slash at once": 2,
    "settings": 3,
    "settings of no admin": 1,
    "help": 1,
    "words with the prefix": 2,
}


@dataclass
class Evening:
    """What everybody shares."""

    town: Town
    chance: Random
    address: str  # of the web page
    session: aiohttp.ClientSession
    ledger: Ledger = field(default_factory=Ledger)
    began: float = field(default_factory=time.perf_counter)
    striking: int = 0  # faults in the air
    finished: deque[Entry] = field(default_factory=lambda: deque(maxlen=PICKED))
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)  # of ours
    turns: itertools.count[int] = field(default_factory=itertools.count)
    talking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def now(self) -> float:
        return time.perf_counter() - self.began

    def member(self) -> int:
        return 5_000 + next(self.turns) % MEMBERS

    def note(self, kind: str, wants: Wants = Wants.POEM, **facts: object) -> Entry:
        """Enter a command that is about to be sent."""
        entry = Entry(kind, wants, self.now(), calm=not self.striking)
        for name, value in facts.items():
            setattr(entry, name, value)
        return self.ledger.add(entry)

    def launch(self, work: Awaitable[None]) -> None:
        """Let something go on by itself; what goes wrong is ours and told in the end."""

        async def run() -> None:
            try:
                await work
            except Exception as error:
                self.errors.append(f"at {self.now():.0f} s: {error!r}")

        self.tasks.add(task := asyncio.create_task(run()))
        task.add_done_callback(self.tasks.discard)

    def is_answered(self, entry: Entry) -> bool:
        """Whether nothing more is to come, or nothing at all."""
        if entry.wants is Wants.GONE:
            return entry.victim is not None and self.is_gone(entry.victim)
        answers = self.town.answers_to(entry.command)
        return any(is_whole(answer["content"]) for answer in answers)

    def is_gone(self, victim: Entry) -> bool:
        return not self.town.answers_to(victim.command)

    def is_lost(self, entry: Entry) -> bool:
        return entry.command in self.town.lost_commands()

    async def follow(self, entry: Entry) -> None:
        """Wait until a command is answered or known to be lost; give up after minutes."""
        with suppress(TimeoutError):
            await self.town.until(lambda: self.is_answered(entry) or self.is_lost(entry))
        if self.is_answered(entry):
            entry.seconds = self.now() - entry.asked_at
            if entry.wants is Wants.POEM and entry.guild in GUILDS:
                self.finished.append(entry)

    def settle(self) -> None:
        """Write down what every command of Discord has got; at the very end."""
        lost = self.town.lost_commands()
        for entry in self.ledger.entries:
            if entry.command <= 0:
                continue
            answers = self.town.answers_to(entry.command)
            entry.answers, entry.lost = len(answers), entry.command in lost
            entry.said = str(answers[0]["content"]) if answers else ""
        for entry in self.ledger.entries:
            if entry.victim is not None and not entry.victim.answers and not entry.lost:
                entry.victim.deleted = entry.victim.seconds == entry.victim.seconds


# What one member does


async def ask(evening: Evening, kind: str) -> None:
    """Let somebody ask in one of the ways of KINDS."""
    match kind:
        case "prefix" | "mention" | "direct message":
            await _write(evening, kind)
        case "slash":
            await _slash(evening, kind, evening.member())
        case "Again" | "Continue":
            await _push(evening, kind)
        case "Delete":
            await _delete(evening)
        case "web" | "web, leaves early":
            await _visit(evening, kind, leaves=kind != "web")
        case "three at once" | "two slash at once":
            await _hurry(evening, kind)
        case "settings" | "settings of no admin":
            await _settle(evening, kind, admin=kind == "settings")
        case "help":
            await _command(evening, kind, "help", {}, evening.member(), GUILD)
        case _:
            await _talk(evening, kind)


async def _write(evening: Evening, kind: str) -> None:
    town, member, seed = evening.town, evening.member(), evening.chance.choice(SEEDS)
    guild = None if kind == "direct message" else evening.chance.choice(GUILDS)
    words = {"prefix": f"!sonnet {seed}", "mention": f"<@{BOT}> {seed}"}.get(kind, seed or "rose")
    entry = evening.note(kind, guild=guild, member=member)
    entry.command = await town.write(words, member, guild)
    await evening.follow(entry)


async def _command(
    evening: Evening,
    kind: str,
    name: str,
    options: dict[str, object],
    member: int,
    guild: int,
    *,
    wants: Wants = Wants.WORDS,
    admin: bool = False,
) -> Entry:
    entry = evening.note(kind, wants, guild=guild, member=member)
    entry.command = await evening.town.command(name, options, member, guild, admin=admin)
    await evening.follow(entry)
    return entry


async def _slash(evening: Evening, kind: str, member: int, wants: Wants = Wants.POEM) -> None:
    options: dict[str, object] = {"seed": evening.chance.choice(SEEDS)}
    if evening.chance.random() < 0.3:
        options["form"] = evening.chance.choice(("haiku", "quatrain", "couplet", "free"))
    guild = evening.chance.choice(GUILDS)
    await _command(evening, kind, "sonnet", options, member, guild, wants=wants)


async def _settle(evening: Evening, kind: str, *, admin: bool) -> None:
    name, options = evening.chance.choice(SETTINGS)
    member = ADMIN if admin else evening.member()
    await _command(evening, kind, name, dict(options), member, OFFICE_GUILD, admin=admin)


def _pick(evening: Evening, label: str) -> tuple[Entry, Payload] | None:
    """Choose one of the latest poems that still stands there with its buttons."""
    for entry in evening.chance.sample(list(evening.finished), len(evening.finished)):
        answers = evening.town.answers_to(entry.command)
        if len(answers) == 1 and evening.town.has_button(answers[0], label):
            return entry, answers[0]
    return None


async def _push(evening: Evening, kind: str) -> None:
    if (picked := _pick(evening, kind)) is None:
        return
    member = evening.member()
    entry = evening.note(kind, member=member)
    entry.command = await evening.town.push(picked[1], kind, member)
    await evening.follow(entry)


async def _delete(evening: Evening) -> None:
    if (picked := _pick(evening, "Delete")) is None:
        return
    victim, message = picked
    evening.finished.remove(victim)
    entry = evening.note("Delete", Wants.GONE, member=victim.member, victim=victim)
    entry.command = await evening.town.push(message, "Delete", victim.member)
    await evening.follow(entry)


async def _hurry(evening: Evening, kind: str) -> None:
    """Ask again at once: whoever does gets a poem and sentences, one answer to each."""
    member = evening.chance.choice(HASTY)
    if kind == "three at once":
        guild = evening.chance.choice(GUILDS)
        entries = []
        for _ in range(3):
            entry = evening.note(kind, Wants.WORDS, guild=guild, member=member)
            entry.command = await evening.town.write("!sonnet quick", member, guild)
            entries.append(entry)
        await asyncio.gather(*map(evening.follow, entries))
    else:
        both = (_slash(evening, kind, member, Wants.WORDS) for _ in range(2))
        await asyncio.gather(*both)


async def _talk(evening: Evening, kind: str) -> None:
    """Ask for words that answer no message; so one at a time, in a channel of their own."""
    words = evening.chance.choice(("!help", "!about", "!privacy", "!settings show", "!book list"))
    town, channel = evening.town, str(channel_of(TALK_GUILD))
    async with evening.talking:
        entry = evening.note(kind, Wants.WORDS, guild=TALK_GUILD, member=ADMIN)
        asked = await town.write(words, ADMIN, TALK_GUILD)

        def answers() -> list[Payload]:
            later = itertools.takewhile(lambda one: one[0] > asked, reversed(town.messages.items()))
            said = [one for _, one in later if one["channel_id"] == channel]
            return [one for one in said if one["author"]["id"] == str(BOT)]

        with suppress(TimeoutError):
            async with asyncio.timeout(WORDS_SECONDS):
                await town.until(lambda: answers() or asked in town.lost_commands())
                entry.seconds = evening.now() - entry.asked_at
        await asyncio.sleep(LATE_SECONDS)
        entry.answers, entry.lost = len(answers()), asked in town.lost_commands()
        entry.said = str(answers()[0]["content"]) if answers() else ""


async def _visit(evening: Evening, kind: str, *, leaves: bool) -> None:
    """Ask on the web page, from an address of one's own."""
    number = evening.member()
    entry = evening.note(kind, member=number)
    headers = {
        "Accept": "text/event-stream",
        "X-Forwarded-For": f"10.1.{number // 250}.{number % 250}",
    }
    body = {"seed": evening.chance.choice(SEEDS)}
    post = evening.session.post(f"{evening.address}/api/poems", json=body, headers=headers)
    async with post as response:
        if response.status != 200:
            entry.answers, entry.said = 1, await response.text()
            return
        event = ""
        async for raw in response.content:
            line = raw.decode().rstrip("\n")
            event = line.removeprefix("event: ") if line.startswith("event: ") else event
            if line.startswith("data: ") and event in ("end", "error"):
                told = json.loads(line.removeprefix("data: "))
                entry.answers += 1
                entry.said = f"random seed {told['random_seed']}" if event == "end" else str(told)
                entry.seconds = evening.now() - entry.asked_at
            elif event == "text" and leaves:
                entry.left = True
                return


async def keep_asking(evening: Evening, seconds: float, rate: float) -> None:
    """Let members come as a Poisson process for so long."""
    kinds, weights = list(KINDS), list(KINDS.values())
    while evening.now() < seconds:
        await asyncio.sleep(evening.chance.expovariate(rate))
        evening.launch(ask(evening, evening.chance.choices(kinds, weights)[0]))
