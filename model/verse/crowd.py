"""The particles that write a line of a poem in form: taken in, weighed, sifted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.kernel.batch import Line, Memory
from model.verse.choice import Candidate
from model.verse.composition import PARTICLES, Composition

# Particles are sifted when fewer than this share of them carry the weight.
EFFECTIVE_SHARE = 0.5


class GuidedRows(Protocol):
    """The arithmetic's side; see `model.kernel.Batch`."""

    def save(self) -> Memory: ...

    def load(self, memory: Memory) -> None: ...

    def ask(self, slot: int, line: Line) -> None: ...

    def spread(self, slot: int, line: Line, next_id: int, randoms: NDArray[np.uint64]) -> None: ...

    def weights(self, places: Sequence[int]) -> NDArray[np.float64]: ...

    def outcome(self, place: int) -> tuple[float, int]: ...

    def reweigh(
        self,
        places: Sequence[int],
        sources: Sequence[int],
        weight: float,
        randoms: NDArray[np.uint64],
    ) -> None: ...


@dataclass(eq=False, slots=True)
class Particle:
    """One way in which a line may go."""

    crowd: Crowd
    number: int
    ids: list[int] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Crowd:
    """The particles of one poem, the same number whatever else is being written."""

    composition: Composition
    slot: int
    unread: list[int]  # of the poem; the last of them the particles read
    newline: int
    memory: Memory | None = None  # of all before
    writing: int = 0  # particles that are on their way
    done: list[tuple[list[int], float, int]] = field(default_factory=list)  # see Candidate

    def set_out(self, rows: GuidedRows) -> list[Particle]:
        """Let the particles begin a line; the row that reads has read all but the last id."""
        self.memory = rows.save()
        task = self.composition.task()
        rows.ask(self.slot, task)
        rows.spread(self.slot, task, self.unread[-1], self.composition.randoms(PARTICLES))
        self.writing, self.done = PARTICLES, []
        self.unread = self.unread[-1:]
        return [Particle(self, number) for number in range(PARTICLES)]

    def receive(self, particle: Particle, ids: Sequence[int], place: int, rows: GuidedRows) -> bool:
        """Take what a particle wrote; True when it goes on."""
        for id_ in ids:
            if id_ == self.newline:
                self.done.append((particle.ids, *rows.outcome(place)))
                break
            if id_ < 0:
                break
            particle.ids.append(id_)
        else:
            return True
        self.writing -= 1
        return False

    def sift(self, rows: GuidedRows, found: list[tuple[Particle, int]]) -> None:
        """Let particles of little weight go on as copies of others; `found` are theirs, by place.

        Systematic resampling: Kitagawa 1996.
        """
        found.sort(key=lambda each: each[0].number)
        places = [place for _, place in found]
        weights = rows.weights(places)
        largest = float(weights.max())
        # Not numpy's exp, whose last bits are another processor's own.
        chances = [math.exp(weight - largest) for weight in weights.tolist()]
        total = math.fsum(chances)
        if total**2 >= EFFECTIVE_SHARE * len(found) * math.fsum(c * c for c in chances):
            return
        randoms = self.composition.randoms(len(found) + 1)
        begin = float(randoms[-1] >> np.uint64(11)) * 2.0**-53
        marks = (begin + np.arange(len(found))) / len(found)
        chosen = np.searchsorted(np.cumsum(chances) / total, marks).clip(0, len(found) - 1)
        ids = [list(found[source][0].ids) for source in chosen]
        for (particle, _), copied in zip(found, ids, strict=True):
            particle.ids = copied
        mean = largest + math.log(total / len(found))
        rows.reweigh(places, [places[source] for source in chosen], mean, randoms[:-1])

    def decide(self, decode: Sequence[str]) -> str | None:
        """Choose among the lines that came out; None when none did and it is tried again."""
        candidates = [
            Candidate("".join([decode[id_] for id_ in ids]), nats, copied)
            for ids, nats, copied in self.done
        ]
        given = self.composition.beginning
        line = self.composition.choose(candidates)
        if line is None:
            return None
        return line[len(given) :]
