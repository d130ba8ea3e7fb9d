"""The members of a long run: who asks for what, and how each finds out what came of it."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter, deque
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from math import nan
from random import Random

import aiohttp

from tests.discord_payloads import BOT, GUILD, Payload
from tests.fake_discord import shown
from tests.rigs.populated_discord import POEM_MARK, PopulatedDiscord, channel_of, is_whole

APOLOGY = "Something went wrong"
IN_A_FAULT, IN_A_BURST = "in a fault", "in a burst"  # kinds of commands that faults bring along


class Wants(StrEnum):
    """What a command is to get."""

    POEM = "poem"
    WORDS = "words"  # a sentence, or a poem: one answer
    NOTHING = "nothing"  # there is nobody to tell, or nowhere
    GONE = "gone"  # a message, the victim's, is to vanish


class End(StrEnum):
    """What became of a command."""

    POEM = "a poem"
    WORDS = "a sentence"
    NOTHING = "none, as was meant"
    GONE = "the message vanished"
    DELETED = "a poem, deleted on request"
    LOST = "lost with a session, counted"
    LEFT = "the reader left"
    # What must not be:
    MISSING = "NO ANSWER"
    DOUBLE = "MORE THAN ONE"
    REFUSED = "A SENTENCE IN A POEM'S PLACE"
    APOLOGY = "AN APOLOGY"
    UNBIDDEN = "AN ANSWER WHERE NONE WAS DUE"


FAULTS = (End.MISSING, End.DOUBLE, End.REFUSED, End.APOLOGY, End.UNBIDDEN)


@dataclass
class Command:
    """A command."""

    kind: str
    wants: Wants
    asked_at: float  # seconds since the beginning
    number: int = 0
    guild: int | None = None
    member: int = 0
    calm: bool = True  # no fault was in the air when it was asked
    seconds: float = nan  # until it was answered
    answers: int = 0
    said: str = ""  # the first answer
    lost: bool = False  # with a session of the gateway
    deleted: bool = False  # the answer, by a later command
    left: bool = False  # the reader, before the end
    victim: Command | None = None  # whose answer is to vanish

    def end(self) -> End:
        """Say what became of it."""
        if self.lost and not self.answers:
            return End.LOST
        if self.left:
            return End.LEFT
        if self.answers > 1:
            return End.DOUBLE
        if self.deleted:
            return End.DELETED
        if APOLOGY in self.said:
            return End.APOLOGY
        if self.wants is Wants.GONE:
            gone = self.victim is not None and self.victim.deleted
            return End.GONE if gone else End.MISSING
        if self.wants is Wants.NOTHING:
            return End.UNBIDDEN if self.answers else End.NOTHING
        if not self.answers:
            return End.MISSING
        if POEM_MARK in self.said:
            return End.POEM
        return End.WORDS if self.wants is Wants.WORDS else End.REFUSED


@dataclass
class CommandLog:
    """All commands, in the order in which they were asked."""

    commands: list[Command] = field(default_factory=list)

    def add(self, command: Command) -> Command:
        self.commands.append(command)
        return command

    def ends(self) -> Counter[End]:
        return Counter(command.end() for command in self.commands)

    def by_kind(self) -> dict[str, Counter[End]]:
        """Return the ends of each kind of command."""
        kinds: dict[str, Counter[End]] = {}
        for command in self.commands:
            kinds.setdefault(command.kind, Counter())[command.end()] += 1
        return kinds

    def faults(self) -> list[Command]:
        """Return the commands with which something was wrong."""
        return [command for command in self.commands if command.end() in FAULTS]

    def poem_seconds(self, *, calm: bool | None = None, burst: bool | None = None) -> list[float]:
        """Return how long poems took, where `calm` and `burst` are so of those asked about.

        `calm` are those that were asked for while nothing was wrong, `burst` those of many members
        at once in one channel, whose edits have to take turns.
        """
        return [
            command.seconds
            for command in self.commands
            if command.end() in (End.POEM, End.DELETED)
            and command.seconds == command.seconds
            and calm in (None, command.calm)
            and burst in (None, command.kind == IN_A_BURST)
        ]


@dataclass
class PlayedFault:
    """A fault that was played."""

    name: str
    at: float
    seconds: float = nan  # to recover
    note: str = ""  # why it could not be played to its end


def by_fault(faults: Sequence[PlayedFault]) -> dict[str, list[PlayedFault]]:
    """Put the faults of one kind together."""
    kinds: dict[str, list[PlayedFault]] = {}
    for fault in faults:
        kinds.setdefault(fault.name, []).append(fault)
    return dict(sorted(kinds.items()))


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
class StressRun:
    """What everybody shares."""

    discord: PopulatedDiscord
    chance: Random
    address: str  # of the web page
    session: aiohttp.ClientSession
    log: CommandLog = field(default_factory=CommandLog)
    began: float = field(default_factory=time.perf_counter)
    faults_in_play: int = 0
    finished: deque[Command] = field(default_factory=lambda: deque(maxlen=PICKED))
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)  # of ours
    turns: itertools.count[int] = field(default_factory=itertools.count)
    talking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def now(self) -> float:
        return time.perf_counter() - self.began

    def member(self) -> int:
        return 5_000 + next(self.turns) % MEMBERS

    def note(self, kind: str, wants: Wants = Wants.POEM, **facts: object) -> Command:
        """Enter a command that is about to be sent."""
        command = Command(kind, wants, self.now(), calm=not self.faults_in_play)
        for name, value in facts.items():
            setattr(command, name, value)
        return self.log.add(command)

    def launch(self, work: Awaitable[None]) -> None:
        """Let something go on by itself; what goes wrong is ours and told in the end."""

        async def run() -> None:
            try:
                await work
            except Exception as error:
                self.errors.append(f"at {self.now():.0f} s: {error!r}")

        self.tasks.add(task := asyncio.create_task(run()))
        task.add_done_callback(self.tasks.discard)

    def is_answered(self, command: Command) -> bool:
        """Whether nothing more is to come, or nothing at all."""
        if command.wants is Wants.GONE:
            return command.victim is not None and self.is_gone(command.victim)
        answers = self.discord.answers_to(command.number)
        return any(is_whole(shown(answer)) for answer in answers)

    def is_gone(self, victim: Command) -> bool:
        return not self.discord.answers_to(victim.number)

    def is_lost(self, command: Command) -> bool:
        return command.number in self.discord.lost_commands()

    async def follow(self, command: Command) -> None:
        """Wait until a command is answered or known to be lost; give up after minutes."""
        with suppress(TimeoutError):
            await self.discord.until(lambda: self.is_answered(command) or self.is_lost(command))
        if self.is_answered(command):
            command.seconds = self.now() - command.asked_at
            if command.wants is Wants.POEM and command.guild in GUILDS:
                self.finished.append(command)

    def settle(self) -> None:
        """Write down what every command of Discord has got; at the very end."""
        lost = self.discord.lost_commands()
        for command in self.log.commands:
            if command.number <= 0:
                continue
            answers = self.discord.answers_to(command.number)
            command.answers, command.lost = len(answers), command.number in lost
            command.said = shown(answers[0]) if answers else ""
        for command in self.log.commands:
            if command.victim is not None and not command.victim.answers and not command.lost:
                command.victim.deleted = command.victim.seconds == command.victim.seconds


# What one member does


async def ask(run: StressRun, kind: str) -> None:
    """Let somebody ask in one of the ways of KINDS."""
    match kind:
        case "prefix" | "mention" | "direct message":
            await _write(run, kind)
        case "slash":
            await _slash(run, kind, run.member())
        case "Again" | "Continue":
            await _push(run, kind)
        case "Delete":
            await _delete(run)
        case "web" | "web, leaves early":
            await _visit(run, kind, leaves=kind != "web")
        case "three at once" | "two slash at once":
            await _hurry(run, kind)
        case "settings" | "settings of no admin":
            await _settle(run, kind, admin=kind == "settings")
        case "help":
            await _command(run, kind, "help", {}, run.member(), GUILD)
        case _:
            await _talk(run, kind)


async def _write(run: StressRun, kind: str) -> None:
    discord, member, seed = run.discord, run.member(), run.chance.choice(SEEDS)
    guild = None if kind == "direct message" else run.chance.choice(GUILDS)
    words = {"prefix": f"!sonnet {seed}", "mention": f"<@{BOT}> {seed}"}.get(kind, seed or "rose")
    command = run.note(kind, guild=guild, member=member)
    command.number = await discord.write(words, member, guild)
    await run.follow(command)


async def _command(
    run: StressRun,
    kind: str,
    name: str,
    options: dict[str, object],
    member: int,
    guild: int,
    *,
    wants: Wants = Wants.WORDS,
    admin: bool = False,
) -> Command:
    command = run.note(kind, wants, guild=guild, member=member)
    command.number = await run.discord.command(name, options, member, guild, admin=admin)
    await run.follow(command)
    return command


async def _slash(run: StressRun, kind: str, member: int, wants: Wants = Wants.POEM) -> None:
    options: dict[str, object] = {"seed": run.chance.choice(SEEDS)}
    if run.chance.random() < 0.3:
        options["form"] = run.chance.choice(("haiku", "quatrain", "couplet", "free"))
    guild = run.chance.choice(GUILDS)
    await _command(run, kind, "sonnet", options, member, guild, wants=wants)


async def _settle(run: StressRun, kind: str, *, admin: bool) -> None:
    name, options = run.chance.choice(SETTINGS)
    member = ADMIN if admin else run.member()
    await _command(run, kind, name, dict(options), member, OFFICE_GUILD, admin=admin)


def _pick(run: StressRun, label: str) -> tuple[Command, Payload] | None:
    """Choose one of the latest poems that still stands there with its buttons."""
    for command in run.chance.sample(list(run.finished), len(run.finished)):
        answers = run.discord.answers_to(command.number)
        if len(answers) == 1 and run.discord.has_button(answers[0], label):
            return command, answers[0]
    return None


async def _push(run: StressRun, kind: str) -> None:
    if (picked := _pick(run, kind)) is None:
        return
    member = run.member()
    command = run.note(kind, member=member)
    command.number = await run.discord.push(picked[1], kind, member)
    await run.follow(command)


async def _delete(run: StressRun) -> None:
    if (picked := _pick(run, "Delete")) is None:
        return
    victim, message = picked
    run.finished.remove(victim)
    command = run.note("Delete", Wants.GONE, member=victim.member, victim=victim)
    command.number = await run.discord.push(message, "Delete", victim.member)
    await run.follow(command)


async def _hurry(run: StressRun, kind: str) -> None:
    """Ask again at once: whoever does gets a poem and sentences, one answer to each."""
    member = run.chance.choice(HASTY)
    if kind == "three at once":
        guild = run.chance.choice(GUILDS)
        commands = []
        for _ in range(3):
            command = run.note(kind, Wants.WORDS, guild=guild, member=member)
            command.number = await run.discord.write("!sonnet quick", member, guild)
            commands.append(command)
        await asyncio.gather(*map(run.follow, commands))
    else:
        both = (_slash(run, kind, member, Wants.WORDS) for _ in range(2))
        await asyncio.gather(*both)


async def _talk(run: StressRun, kind: str) -> None:
    """Ask for words that answer no message; so one at a time, in a channel of their own."""
    words = run.chance.choice(("!help", "!about", "!privacy", "!settings show", "!book list"))
    discord, channel = run.discord, str(channel_of(TALK_GUILD))
    async with run.talking:
        command = run.note(kind, Wants.WORDS, guild=TALK_GUILD, member=ADMIN)
        asked = await discord.write(words, ADMIN, TALK_GUILD)

        def answers() -> list[Payload]:
            later = itertools.takewhile(
                lambda one: one[0] > asked, reversed(discord.messages.items())
            )
            said = [one for _, one in later if one["channel_id"] == channel]
            return [one for one in said if one["author"]["id"] == str(BOT)]

        with suppress(TimeoutError):
            async with asyncio.timeout(WORDS_SECONDS):
                await discord.until(lambda: answers() or asked in discord.lost_commands())
                command.seconds = run.now() - command.asked_at
        await asyncio.sleep(LATE_SECONDS)
        command.answers, command.lost = len(answers()), asked in discord.lost_commands()
        command.said = shown(answers()[0]) if answers() else ""


async def _visit(run: StressRun, kind: str, *, leaves: bool) -> None:
    """Ask on the web page, from an address of one's own."""
    number = run.member()
    command = run.note(kind, member=number)
    headers = {
        "Accept": "text/event-stream",
        "X-Forwarded-For": f"10.1.{number // 250}.{number % 250}",
    }
    body = {"seed": run.chance.choice(SEEDS)}
    post = run.session.post(f"{run.address}/api/poems", json=body, headers=headers)
    async with post as response:
        if response.status != 200:
            command.answers, command.said = 1, await response.text()
            return
        event = ""
        async for raw in response.content:
            line = raw.decode().rstrip("\n")
            event = line.removeprefix("event: ") if line.startswith("event: ") else event
            if line.startswith("data: ") and event in ("end", "error"):
                told = json.loads(line.removeprefix("data: "))
                command.answers += 1
                command.said = f"random seed {told['random_seed']}" if event == "end" else str(told)
                command.seconds = run.now() - command.asked_at
            elif event == "text" and leaves:
                command.left = True
                return


async def keep_asking(run: StressRun, seconds: float, rate: float) -> None:
    """Let members come as a Poisson process for so long."""
    kinds, weights = list(KINDS), list(KINDS.values())
    while run.now() < seconds:
        await asyncio.sleep(run.chance.expovariate(rate))
        run.launch(ask(run, run.chance.choices(kinds, weights)[0]))
