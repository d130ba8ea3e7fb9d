"""The particles that write a line of a poem in form: begun, weighed, resampled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.kernel.batch import LineSpec, RowSnapshot
from model.verse.composer import PARTICLES, Candidate, Composer

# Particles are resampled when fewer than this share of them carry the weight.
EFFECTIVE_SHARE = 0.5


class ParticleBatch(Protocol):
    """The arithmetic's side; see `model.kernel.Batch`."""

    def save(self) -> RowSnapshot: ...

    def load(self, snapshot: RowSnapshot) -> None: ...

    def set_topic(self, topic: NDArray[np.float32]) -> None: ...

    def set_line(self, slot: int, line: LineSpec) -> None: ...

    def fork(
        self,
        slot: int,
        line: LineSpec,
        next_id: int,
        random_states: NDArray[np.uint64],
        topics: NDArray[np.float32] | None,
    ) -> None: ...

    def log_weights(self, places: Sequence[int]) -> NDArray[np.float64]: ...

    def copied(self, place: int) -> int: ...

    def surprisals(self, ids: Sequence[int]) -> NDArray[np.float64]: ...

    def resample(
        self,
        places: Sequence[int],
        sources: Sequence[int],
        weight: float,
        random_states: NDArray[np.uint64],
    ) -> None: ...


@dataclass(eq=False, slots=True)
class Particle:
    """One way in which a line may go."""

    particle_filter: ParticleFilter
    number: int
    ids: list[int] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class ParticleFilter:
    """The particles of one poem, the same number whatever else is being written."""

    composer: Composer
    slot: int
    unread: list[int]  # of the poem; the last of them the particles read
    newline: int
    snapshot: RowSnapshot | None = None  # of all before
    writing: int = 0  # particles that are on their way
    done: list[tuple[list[int], int]] = field(default_factory=list)  # ids, characters copied

    def start_line(self, batch: ParticleBatch) -> list[Particle]:
        """Let the particles begin a line; the row that reads has read all but the last id."""
        self.snapshot = batch.save()
        line_spec = self.composer.line_spec()
        batch.set_line(self.slot, line_spec)
        random_states = self.composer.random_states(PARTICLES)
        topics = self.composer.topics()
        batch.fork(self.slot, line_spec, self.unread[-1], random_states, topics)
        self.writing, self.done = PARTICLES, []
        self.unread = self.unread[-1:]
        return [Particle(self, number) for number in range(PARTICLES)]

    def tell_what_was_written(self, batch: ParticleBatch) -> None:
        """Tell the row that reads what the line before was about."""
        topic = self.composer.topic_before()
        if topic is not None:
            batch.set_topic(topic)

    def receive(
        self, particle: Particle, ids: Sequence[int], place: int, batch: ParticleBatch
    ) -> bool:
        """Take what a particle wrote; True when it goes on."""
        for id_ in ids:
            if id_ == self.newline:
                self.done.append((particle.ids, batch.copied(place)))
                break
            if id_ < 0:
                break
            particle.ids.append(id_)
        else:
            return True
        self.writing -= 1
        return False

    def resample(self, batch: ParticleBatch, found: list[tuple[Particle, int]]) -> None:
        """Let particles of little weight go on as copies of others; `found` are theirs, by place.

        Systematic resampling: Kitagawa 1996.
        """
        found.sort(key=lambda each: each[0].number)
        places = [place for _, place in found]
        weights = batch.log_weights(places)
        largest = float(weights.max())
        # Not numpy's exp, whose last bits are another processor's own.
        probs = [math.exp(weight - largest) for weight in weights.tolist()]
        total = math.fsum(probs)
        if total**2 >= EFFECTIVE_SHARE * len(found) * math.fsum(c * c for c in probs):
            return
        random_states = self.composer.random_states(len(found) + 1)
        begin = float(random_states[-1] >> np.uint64(11)) * 2.0**-53
        marks = (begin + np.arange(len(found))) / len(found)
        chosen = np.searchsorted(np.cumsum(probs) / total, marks).clip(0, len(found) - 1)
        ids = [list(found[source][0].ids) for source in chosen]
        for (particle, _), copied in zip(found, ids, strict=True):
            particle.ids = copied
        mean = largest + math.log(total / len(found))
        batch.resample(places, [places[source] for source in chosen], mean, random_states[:-1])

    def choose_line(self, batch: ParticleBatch, decode: Sequence[str]) -> str | None:
        """Choose among the lines that came out; None when none did and it is tried again."""
        weigh = partial(self._weigh, batch, decode)
        return self.composer.choose(self._candidates(decode), weigh)

    def offer_lines(
        self, batch: ParticleBatch, decode: Sequence[str], count: int
    ) -> list[str] | None:
        """Choose up to `count` lines that differ; None where more must be written first."""
        weigh = partial(self._weigh, batch, decode)
        return self.composer.offer(self._candidates(decode), weigh, count)

    def _candidates(self, decode: Sequence[str]) -> list[Candidate]:
        return [
            Candidate("".join([decode[id_] for id_ in ids]), tuple(ids), copied)
            for ids, copied in self.done
        ]

    def _weigh(
        self, batch: ParticleBatch, decode: Sequence[str], candidate: Candidate
    ) -> tuple[float, float]:
        """Return what a line costs the network that is told no last word, in nats: all of it, and
        its last word with what comes after.

        One that is told a last word finds it likely, even where it makes no sense.
        """
        assert self.snapshot is not None  # noqa: S101 - the line was begun
        reading = batch.save()  # another prompt may be half read
        batch.load(self.snapshot)
        topic = self.composer.topic_without_end()
        if topic is not None:
            batch.set_topic(topic)
        nats = batch.surprisals([self.unread[-1], *candidate.ids, self.newline])
        batch.load(reading)
        last = _last_word([decode[id_] for id_ in candidate.ids])
        return math.fsum(nats), math.fsum(nats[last:])


def _last_word(parts: Sequence[str]) -> int:
    """Return the number of the token in which the last word of a line begins.

    >>> _last_word([" the", " gr", "ee", "n", "."]), _last_word(list("I am!")), _last_word([])
    (1, 1, 0)
    """
    return next((n for n in reversed(range(len(parts))) if parts[n].startswith(" ")), 0)
