"""Whether a poem has a thread, by judges that are strangers to what writes it.

    python -m bench.sense --people sonnets.txt --people verse/valid --write ours.jsonl
    python -m bench.sense --people sonnets.txt --poems before.jsonl after.jsonl
    python -m bench.sense --people verse/valid --checkpoint model.safetensors

--people names a book, or a folder of books, of which the sonnets are taken; --write has the bot
write a sonnet for each of a hundred seeds, keeps them, and judges them; --poems are such files of
any number of systems. The table has a column for each, and for three controls made of people's
lines: mixed, shuffled, and their words dealt out anew. Strangers see words alone, without case and
punctuation.

--checkpoint judges by a network of ours instead, which reads the lines as they stand: the figures
that a training may watch. The people must then be strangers to that network. Compare systems over
a hundred poems and more, never single ones, and never steer by the strangers: see
docs/decisions/029-judge-of-sense.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from random import Random

from tqdm import tqdm

from bench.poem_seeds import SEEDS
from bench.poems import Sample, write
from bench.sense_measures import (
    context_gain,
    cost,
    grammar,
    likeness_rank,
    mixed,
    next_line,
    read_people,
    read_poems,
    salad,
    shuffled,
    without_seed,
    words_only,
)
from bench.sense_models import LanguageModel, Likeness, OwnNetwork, missing, parse_lines
from bench.tables import number, table, write_json
from bot.app import make_library, make_poem_service
from bot.config import load_config
from bot.core.records import Asker, PoemRequest
from model.checkpoint import load_model
from model.next_line import (
    Figure,
    Poem,
    sample,
)

CHOICE, LIKENESS = "next line chosen", "likeness rank"
ENOUGH = 5.0  # standard errors by which people must be above mixed lines
FEWEST = 100  # poems of a system

Systems = dict[str, list[Poem]]
Judge = Callable[[Sequence[Poem]], Mapping[str, Figure]]


def gather(arguments: argparse.Namespace) -> tuple[Systems, list[str]]:
    """Return the poems of people, controls and systems by name, and the names of the people."""
    people: Systems = {}
    for path in arguments.people:
        random = Random(f"{arguments.seed} sample")
        people[path.stem] = sample(read_people(path), arguments.count, random)
    pool = [poem for poems in people.values() for poem in poems]
    random = Random(f"{arguments.seed} controls")
    controls: Systems = {
        name: sample(make(pool, random), arguments.count, random)
        for name, make in (("mixed", mixed), ("shuffled", shuffled), ("salad", salad))
    }
    written = [*arguments.poems, *([arguments.write] if arguments.write else [])]
    return {**people, **{path.stem: read_poems(path) for path in written}, **controls}, list(people)


async def write_poems(model: str | None, first: int = 0) -> str:
    """Return a sonnet for each seed, by the bot's own service, one JSON object a line.

    `first` is the first one's random seed.
    """
    config = load_config(None)
    service = make_poem_service(config, make_library(config))
    await service.warm_up()
    asker, samples = Asker("bench:"), list[Sample]()
    for nth, seed in enumerate(tqdm(SEEDS, desc="writing", unit=" poems")):
        request = PoemRequest(
            asker, seed, model=model, random_seed=first + 1000 * nth, form="sonnet"
        )
        samples.append(await write(service, request))
    await service.close()
    entries = [{"seed": sample.seed, "text": sample.text} for sample in samples]
    lines = [json.dumps(entry, ensure_ascii=False) for entry in entries]
    return "\n".join(lines) + "\n"


def strangers(seed: int) -> Judge:
    """Return all that the strangers say of poems, words alone."""
    language_model, likeness = LanguageModel(), Likeness()

    def judge(poems: Sequence[Poem]) -> Mapping[str, Figure]:
        plain = [words_only(poem) for poem in poems]
        random = f"{seed} likeness"
        rank = bare = likeness_rank(plain, likeness, Random(random))
        if any(poem.own for poem in plain):
            bare = likeness_rank(without_seed(plain), likeness, Random(random))
        return {
            **next_line(plain, language_model, Random(f"{seed} lines")),
            LIKENESS: rank,
            f"{LIKENESS}, no seed": bare,
            **grammar(plain, parse_lines),
            "cost, nats/char": cost(plain, language_model),
        }

    return judge


def own_network(path: Path, seed: int) -> Judge:
    """Return what a network of ours says of poems as they stand."""
    scorer = OwnNetwork(load_model(path))

    def judge(poems: Sequence[Poem]) -> Mapping[str, Figure]:
        return {
            **next_line(poems, scorer, Random(f"{seed} lines")),
            **context_gain(poems, scorer, Random(f"{seed} contexts")),
        }

    return judge


def show(figure: Figure) -> str:
    """Write a figure with its standard error.

    >>> show(Figure(0.4, 0.025, 100))
    '0.400 ± 0.025'
    """
    return f"{number(figure.mean, 3)} ± {number(figure.error, 3)}"


def report(found: Mapping[str, Mapping[str, Figure]], sizes: Mapping[str, int]) -> str:
    names = list(found)
    rows = [["poems", *(str(sizes[name]) for name in names)]]
    for figure in found[names[0]]:
        rows.append([figure, *(show(found[name][figure]) for name in names)])
    return table(("figure", *names), rows)


def verdict(found: Mapping[str, Mapping[str, Figure]], people: Sequence[str]) -> list[str]:
    """Say of each set of people whether the judge tells it from mixed lines."""
    sentences = []
    for name in people:
        for figure in (CHOICE, LIKENESS):
            if figure not in found[name]:
                continue
            above = found[name][figure].above(found["mixed"][figure])
            passed = "passed" if above >= ENOUGH else "not passed"
            sentences.append(
                f"{figure}: {name} is {above:.1f} standard errors above mixed lines ({passed})"
            )
    return sentences


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    option = partial(parser.add_argument, type=Path, metavar="FILE")
    parser.add_argument("--people", type=Path, metavar="PATH", action="append", required=True)
    option("--poems", nargs="+", default=[], help="of other systems")
    option("--write", help="write ours, and keep them there")
    parser.add_argument("--model", metavar="NAME", help="which model writes")
    parser.add_argument(
        "--random-seed", type=int, default=0, metavar="N", help="of the first poem that is written"
    )
    option("--checkpoint", help="judge by this network of ours")
    parser.add_argument("--count", type=int, default=120, metavar="N", help="poems of a set")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all that is random")
    option("--json")
    arguments = parser.parse_args()
    if not arguments.checkpoint and (sentence := missing()):
        sys.exit(sentence)
    if arguments.write:
        arguments.write.write_text(
            asyncio.run(write_poems(arguments.model, arguments.random_seed)), "utf-8"
        )
    systems, people = gather(arguments)
    judge = (
        own_network(arguments.checkpoint, arguments.seed)
        if arguments.checkpoint
        else strangers(arguments.seed)
    )
    found: dict[str, Mapping[str, Figure]] = {}
    for name, poems in systems.items():
        began = time.perf_counter()
        found[name] = judge(poems)
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
        if arguments.json:  # a judgement takes minutes: what is known so far is kept
            figures = {
                name: {f: asdict(each) for f, each in of.items()} for name, of in found.items()
            }
            write_json(arguments.json, figures)
    print(report(found, {name: len(poems) for name, poems in systems.items()}))
    print("\n".join(verdict(found, people)))
    for name, poems in systems.items():
        if len(poems) < FEWEST:
            print(f"{name}: only {len(poems)} poems, too few to compare")


if __name__ == "__main__":
    main()
