"""Poems, controls and figures of `bench.sense`: pure functions; whatever scores is handed in.

A scorer takes the lines before and some texts, and returns the log-probability of each text, in
nats. The mutual information of a line and the lines before it is what these add to that, for each
character of the line.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from bench.judges import words_of
from bench.stats import mean
from model.next_line import (
    LINES,
    PLACES,
    Figure,
    Poem,
    Question,
    by_poem,
    by_source,
    chosen,
    questions,
    sonnets_of,
)

Scorer = Callable[[Sequence[str], Sequence[str]], list[float]]
Embed = Callable[[Sequence[str]], NDArray[np.float32]]  # texts to unit vectors (N, D)
Parse = Callable[[Sequence[str]], list[tuple[int, float]]]  # lines to null words and costs


# Poems


def plain(line: str) -> str:
    """Return the words alone, lower-case.

    >>> plain("Feed'st thy light's flame, with self-substantial fuel:")
    "feed'st thy light's flame with self-substantial fuel"
    """
    return " ".join(words_of(line))


def words_only(poem: Poem) -> Poem:
    return replace(poem, lines=tuple(map(plain, poem.lines)))


def written_poem(text: str, seed: str, source: str) -> Poem | None:
    """Return a poem that a program wrote, None where it has not fourteen lines.

    Its own lines begin after the last one with a word of the seed's. A seed that a model cannot
    read stands before the fourteen; it is left out.
    """
    left = len(words_of(seed))
    lines: list[str] = []
    own = 0
    for line in text.split("\n"):
        if not any(map(str.isalnum, line)):
            continue
        if left > 0 or not plain(line):  # digits are nobody's words but the reader's
            own = len(lines) + 1
            left -= len(words_of(line))
        lines.append(line.strip())
    before = min(max(len(lines) - LINES, 0), own)
    lines, own = lines[before:], own - before
    return Poem(tuple(lines), source, own) if len(lines) == LINES else None


def read_people(path: Path) -> list[Poem]:
    """Read the sonnets of a book, or of all books of a folder."""
    files = sorted(path.glob("*.txt")) if path.is_dir() else [path]
    return [poem for file in files for poem in sonnets_of(file.read_text("utf-8"), file.stem)]


def read_poems(path: Path) -> list[Poem]:
    """Read poems of a program: {"seed": …, "text": …} a line, or text with ---- between."""
    text = path.read_text("utf-8")
    if path.suffix == ".jsonl":
        entries = [json.loads(line) for line in text.splitlines() if line.strip()]
        found = [written_poem(e["text"], e.get("seed", ""), path.stem) for e in entries]
        return [poem for poem in found if poem is not None]
    parts = re.split(r"\n\s*----\s*\n", text)
    if len(parts) == 1:
        return sonnets_of(text, path.stem)
    found = [written_poem(part, "", path.stem) for part in parts]
    return [poem for poem in found if poem is not None]


def without_seed(poems: Iterable[Poem]) -> list[Poem]:
    """Return the poems as if their own lines were all there is of them."""
    return [replace(poem, start=poem.own) for poem in poems]


# Controls


def mixed(poems: Sequence[Poem], random: Random) -> list[Poem]:
    """Return as many poems, each line of another poem of the same source, at its own place."""
    found = []
    for source, group in by_source(poems).items():
        if len(group) < LINES:
            continue
        for _ in group:
            of = random.sample(group, LINES)
            found.append(Poem(tuple(poem.lines[n] for n, poem in enumerate(of)), source))
    return found


def shuffled(poems: Iterable[Poem], random: Random) -> list[Poem]:
    """Return the poems with their lines in another order."""
    return [replace(p, lines=tuple(random.sample(p.lines, len(p.lines)))) for p in poems]


def salad(poems: Sequence[Poem], random: Random) -> list[Poem]:
    """Return the poems with all words of all poems dealt out anew, as many to a line as before."""
    words = [word for poem in poems for line in poem.lines for word in words_of(line)]
    random.shuffle(words)
    dealt = iter(words)
    return [
        replace(p, lines=tuple(" ".join(next(dealt) for _ in words_of(line)) for line in p.lines))
        for p in poems
    ]


# Questions


def margin(scores: Sequence[float]) -> float:
    """Return how far the first score is above the mean of the others.

    >>> margin([3.0, 1.0, 2.0])
    1.5
    """
    return scores[0] - mean(scores[1:])


def rank(scores: Sequence[float]) -> float:
    """Return the share of the other scores below the first; ties count half.

    >>> rank([3.0, 1.0, 2.0]), rank([2.0, 2.0, 3.0])
    (1.0, 0.25)
    """
    first, others = scores[0], scores[1:]
    return mean([(other < first) + 0.5 * (other == first) for other in others])


def information(
    asked: Sequence[Question], scorer: Scorer, cold: Mapping[str, float]
) -> Iterator[tuple[Question, list[float]]]:
    """Yield each question and the mutual information of its candidates, nats per character."""
    for question in asked:
        warm = scorer(question.context, question.candidates)
        yield (
            question,
            [
                (score - cold[line]) / len(line)
                for score, line in zip(warm, question.candidates, strict=True)
            ],
        )


def cold_scores(asked: Iterable[Question], scorer: Scorer, chunk: int = 16) -> dict[str, float]:
    """Return the log-probability of every candidate after nothing."""
    lines = list(dict.fromkeys(line for question in asked for line in question.candidates))
    found: dict[str, float] = {}
    for at in range(0, len(lines), chunk):
        part = lines[at : at + chunk]
        found |= dict(zip(part, scorer((), part), strict=True))
    return found


def next_line(poems: Sequence[Poem], scorer: Scorer, random: Random) -> dict[str, Figure]:
    """Return how often the true next line adds up best with the poem, and by how much."""
    asked = list(questions(poems, PLACES, random))
    cold = cold_scores(asked, scorer)
    found = [(q.poem, scores) for q, scores in information(asked, scorer, cold)]
    return {
        "next line chosen": Figure.of(by_poem((n, chosen(scores)) for n, scores in found)),
        "margin, nats/char": Figure.of(by_poem((n, margin(scores)) for n, scores in found)),
    }


def cost(poems: Sequence[Poem], scorer: Scorer) -> Figure:
    """Return what a poem's own lines cost after those of the seed, nats per character."""
    texts = [(poem.lines[: poem.own], "\n".join(poem.lines[poem.own :])) for poem in poems]
    return Figure.of(scorer(seed, [text])[0] / -len(text) for seed, text in texts)


def context_gain(poems: Sequence[Poem], scorer: Scorer, random: Random) -> dict[str, Figure]:
    """Return what the lines before save on the next, against nothing and against others' lines.

    The others' are as many first lines of another poem of the same source.
    """
    asked = list(questions(poems, PLACES, random))
    groups = by_source(poems)
    over_nothing, over_others, lost = [], [], []
    for question in asked:
        poem = poems[question.poem]
        other = random.choice([each for each in groups[poem.source] if each is not poem])
        line = poem.lines[question.place]
        true = scorer(question.context, [line])[0] / len(line)
        foreign = scorer(other.lines[poem.start : question.place], [line])[0] / len(line)
        over_nothing.append((question.poem, true - scorer((), [line])[0] / len(line)))
        over_others.append((question.poem, true - foreign))
        lost.append((question.poem, -true))
    return {
        "gain over nothing, nats/char": Figure.of(by_poem(over_nothing)),
        "gain over another poem, nats/char": Figure.of(by_poem(over_others)),
        "loss on those lines, nats/char": Figure.of(by_poem(lost)),
    }


def likeness_rank(poems: Sequence[Poem], embed: Embed, random: Random) -> Figure:
    """Return the rank of the next line's mean likeness to each line so far, 0.5 by chance."""
    asked = list(questions(poems, range(1, LINES), random))
    lines = list(dict.fromkeys(line for q in asked for line in (*q.context, *q.candidates)))
    place = {line: number for number, line in enumerate(lines)}
    vectors = embed(lines)  # (N, D)
    ranks = []
    for question in asked:
        before = vectors[[place[line] for line in question.context]]  # (n, D)
        candidates = vectors[[place[line] for line in question.candidates]]  # (8, D)
        ranks.append((question.poem, rank((candidates @ before.mean(0)).tolist())))
    return Figure.of(by_poem(ranks))


def grammar(poems: Sequence[Poem], parse: Parse) -> dict[str, Figure]:
    """Return what a parser leaves over of poems' own lines, and what the rest costs it."""
    lines = [line for poem in poems for line in poem.lines[poem.own :]]
    parsed = iter(parse(lines))
    nulls, costs = [], []
    for poem in poems:
        own = poem.lines[poem.own :]
        results = [next(parsed) for _ in own]
        words = sum(len(line.split()) for line in own)
        nulls.append(sum(null for null, _ in results) / words)
        costs.append(mean([c for _, c in results if not math.isnan(c)]))
    return {"null words": Figure.of(nulls), "disjunct cost of a line": Figure.of(costs)}
