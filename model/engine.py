"""Continuous batching: many poems advance together, a few characters per step.

Rows join and leave between steps. The same model, prompt, settings and random seed give the same
text whoever else is being written for, however they are stepped, on whatever processor: see
`model.kernel`. A poem in a form is written by many particles, line by line: see `model.verse`.
Not thread-safe: one thread owns an engine.
"""

from __future__ import annotations

import itertools
from collections import deque

from model.capitals import Capitals
from model.checkpoint import Model
from model.errors import EngineFull, SettingError
from model.kernel import Batch, checked_instruction_set, quantize_network
from model.requests import FormPoem, FreePoem, PoemPiece, Request, TokenBatch
from model.stopping import FinishReason, StoppingCriteria
from model.verse import PARTICLES, Composer, Form, Particle, ParticleBatch, ParticleFilter, Prosody

MAX_RANDOM_SEED = 2**63 - 1  # fits SQLite's and JSON readers' signed 64 bits
TOKENS_PER_STEP = 8  # characters of each row; fewer cost calls, more delay those who join
PROMPT_TOKENS_PER_STEP = (
    256  # characters of prompts, which take about as long as a step of a full batch
)
MAX_FORM_POEMS = (
    2  # poems in a form that are written at once: with more, each would take the longer
)


class Engine:
    """Writes up to `max_rows` poems at once with one model.

    engine = Engine(model)
    ticket = engine.add(request)
    while engine.has_work:
        for piece in engine.step():
            print(piece.text, end="")
    """

    def __init__(self, model: Model, *, max_rows: int = 64, rows: TokenBatch | None = None) -> None:
        if max_rows < 1:
            raise SettingError("max_rows", max_rows, "at least 1")
        self._vocabulary = model.vocabulary
        self._names = model.card.names if model.card.lower_case else None
        self._max_rows = max_rows
        # Rows of another kind than the kernel's write no verse.
        self.prosody = _make_prosody(model) if rows is None else None
        batch = _make_batch(model, self.prosody, max_rows) if rows is None else rows
        self._batch: TokenBatch = batch
        self._particle_batch: ParticleBatch | None = batch if isinstance(batch, Batch) else None
        self._tickets = itertools.count(1)
        # The first one is reading; those in a form come back for each line.
        self._waiting: deque[FreePoem | FormPoem] = deque()
        self._writers: list[FreePoem | Particle] = []  # as in the batch
        self._form_poems: dict[ParticleFilter, FormPoem] = {}
        self._slots = list(range(MAX_FORM_POEMS))
        self._ended: list[PoemPiece] = []  # told by the next step
        self._running: dict[int, FreePoem | FormPoem] = {}  # by ticket

    @property
    def running(self) -> int:
        """How many poems are being written, or read their prompts."""
        return len(self._running)

    @property
    def has_work(self) -> bool:
        """Whether `step` has anything to do or to tell."""
        return bool(self._running or self._ended)

    def add(self, request: Request) -> int:
        """Take a request on and return its ticket; the next steps read its prompt, then write.

        Raises EngineFull when all rows are taken, SettingError for a random seed out of range, a
        prompt with characters that the model lacks, or a form where the model writes no verse.
        """
        if self.running >= self._max_rows:
            raise EngineFull(self._max_rows)
        if not 0 <= request.random_seed <= MAX_RANDOM_SEED:
            raise SettingError("random_seed", request.random_seed, f"from 0 to {MAX_RANDOM_SEED}")
        if request.form is not None:
            return self._add_form_poem(request, request.form)
        ids = self._ids_of(request.prompt)
        ticket = next(self._tickets)
        stopping = StoppingCriteria(request.length, request.prompt)
        if stopping.finish is not None:
            self._ended.append(PoemPiece(ticket, "", stopping.finish))
        else:
            poem = FreePoem(ticket, request, ids, stopping, self._capitals_after(request.prompt))
            self._running[ticket] = poem
            self._waiting.append(poem)
        return ticket

    def cancel(self, ticket: int) -> bool:
        """Free the rows of `ticket`, told by the next step; False if it is not being written."""
        poem = self._running.pop(ticket, None)
        if poem is None:
            return False
        if poem in self._waiting:
            self._waiting.remove(poem)
        for place in reversed(range(len(self._writers))):
            if self._owner(place) is poem:
                self._leave(place)
        held_back = ""
        if isinstance(poem, FormPoem):
            self._free(poem)
        elif poem.capitals is not None:
            held_back = poem.capitals.rest()
        self._ended.append(PoemPiece(ticket, held_back, FinishReason.CANCELLED))
        return True

    def step(self) -> list[PoemPiece]:
        """Write some characters of every poem; return what there is to show and what has ended."""
        pieces, self._ended = self._ended, []
        self._read_prompts()
        if not self._writers:
            return pieces
        written = self._batch.write(TOKENS_PER_STEP)
        particle_filters: dict[ParticleFilter, None] = {}
        # From the last place down: the row that fills a gap has had its turn.
        for place in reversed(range(len(written))):
            owner = self._writers[place]
            if isinstance(owner, Particle):
                particle_filters[owner.particle_filter] = None
                if not owner.particle_filter.receive(
                    owner, written[place], place, self._particle_rows
                ):
                    self._leave(place)
                continue
            text = owner.show(self._vocabulary.decode(written[place]))
            finish = owner.stopping.finish
            if text or finish is not None:
                pieces.append(PoemPiece(owner.ticket, text, finish))
            if finish is not None:
                self._leave(place)
                del self._running[owner.ticket]
        for particle_filter in particle_filters:
            pieces += self._advance_line(particle_filter)
        return pieces

    def _advance_line(self, particle_filter: ParticleFilter) -> list[PoemPiece]:
        """Resample particles that still write their line, or take the best line of one that has."""
        poem = self._form_poems[particle_filter]
        if particle_filter.writing:
            found = [
                (owner, place)
                for place, owner in enumerate(self._writers)
                if isinstance(owner, Particle) and owner.particle_filter is particle_filter
            ]
            particle_filter.resample(self._particle_rows, found)
            return []
        line = particle_filter.choose_line(self._vocabulary.shown)
        if line is None and particle_filter.composer.is_stuck:
            self._free(poem)
            del self._running[poem.ticket]
            return [PoemPiece(poem.ticket, "", FinishReason.CUT_OFF)]
        if line is not None:
            particle_filter.unread += self._vocabulary.encode(line + "\n")
        piece = [] if line is None else [PoemPiece(poem.ticket, poem.show(line))]
        if poem.composer.is_complete:
            self._free(poem)
            del self._running[poem.ticket]
            return [PoemPiece(poem.ticket, piece[0].text, FinishReason.LENGTH)]
        poem.read = 0
        self._waiting.append(poem)
        return piece

    def _read_prompts(self) -> None:
        """Let those who wait read and join, as far as this step's share goes."""
        share = PROMPT_TOKENS_PER_STEP
        held_up: list[FormPoem] = []  # for want of a slot
        while self._waiting:
            poem = self._waiting[0]
            if (
                isinstance(poem, FormPoem)
                and poem.particle_filter is None
                and not self._admit(poem)
            ):
                held_up.append(poem)
                self._waiting.popleft()
                continue
            *opening, last = poem.ids if isinstance(poem, FreePoem) else _particles_of(poem).unread
            if not poem.read:
                self._begin(poem)
            part = opening[poem.read : poem.read + share]
            self._batch.read(part)
            poem.read += len(part)
            share -= len(part)
            if poem.read < len(opening):
                break
            self._waiting.popleft()
            if isinstance(poem, FreePoem):
                self._batch.join(last)
                self._writers.append(poem)
            else:
                self._writers += _particles_of(poem).start_line(self._particle_rows)
        first = [self._waiting.popleft()] if self._waiting else []  # in the midst of its prompt
        self._waiting.extendleft(reversed([*first, *held_up]))

    def _begin(self, poem: FreePoem | FormPoem) -> None:
        snapshot = (
            poem.particle_filter.snapshot
            if isinstance(poem, FormPoem) and poem.particle_filter
            else None
        )
        if snapshot is None:
            request = poem.request
            self._batch.begin(request.sampling, request.random_seed, request.avoided)
        else:
            self._particle_rows.load(snapshot)

    def _add_form_poem(self, request: Request, form: Form) -> int:
        if self.prosody is None:
            raise SettingError("form", form.name, "left out: the model writes free text alone")
        opening = request.opening
        self._ids_of(opening.text)
        ticket = next(self._tickets)
        composer = Composer(self.prosody, form, opening, request.random_seed, request.avoided)
        poem = FormPoem(ticket, request, composer, self._capitals_after(opening.text))
        self._running[ticket] = poem
        self._waiting.append(poem)
        return ticket

    def _admit(self, poem: FormPoem) -> bool:
        """Give a poem in a form its slot, if one is free."""
        if not self._slots:
            return False
        # A poem begins after a blank line.
        unread = self._vocabulary.encode("\n\n" + poem.request.opening.text)
        newline = self._vocabulary.ids["\n"]
        poem.particle_filter = ParticleFilter(poem.composer, self._slots.pop(), unread, newline)
        self._form_poems[poem.particle_filter] = poem
        return True

    def _free(self, poem: FormPoem) -> None:
        if poem.particle_filter is not None:
            self._slots.append(poem.particle_filter.slot)
            del self._form_poems[poem.particle_filter]
            poem.particle_filter = None

    def _owner(self, place: int) -> FreePoem | FormPoem:
        owner = self._writers[place]
        return self._form_poems[owner.particle_filter] if isinstance(owner, Particle) else owner

    @property
    def _particle_rows(self) -> ParticleBatch:
        assert self._particle_batch is not None  # noqa: S101 - a poem in a form was taken on
        return self._particle_batch

    def _leave(self, place: int) -> None:
        self._batch.leave(place)
        last = self._writers.pop()
        if place < len(self._writers):
            self._writers[place] = last

    def _capitals_after(self, prompt: str) -> Capitals | None:
        return None if self._names is None else Capitals(self._names, prompt)

    def _ids_of(self, prompt: str) -> list[int]:
        """Return the ids to read; an empty prompt begins as a new line does."""
        known = self._vocabulary.ids
        unknown = "".join(dict.fromkeys(c for c in prompt if c not in known))
        if unknown:
            raise SettingError("prompt", unknown, "made of characters that the model knows")
        return self._vocabulary.encode(prompt) or [known.get("\n", 0)]


def _particles_of(poem: FormPoem) -> ParticleFilter:
    assert poem.particle_filter is not None  # noqa: S101 - who reads or writes has one
    return poem.particle_filter


def _make_prosody(model: Model) -> Prosody | None:
    """Return what the model needs for verse, None where it has too few words or no line break."""
    if not model.lexicon.can_rhyme or not {" ", "\n"} <= model.vocabulary.ids.keys():
        return None
    card = model.card
    loss = card.loss if card.held_out_loss is None else card.held_out_loss
    return Prosody(model.lexicon, model.vocabulary.ids, loss)


def _make_batch(model: Model, prosody: Prosody | None, max_rows: int) -> Batch:
    return Batch(
        quantize_network(model.network, model.tensors),
        max_rows + (MAX_FORM_POEMS * PARTICLES if prosody else 0),
        checked_instruction_set(),
        characters=model.vocabulary.characters,
        grams=model.grams,
        trie=prosody.trie if prosody else None,
        slots=MAX_FORM_POEMS,
    )
