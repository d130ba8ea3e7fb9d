"""Wrong turns of newcomers: each is taken, and must be answered with what to do next."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.gauges import ROOT
from bot import supported
from bot.core.installation import NAME
from tests.fake_discord import TOKEN, FakeDiscord, Fault
from tests.rigs import runner
from tests.rigs.newcomer.packages import Downloads
from tests.rigs.newcomer.person import CTRL_C, Failed, Person, Session
from tests.rigs.newcomer.walks import SEED, free_port

OLD_PYTHONS = ("python3.10", "python3.9", "python3.8")
MEMORY = Path("/sys/fs/cgroup")
GROUP = "newcomer"
LIMIT_BYTES = 512 * 2**20
BEFORE_AVX = {
    "NUMBA_CPU_NAME": "nehalem",
    "NUMBA_CPU_FEATURES": "+sse4.2,+popcnt,-avx,-avx2,-avx512f",
}
OLD_FLAGS = "processor\t: 0\nmodel name\t: Core 2 Duo\nflags\t\t: fpu sse sse2 ssse3\n"
REFUSED = Fault(401, {"message": "401: Unauthorized", "code": 0})
STACK = "Traceback (most recent call last)"
ROOT_ONLY = "it needs root"
DAY_2001, DAY_2040 = "2001-01-01 12:00:00", "2040-01-01 12:00:00"


@dataclass
class Outcome:
    """What became of a wrong turn."""

    name: str
    words: str  # that must be shown
    screen: str = ""
    status: int | None = None
    holds: bool = False
    why_not: str = ""  # it was not taken

    @property
    def told(self) -> str:
        if self.why_not:
            return f"not tried here, because {self.why_not}"
        lines = [line.strip() for line in self.screen.splitlines() if line.strip()]
        shown = next((line for line in lines if self.words in line), " ".join(lines[-2:]))
        return f"{shown[:240]} (exit status {self.status})"

    def check(self) -> runner.Check:
        return runner.Check("a wrong turn", bool(self.why_not) or self.holds, self.name)


@dataclass
class Turn:
    """A command, what is around it, and the words of the answer."""

    name: str
    command: tuple[str | Path, ...]
    words: str
    statuses: tuple[int, ...] = (0,)
    variables: Mapping[str, str] = field(default_factory=dict)
    inside: Path | None = None
    columns: int = 80
    before: Callable[[ExitStack], object] | None = None  # makes the situation; why not, or None
    drive: Callable[[Session], None] | None = None  # what is typed

    def take(self, person: Person) -> Outcome:
        outcome = Outcome(self.name, self.words)
        with ExitStack() as situation:
            why_not = self.before(situation) if self.before else None
            if isinstance(why_not, str):
                outcome.why_not = why_not
                return outcome
            session = person.start(
                *self.command,
                columns=self.columns,
                inside=self.inside,
                variables=self.variables,
            )
            situation.callback(session.close)
            if self.drive is not None:
                self.drive(session)
            outcome.screen = session.wait(None, 300.0)
            outcome.status = session.status
        # A narrow terminal does not break lines itself, but what is shown may.
        seen = " ".join(outcome.screen.split())
        outcome.holds = self.words in seen and outcome.status in self.statuses and STACK not in seen
        return outcome


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Mount an empty file system in memory."""
    folder.mkdir(parents=True, exist_ok=True)
    _system("mount", "-t", "tmpfs", "-o", ",".join(options), "newcomer", folder)
    try:
        yield
    finally:
        _system("umount", "--lazy", folder)


def _system(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


def needs(*tools: str, root: bool = False) -> str | None:
    """Say why something cannot be done here."""
    if root and os.geteuid() != 0:
        return ROOT_ONLY
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return f"{' and '.join(missing)} is missing" if missing else None


def memory_group() -> Path | None:
    """Make a control group with LIMIT_BYTES of memory; None where that is not possible."""
    for top, name in ((MEMORY / "memory", "memory.limit_in_bytes"), (MEMORY, "memory.max")):
        group = top / GROUP
        try:
            group.mkdir(exist_ok=True)
            (group / name).write_text(str(LIMIT_BYTES))
        except OSError:
            continue
        return group
    return None


def old_python() -> str | None:
    """Return a Python that is too old, if there is one."""
    versions = Path.home() / ".pyenv" / "versions"
    found = [*OLD_PYTHONS, *map(str, sorted(versions.glob("3.[6-9].*/bin/python")))]
    found += map(str, sorted(versions.glob("3.10.*/bin/python")))
    return next(filter(supported.starts, found), None)


def take(turn: Turn, person: Person) -> Outcome:
    """Take a turn; what cannot even be taken did not hold."""
    try:
        return turn.take(person)
    except (Failed, OSError, subprocess.SubprocessError) as error:
        return Outcome(turn.name, turn.words, f"{type(error).__name__}: {error}")


async def take_all(folder: Path, python: Path, downloads: Downloads, wheel: Path) -> list[Outcome]:
    """Install the wheel once, then take every wrong turn."""
    person = Person(folder / "wrong", downloads.offline)
    own = person.folder / "python"
    await asyncio.to_thread(downloads.fetch, wheel)
    await asyncio.to_thread(person.do, python, "-m", "venv", own)
    pip = (own / "bin" / "python", "-m", "pip", "install", "--quiet", wheel)
    await asyncio.to_thread(person.do, *pip)
    await asyncio.to_thread(person.do, own / "bin" / NAME, "write", SEED)
    outcomes = []
    async with FakeDiscord().serve() as discord:
        discord.fail_for(3600.0, "GET", ".*", REFUSED)
        for turn in turns_of(person, own, discord.url):
            runner.tell(turn.name)
            outcomes.append(await asyncio.to_thread(take, turn, person))
    return outcomes


def at_the_token(*typed: str) -> Callable[[Session], None]:
    """Return what types at the question for the token: texts, and between them what to wait for."""

    def drive(session: Session) -> None:
        session.until("Bot token")
        for number, text in enumerate(typed):
            if number % 2:
                session.until(text)
            else:
                session.type(text)

    return drive


def turns_of(person: Person, own: Path, discord_url: str) -> Iterator[Turn]:
    """Yield every wrong turn; `own` is the environment in which the wheel is installed."""
    bot, python = own / "bin" / NAME, own / "bin" / "python"
    clone = person.folder / "clone"
    any_port = {"SONNETEER_WEB_PORT": "0"}
    on_discord = {
        **any_port,
        "SONNETEER_DISCORD_API_URL": discord_url,
        "DISCORD_TOKEN": TOKEN,
    }
    person.do("git", "clone", "--quiet", ROOT, clone)
    yield from of_pythons(person, clone, python)

    init = (bot, "init", "--folder", person.folder / "of-init")
    yield Turn(
        "nobody to ask for the token",
        ("sh", "-c", f"{bot} init </dev/null"),
        "Give --token-file FILE, or - for stdin",
        (2,),
    )
    yield Turn(
        "Ctrl-C while it asks for the token",
        init,
        "Bot token, which is not shown",
        (130,),
        drive=at_the_token(CTRL_C),
    )
    yield Turn("no token", (bot, "doctor"), "create a token at https://discord.com", (0,), any_port)
    yield Turn(
        "a wrong token, doctor", (bot, "doctor"), "does not accept DISCORD_TOKEN", (1,), on_discord
    )
    yield Turn("a wrong token", (bot,), "does not accept the bot's token", (2,), on_discord)
    yield Turn(
        "a token in quotes",
        init,
        "has quotes around it; remove them",
        (0, 1),
        on_discord | {"DISCORD_TOKEN": ""},
        drive=at_the_token('"abc.def.ghi"\n', "remove them.\nBot token", "\n"),
    )
    port = free_port()

    def take_port(situation: ExitStack) -> None:
        listener = situation.enter_context(socket.socket())
        listener.bind(("127.0.0.1", port))
        listener.listen()

    yield Turn(
        "the port is taken, before anything was compiled",
        (bot,),
        "Choose another",
        (2,),
        {"SONNETEER_WEB_PORT": str(port), "XDG_CACHE_HOME": str(person.folder / "no-cache")},
        before=take_port,
    )
    yield from of_disks(person, bot, python, any_port)
    yield from of_machines(person, bot, any_port)
    yield Turn(
        "trainings are not installed",
        (bot, "train", "x.txt"),
        "pip install 'sonneteer[train]'",
        (2,),
    )
    yield Turn("a command is mistyped", (bot, "wirte", SEED), "invalid choice", (2,))
    spaced = person.folder / "mein Büro" / "config.toml"
    yield Turn(
        "a path with a space and an umlaut",
        (bot, "--config", spaced, "init", "--no-token", "--folder", spaced.parent),
        f"Start it: {NAME} --config '{spaced}'",
        (0,),
        any_port,
    )
    plain = {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    yield Turn("no locale", (bot, "write", "Müde"), "random seed", (0,), plain)
    yield Turn("a terminal of 40 columns", (bot, "doctor"), "checks:", (0,), any_port, columns=40)


def of_pythons(person: Person, clone: Path, python: Path) -> Iterator[Turn]:
    old = old_python()

    def has_old(_: ExitStack) -> str | None:
        return None if old else "no Python older than 3.11 is there"

    needed = "Sonneteer needs Python 3.11"
    for name, command, status in (
        ("an old Python: make", ("make", "run", f"PYTHON={old}"), 2),
        ("an old Python: python -m bot", (old or "python3", "-m", "bot"), 2),
        ("an old Python: train.py", (old or "python3", "train.py", "a.txt"), 2),
    ):
        yield Turn(name, command, needed, (status,), inside=clone, before=has_old)
    yield Turn(
        "a clone without a set-up",
        (python, "-S", "-m", "bot"),
        "make run",
        (2,),
        inside=clone,
    )

    def break_it(_: ExitStack) -> None:
        (clone / ".venv" / "bin").mkdir(parents=True)
        (clone / ".venv" / "bin" / "python").symlink_to("/nonexistent/python3.11")
        (clone / ".venv" / "venv.done").touch()

    yield Turn(
        "the set-up's Python is gone",
        ("make", "run"),
        "make clean, make run",
        (2,),
        inside=clone,
        before=break_it,
    )


def of_disks(
    person: Person, bot: Path, python: Path, any_port: Mapping[str, str]
) -> Iterator[Turn]:
    place = person.folder / "disk"

    def disk(*options: str) -> Callable[[ExitStack], str | None]:
        def make(situation: ExitStack) -> str | None:
            if why_not := needs(root=True):
                return why_not
            situation.enter_context(mounted(place, *options))
            return None

        return make

    on_disk = {**any_port, "SONNETEER_DATA_FOLDER": str(place / "data")}
    for name, options, words in (
        ("a read-only disk", ("ro",), "Read-only file system"),
        ("a full disk", ("size=8k",), "Free some space"),
        ("a disk that takes no more files", ("nr_inodes=3",), "Free some space"),
    ):
        yield Turn(name, (bot,), words, (2,), on_disk, before=disk(*options))
        if "nr_inodes=3" not in options:  # the doctor makes no folder, and sees room for one file
            check = (bot, "doctor")
            yield Turn(f"{name}: doctor", check, words, (1,), on_disk, before=disk(*options))
    yield Turn(
        "a read-only home",
        (bot, "init", "--no-token", "--folder", place / "verse"),
        "Choose another place",
        (2,),
        {"HOME": str(place)},
        before=disk("ro"),
    )

    def without_programs(situation: ExitStack) -> str | None:
        if why_not := disk("noexec")(situation):
            return why_not
        libraries = next((python.parent.parent / "lib").glob("python3*")) / "site-packages"
        shutil.copytree(libraries / "pydantic_core", place / "pydantic_core")
        return None

    yield Turn(
        "a disk without programs (noexec)",
        (bot, "--version"),
        "mount option noexec",
        (2,),
        {"PYTHONPATH": str(place)},
        before=without_programs,
    )


def of_machines(person: Person, bot: Path, any_port: Mapping[str, str]) -> Iterator[Turn]:
    fresh = {"XDG_CACHE_HOME": str(person.folder / "cache-of-512")}
    group = memory_group() if os.geteuid() == 0 else None
    yield Turn(
        "512 MB of memory, first poem",
        ("sh", "-c", f"echo $$ >{group}/cgroup.procs && exec {bot} write '{SEED}'"),
        "random seed",
        (0,),
        fresh,
        before=lambda _: None if group else "there is no control group for memory",
    )
    yield Turn(
        "no AVX, first poem",
        (bot, "write", SEED),
        "random seed",
        (0,),
        {**BEFORE_AVX, "XDG_CACHE_HOME": str(person.folder / "cache-without-avx")},
    )
    told = person.folder / "cpuinfo"
    told.write_text(OLD_FLAGS)
    yield Turn(
        "a processor older than SSE 4.2",
        ("unshare", "--mount", "sh", "-c", f"mount --bind {told} /proc/cpuinfo && {bot} --version"),
        "processor type host",
        (2,),
        before=lambda _: needs("unshare", root=True),
    )
    for day, words, status in (
        (DAY_2001, "but the program was installed on", 1),
        (DAY_2040, "checks:", 0),
    ):
        yield Turn(
            f"the clock says {day[:4]}: doctor",
            ("faketime", day, bot, "doctor"),
            words,
            (status,),
            any_port,
            before=lambda _: needs("faketime"),
        )
        yield Turn(
            f"the clock says {day[:4]}: a poem",
            ("faketime", day, bot, "write", SEED),
            "random seed",
            (0,),
            before=lambda _: needs("faketime"),
        )
    offline = ("unshare", "--net")
    yield Turn(
        "no network: a poem",
        (*offline, bot, "write", SEED),
        "random seed",
        before=lambda _: needs("unshare", root=True),
    )
    yield Turn(
        "no network: doctor",
        (*offline, bot, "doctor"),
        "Check the machine's network",
        (1,),
        {**any_port, "DISCORD_TOKEN": "abc.def.ghi"},
        before=lambda _: needs("unshare", root=True),
    )
