"""Every fault of Discord, the network and the machine: how often tried, survived, how long it took.

    python bench/faults.py [--times 3] [--quick] [--only WORDS] [--random-seed N] [--json FILE]

A real poet with the model that ships and the real discord.py, on a Discord on loopback that breaks
(tests/faults.py has the trials); nobody has to wait for a next poem, so that no command is turned
away. Pauses are the real ones, Discord's five seconds between two identifies among them, but for
two: a gateway counts as dead after 4 seconds of silence instead of 60, and a handshake after 5
instead of 60. What ends the whole bot is tried with `python -m bot` as a process of its own.

Survived is a fault when every command got the answers that were due, one, or none where there is
nobody to give it to; when no row is left and discord.py's client was not begun anew (but where a
start fails before there is a session); of a bot that must end, when it says one sentence, returns 2
and has identified once. Recovery is from the fault to the answer to a new command, the poem's own
second or two included; of a bot that ends, to its end. --quick plays the fast ones once, with short
verse and without pauses. Exit status 1 if anything was not survived.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench import endings, shortages  # noqa: E402
from bench.gauges import machine  # noqa: E402
from bench.outcomes import Outcome, Row, gather, show  # noqa: E402
from bench.scenes import STARTS, Theatre  # noqa: E402
from bench.soak import service_of  # noqa: E402
from bench.tables import write_json  # noqa: E402
from bot.config import Config, DiscordConfig, WritingConfig  # noqa: E402
from bot.discord_app.gateway import Patience  # noqa: E402
from bot.discord_app.live import Tempo  # noqa: E402
from tests.faults import TRIALS, Trial  # noqa: E402

QUICK_PATIENCE = Patience(
    connect_seconds=0.5,
    pause_seconds=0.02,
    max_pause_seconds=0.1,
    silence_seconds=0.4,
    identify_seconds=0.02,
    max_identify_seconds=0.1,
)
QUICK_TEMPO = Tempo(0.02, 0.02, 0.02, 0.02)


def settings(*, quick: bool) -> Config:
    """Return the settings of config.toml, with room for everybody."""
    writing = WritingConfig(max_per_member=1_000, form="couplet" if quick else "sonnet")
    return Config(writing=writing, discord=DiscordConfig(cooldown_seconds=0.0))


class Notes:
    """What was seen so far, told on stderr as it comes."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def tell(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        how = "; ".join(outcome.wrong) or "survived"
        sys.stderr.write(f"{len(self.outcomes):4} {outcome.group}: {outcome.name}: {how}\n")


async def play_on_stage(
    theatre: Theatre,
    trials: Sequence[Trial],
    times: int,
    seed: int,
    notes: Notes,
    *,
    starts: bool,
) -> None:
    """Play starts, where wanted, and trials, each round in an order of its own."""
    chance = random.Random(seed)
    for _ in range(times):
        for name, prepare, restarts in STARTS if starts else ():
            notes.tell(await theatre.start(name, prepare, restarts=restarts))
        for trial in chance.sample(trials, len(trials)):
            notes.tell(await theatre.play(trial))


async def measure(asked: argparse.Namespace) -> list[Row]:
    notes, quick = Notes(), asked.quick
    trials = [trial for trial in TRIALS if not (quick and trial.slow) and asked.only in str(trial)]
    with tempfile.TemporaryDirectory() as folder:
        service = service_of(settings(quick=quick), Path(folder))
        await service.warm_up()
        theatre = Theatre(service)
        if quick:
            theatre = Theatre(service, QUICK_PATIENCE, QUICK_TEMPO, 0.02, 0.05)
        await play_on_stage(
            theatre, trials, asked.times, asked.random_seed, notes, starts=not asked.only
        )
        await service.close()
    if not asked.only:
        await endings.play_all(asked.times, notes.tell, quick=quick)
        await shortages.play_all(asked.times, notes.tell, quick=quick)
    order = ["start", *dict.fromkeys(trial.group for trial in TRIALS), "final"]
    return sorted(gather(notes.outcomes), key=lambda row: (order.index(row.group), row.name))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=3, help="how often each is tried")
    parser.add_argument("--random-seed", type=int, default=0, help="of their order")
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--only", default="", metavar="WORDS", help="trials that are named so")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    if asked.quick:
        asked.times = 1
    # What goes wrong is told in the table; the bot's own complaints are meant here.
    logging.basicConfig(level=logging.CRITICAL)
    began = time.monotonic()
    rows = asyncio.run(measure(asked))
    seconds = time.monotonic() - began
    print(", ".join(f"{key}: {value}" for key, value in machine().items()))
    print(f"{sum(row.tried for row in rows)} trials in {seconds:.0f} s")
    print(show(rows))
    for row in rows:
        for wrong in row.wrong:
            print(f"  {row.group}: {row.name}: {wrong}")
    if asked.json is not None:
        report = {**machine(), "seconds": seconds, "faults": [vars(row) for row in rows]}
        write_json(asked.json, report)
    sys.exit(0 if all(row.survived == row.tried for row in rows) else 1)


if __name__ == "__main__":
    main()
