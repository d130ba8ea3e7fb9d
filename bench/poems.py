"""How good the poems are, by judges that share nothing with what writes them.

    python -m bench.poems [--book FILE] [--quick] [--json FILE] [--poems FILE] [--each N]

Writes --each sonnets (default 5) for each of 100 seeds, and as many poems as in the tutorial and
without a form for a part of them, and prints a column for each way; with --book, which has the
sonnets, one for Shakespeare's own last tenth too. Form counts what was written, not the seed.
Needs espeak-ng and wamerican-large, packages of Debian. About five minutes; --quick takes one.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from bench.judges import SMALL, Judges, words_of
from bench.poem_seeds import SEEDS
from bench.tables import number, table, write_json
from bot.app import make_library, make_poem_service
from bot.config import load_config
from bot.core.poems import PoemService
from bot.core.records import Asker, Ending, PoemRequest

SCHEME = "ABABCDCDEFEFGG"
PAIRS = [(n, SCHEME.rindex(letter)) for n, letter in enumerate(SCHEME) if letter not in SCHEME[:n]]
HELD_OUT_SHARE = 0.1
STEM = 4  # letters that two forms of a word share at least


@dataclass(frozen=True, slots=True)
class Sample:
    """A poem and how it came."""

    seed: str  # as the poem has it
    text: str
    typed: str = ""
    seconds: float = 0.0
    complete: bool = True

    @property
    def lines(self) -> list[str]:
        return [line for line in self.text.split("\n") if line.strip()]

    @property
    def own_lines(self) -> range:
        """Which lines have nothing of the seed."""
        seed = len(words_of(self.seed))
        for at, line in enumerate(self.lines):
            if seed <= 0:
                return range(at, len(self.lines))
            seed -= len(words_of(line))
        return range(len(self.lines), len(self.lines))

    @property
    def written(self) -> str:
        """What the seed does not have."""
        return self.text[len(self.seed) :]


async def write(service: PoemService, request: PoemRequest) -> Sample:
    began = time.perf_counter()
    async with service.write(await service.admit(request)) as poem_stream:
        poem = await poem_stream.finish()
    complete = poem.ending is Ending.COMPLETE
    return Sample(poem_stream.seed, poem.text, request.seed, time.perf_counter() - began, complete)


def shakespeare(book: str) -> list[Sample]:
    """Return the whole sonnets of the book's last tenth."""
    tail = book[round(len(book) * (1 - HELD_OUT_SHARE)) :]
    poems = [part.strip("\n") for part in tail.split("\n\n")]
    whole = []
    for poem in poems:
        lines = [line for line in poem.split("\n") if any(map(str.isalpha, line))]
        if len(lines) == 14:
            whole.append(Sample("", "\n".join(lines)))
    return whole


class Scores:
    """What the judges say of some poems."""

    def __init__(self, samples: Sequence[Sample], judges: Judges) -> None:
        self.samples = samples
        self.judges = judges
        judges.learn(word for sample in samples for word in words_of(sample.text + sample.seed))

    def all(self) -> dict[str, float]:
        judges = self.judges
        lines = [words_of(s.lines[n]) for s in self.samples for n in s.own_lines]
        lines = [line for line in lines if line]
        counts = [judges.syllables(line) for line in lines]
        written = [words_of(sample.written) for sample in self.samples]
        words = [word for poem in written for word in poem]
        runs = [judges.shared_run(sample.written) for sample in self.samples]
        seconds = sorted(sample.seconds for sample in self.samples)
        return {
            "poems": len(self.samples),
            "fourteen lines, %": _percent(len(s.lines) == 14 for s in self.samples),
            "perfect rhymes, %": _percent(self._rhymes()),
            "lines of 10 syllables, %": _percent(10 in count for count in counts),
            "lines of 9 to 11, %": _percent(bool(count & {9, 10, 11}) for count in counts),
            "iambic, %": _percent(map(judges.is_iambic, lines)),
            "words not in the list, %": _percent(not judges.is_word(word) for word in words),
            "repeated three-word phrases": sum(map(_repeats, written)),
            "distinct-1": statistics.mean(_distinct(poem, 1) for poem in written),
            "distinct-2": statistics.mean(_distinct(poem, 2) for poem in written),
            "longest run of the book": max(runs),
            "its median": statistics.median(runs),
            "words per line": statistics.mean(len(line) for line in lines) if lines else 0.0,
            "line 1 begins with the seed, %": _percent(map(_begins, self.samples)),
            "seeds answered, %": _percent(self._answers()),
            "seconds, p50": seconds[len(seconds) // 2],
            "seconds, p95": seconds[int(len(seconds) * 0.95)],
            "failed, %": _percent(not sample.complete for sample in self.samples),
        }

    def _rhymes(self) -> list[bool]:
        found = []
        for sample in self.samples:
            own, lines = sample.own_lines, [words_of(line) for line in sample.lines]
            for one, other in PAIRS:
                if one in own and other in own and lines[one] and lines[other]:
                    found.append(self.judges.rhymes(lines[one][-1], lines[other][-1]))
        return found

    def _answers(self) -> list[bool]:
        """Whether a content word of each seed, a form of it or a rhyme on it comes back."""
        found = []
        for sample in self.samples:
            contents = {w for w in words_of(sample.seed) if w not in SMALL and len(w) > 2}
            if not contents:
                continue
            later = [words_of(sample.lines[n]) for n in sample.own_lines]
            words = {word for line in later for word in line}
            ends = {line[-1] for line in later if line}
            found.append(
                any(_kin(a, b) for a in contents for b in words)
                or any(self.judges.rhymes(a, b) for a in contents for b in ends)
            )
        return found


def _kin(one: str, other: str) -> bool:
    """Whether two words are forms of one: they share all but an ending of two or three letters."""
    shared = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    shared = min(len(one), len(other)) if shared is None else shared
    return one == other or (shared >= STEM and max(len(one), len(other)) - shared <= 3)


def _repeats(words: Sequence[str]) -> int:
    phrases = [tuple(words[n : n + 3]) for n in range(len(words) - 2)]
    return len(phrases) - len(set(phrases))


def _distinct(words: Sequence[str], size: int) -> float:
    grams = [tuple(words[n : n + size]) for n in range(len(words) - size + 1)]
    return len(set(grams)) / max(len(grams), 1)


def _begins(sample: Sample) -> bool:
    text, seed = (" ".join(part.lower().split()) for part in (sample.text, sample.typed))
    return text.startswith(seed)


def _percent(truths: Iterable[bool]) -> float:
    counted = list(truths)
    return 100.0 * sum(counted) / len(counted) if counted else float("nan")


async def collect(arguments: argparse.Namespace) -> dict[str, list[Sample]]:
    """Write all poems, one after the other."""
    config = load_config(None)
    service = make_poem_service(config, make_library(config))
    await service.warm_up()
    each = 1 if arguments.quick else arguments.each
    seeds = SEEDS[::4] if arguments.quick else SEEDS
    few = SEEDS[:: 10 if arguments.quick else 2]
    asker = Asker("bench:")

    def verse(seed: str, number: int) -> PoemRequest:
        return PoemRequest(asker, seed, model=arguments.model, random_seed=number, form="sonnet")

    def free(seed: str, number: int) -> PoemRequest:
        return replace(verse(seed, number), form="free")

    def greedy(seed: str, number: int) -> PoemRequest:
        return replace(
            free(seed, number), sampling={"greedy": True, "repetition_guard": 0}, lines=14
        )

    ways: dict[str, tuple[Callable[[str, int], PoemRequest], Sequence[str], int]] = {
        "ours": (verse, seeds, each),
        "unconstrained": (free, few, 1),
        "greedy": (greedy, few, 1),
    }
    samples: dict[str, list[Sample]] = {}
    for name, (make, of, times) in ways.items():
        jobs = [make(seed, 1000 * nth + n) for nth, seed in enumerate(of) for n in range(times)]
        samples[name] = [await write(service, job) for job in tqdm(jobs, desc=name, unit=" poems")]
    await service.close()
    return samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--book", type=Path, metavar="FILE", help="the sonnets")
    parser.add_argument("--model", metavar="NAME")
    parser.add_argument("--each", type=int, default=5, metavar="N", help="sonnets for each seed")
    parser.add_argument("--quick", action="store_true", help="a quarter of the seeds, once each")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--poems", type=Path, metavar="FILE", help="write our poems down")
    arguments = parser.parse_args()
    samples = asyncio.run(collect(arguments))
    book = arguments.book.read_text("utf-8") if arguments.book else ""
    if book:
        samples["Shakespeare"] = shakespeare(book)
    judges = Judges(book)
    scores = {name: Scores(of, judges).all() for name, of in samples.items()}
    names = list(scores)
    rows = [
        [
            figure,
            *(number(scores[name][figure], 3 if "distinct" in figure else 2) for name in names),
        ]
        for figure in scores["ours"]
    ]
    print(table(("figure", *names), rows))
    if arguments.json:
        write_json(arguments.json, scores)
    if arguments.poems:
        ours = "\n\n----\n\n".join(sample.text for sample in samples["ours"])
        arguments.poems.write_text(ours + "\n", "utf-8")


if __name__ == "__main__":
    main()
