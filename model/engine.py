"""Continuous batching: many poems advance together, a few characters per step.

Rows join and leave between steps. The same model, prompt, settings and random seed give the same
text whoever else is being written for, however they are stepped, on whatever processor: see
`model.kernel`. A poem in a form is written by a crowd of rows, line by line: see `model.verse`.
Not thread-safe: one thread owns an engine.
"""

from __future__ import annotations

import itertools
from collections import deque

from model.capitals import Capitals
from model.checkpoint import Model
from model.errors import EngineFull, SettingError
from model.extent import Extent, Finish
from model.kernel import Batch, checked_arithmetic, pack_network
from model.requests import Piece, Request, Row, Rows, Verses
from model.verse import (
    PARTICLES,
    Composition,
    Crowd,
    Form,
    GuidedRows,
    Particle,
    Verse,
)

MAX_RANDOM_SEED = 2**63 - 1  # fits SQLite's and JSON readers' signed 64 bits
WRITTEN_PER_STEP = 8  # characters of each row; fewer cost calls, more delay those who join
READ_PER_STEP = 256  # characters of prompts, which take about as long as a step of a full batch
CROWDS = 2  # poems in a form that are written at once: with more, each would take the longer


class Engine:
    """Writes up to `max_rows` poems at once with one model.

    engine = Engine(model)
    ticket = engine.add(request)
    while engine.has_work:
        for piece in engine.step():
            print(piece.text, end="")
    """

    def __init__(self, model: Model, *, max_rows: int = 64, rows: Rows | None = None) -> None:
        if max_rows < 1:
            raise SettingError("max_rows", max_rows, "at least 1")
        self._vocabulary = model.vocabulary
        self._names = model.card.names if model.card.lower_case else None
        self._max_rows = max_rows
        # Rows of another kind than the kernel's write no verse.
        self.verse = _verse_of(model) if rows is None else None
        batch = _make_batch(model, self.verse, max_rows) if rows is None else rows
        self._batch: Rows = batch
        self._guided: GuidedRows | None = batch if isinstance(batch, Batch) else None
        self._tickets = itertools.count(1)
        # The first one is reading; those in a form come back for each line.
        self._waiting: deque[Row | Verses] = deque()
        self._places: list[Row | Particle] = []  # as in the batch
        self._verses: dict[Crowd, Verses] = {}
        self._slots = list(range(CROWDS))
        self._ended: list[Piece] = []  # told by the next step
        self._running: dict[int, Row | Verses] = {}  # by ticket

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
            return self._add_verses(request, request.form)
        ids = self._ids_of(request.prompt)
        ticket = next(self._tickets)
        extent = Extent(request.length, request.prompt)
        if extent.finish is not None:
            self._ended.append(Piece(ticket, "", extent.finish))
        else:
            row = Row(ticket, request, ids, extent, self._capitals_after(request.prompt))
            self._running[ticket] = row
            self._waiting.append(row)
        return ticket

    def cancel(self, ticket: int) -> bool:
        """Free the rows of `ticket`, told by the next step; False if it is not being written."""
        poem = self._running.pop(ticket, None)
        if poem is None:
            return False
        if poem in self._waiting:
            self._waiting.remove(poem)
        for place in reversed(range(len(self._places))):
            if self._owner(place) is poem:
                self._leave(place)
        held_back = ""
        if isinstance(poem, Verses):
            self._free(poem)
        elif poem.capitals is not None:
            held_back = poem.capitals.rest()
        self._ended.append(Piece(ticket, held_back, Finish.CANCELLED))
        return True

    def step(self) -> list[Piece]:
        """Write some characters of every poem; return what there is to show and what has ended."""
        pieces, self._ended = self._ended, []
        self._read_prompts()
        if not self._places:
            return pieces
        written = self._batch.write(WRITTEN_PER_STEP)
        crowds: dict[Crowd, None] = {}
        # From the last place down: the row that fills a gap has had its turn.
        for place in reversed(range(len(written))):
            owner = self._places[place]
            if isinstance(owner, Particle):
                crowds[owner.crowd] = None
                if not owner.crowd.receive(owner, written[place], place, self._rows):
                    self._leave(place)
                continue
            text = owner.show(self._vocabulary.decode(written[place]))
            finish = owner.extent.finish
            if text or finish is not None:
                pieces.append(Piece(owner.ticket, text, finish))
            if finish is not None:
                self._leave(place)
                del self._running[owner.ticket]
        for crowd in crowds:
            pieces += self._go_on(crowd)
        return pieces

    def _go_on(self, crowd: Crowd) -> list[Piece]:
        """Sift a crowd that still writes its line, or take the best line of one that has."""
        poem = self._verses[crowd]
        if crowd.writing:
            found = [
                (owner, place)
                for place, owner in enumerate(self._places)
                if isinstance(owner, Particle) and owner.crowd is crowd
            ]
            crowd.sift(self._rows, found)
            return []
        line = crowd.decide(self._vocabulary.shown)
        if line is None and crowd.composition.is_stuck:
            self._free(poem)
            del self._running[poem.ticket]
            return [Piece(poem.ticket, "", Finish.CUT_OFF)]
        if line is not None:
            crowd.unread += self._vocabulary.encode(line + "\n")
        piece = [] if line is None else [Piece(poem.ticket, poem.show(line))]
        if poem.composition.is_complete:
            self._free(poem)
            del self._running[poem.ticket]
            return [Piece(poem.ticket, piece[0].text, Finish.LENGTH)]
        poem.read = 0
        self._waiting.append(poem)
        return piece

    def _read_prompts(self) -> None:
        """Let those who wait read and join, as far as this step's share goes."""
        share = READ_PER_STEP
        held_up: list[Verses] = []  # for want of a slot
        while self._waiting:
            poem = self._waiting[0]
            if isinstance(poem, Verses) and poem.crowd is None and not self._admit(poem):
                held_up.append(poem)
                self._waiting.popleft()
                continue
            *opening, last = poem.ids if isinstance(poem, Row) else _crowd_of(poem).unread
            if not poem.read:
                self._begin(poem)
            part = opening[poem.read : poem.read + share]
            self._batch.read(part)
            poem.read += len(part)
            share -= len(part)
            if poem.read < len(opening):
                break
            self._waiting.popleft()
            if isinstance(poem, Row):
                self._batch.join(last)
                self._places.append(poem)
            else:
                self._places += _crowd_of(poem).set_out(self._rows)
        first = [self._waiting.popleft()] if self._waiting else []  # in the midst of its prompt
        self._waiting.extendleft(reversed([*first, *held_up]))

    def _begin(self, poem: Row | Verses) -> None:
        memory = poem.crowd.memory if isinstance(poem, Verses) and poem.crowd else None
        if memory is None:
            request = poem.request
            self._batch.begin(request.sampling, request.random_seed, request.avoided)
        else:
            self._rows.load(memory)

    def _add_verses(self, request: Request, form: Form) -> int:
        if self.verse is None:
            raise SettingError("form", form.name, "left out: the model writes free text alone")
        opening = request.opening
        self._ids_of(opening.text)
        ticket = next(self._tickets)
        composition = Composition(self.verse, form, opening, request.random_seed, request.avoided)
        poem = Verses(ticket, request, composition, self._capitals_after(opening.text))
        self._running[ticket] = poem
        self._waiting.append(poem)
        return ticket

    def _admit(self, poem: Verses) -> bool:
        """Give a poem in a form its slot, if one is free."""
        if not self._slots:
            return False
        # A poem begins after a blank line.
        unread = self._vocabulary.encode("\n\n" + poem.request.opening.text)
        newline = self._vocabulary.ids["\n"]
        poem.crowd = Crowd(poem.composition, self._slots.pop(), unread, newline)
        self._verses[poem.crowd] = poem
        return True

    def _free(self, poem: Verses) -> None:
        if poem.crowd is not None:
            self._slots.append(poem.crowd.slot)
            del self._verses[poem.crowd]
            poem.crowd = None

    def _owner(self, place: int) -> Row | Verses:
        owner = self._places[place]
        return self._verses[owner.crowd] if isinstance(owner, Particle) else owner

    @property
    def _rows(self) -> GuidedRows:
        assert self._guided is not None  # noqa: S101 - a poem in a form was taken on
        return self._guided

    def _leave(self, place: int) -> None:
        self._batch.leave(place)
        last = self._places.pop()
        if place < len(self._places):
            self._places[place] = last

    def _capitals_after(self, prompt: str) -> Capitals | None:
        return None if self._names is None else Capitals(self._names, prompt)

    def _ids_of(self, prompt: str) -> list[int]:
        """Return the ids to read; an empty prompt begins as a new line does."""
        known = self._vocabulary.ids
        unknown = "".join(dict.fromkeys(c for c in prompt if c not in known))
        if unknown:
            raise SettingError("prompt", unknown, "made of characters that the model knows")
        return self._vocabulary.encode(prompt) or [known.get("\n", 0)]


def _crowd_of(poem: Verses) -> Crowd:
    assert poem.crowd is not None  # noqa: S101 - who reads or writes has one
    return poem.crowd


def _verse_of(model: Model) -> Verse | None:
    """Return what the model needs for verse, None where it has too few words or no line break."""
    if not model.lexicon.can_rhyme or not {" ", "\n"} <= model.vocabulary.ids.keys():
        return None
    card = model.card
    loss = card.loss if card.held_out_loss is None else card.held_out_loss
    return Verse(model.lexicon, model.vocabulary.ids, loss)


def _make_batch(model: Model, verse: Verse | None, max_rows: int) -> Batch:
    return Batch(
        pack_network(model.network, model.tensors),
        max_rows + (CROWDS * PARTICLES if verse else 0),
        checked_arithmetic(),
        characters=model.vocabulary.characters,
        grams=model.grams,
        trie=verse.trie if verse else None,
        slots=CROWDS,
    )
