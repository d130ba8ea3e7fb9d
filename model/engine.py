"""Continuous batching: many poems advance together, a few tokens per step.

Rows join and leave between steps. The same model, prompt, settings and random seed give the same
text whoever else is being written for, however they are stepped, on whatever processor: see
`model.kernel`. What is particular to free text or to a form is in `model.requests`.
Not thread-safe: one thread owns an engine.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable

from model.capitals import Capitals
from model.checkpoint import Model
from model.errors import EngineFull, SettingError
from model.kernel import Batch, checked_instruction_set, quantize_network
from model.requests import (
    FormParts,
    FormPoem,
    FreePoem,
    PoemDraft,
    PoemPiece,
    Request,
    TokenBatch,
)
from model.stopping import FinishReason, StoppingCriteria
from model.verse import PARTICLES, Composer, Form, Planner, Prosody
from model.vocabulary import Vocabulary

MAX_RANDOM_SEED = 2**63 - 1  # fits SQLite's and JSON readers' signed 64 bits
TOKENS_PER_STEP = 8  # of each row; fewer cost calls, more delay those who join
PROMPT_TOKENS_PER_STEP = 256  # they take about as long as a step of a full batch
MAX_FORM_POEMS = 2  # written at once: with more, each would take the longer
LINE_SLOTS = 1  # beside them, for who waits for a line alone: it takes a tenth of a poem's time


def make_engine(model: Model, *, max_rows: int = 64) -> Engine:
    """Return an engine that writes up to `max_rows` poems at once with `model`.

    Raises SettingError for fewer than one row.
    """
    prosody, planner = make_verse(model)
    return make_engines(model, 1, max_rows=max_rows, prosody=prosody, planner=planner)[0]


def make_verse(model: Model) -> tuple[Prosody | None, Planner | None]:
    """Return what poems in a form need of a model besides its network; None: it has no such thing.

    Without a Prosody it writes free text alone, without a Planner it cannot be told what a poem is
    about.
    """
    prosody = _make_prosody(model)
    return prosody, None if prosody is None else _make_planner(model, prosody)


def make_engines(
    model: Model,
    count: int,
    *,
    max_rows: int,
    prosody: Prosody | None,
    planner: Planner | None,
) -> tuple[Engine, ...]:
    """Return engines for `count` threads that share the weights of `model` and what verse needs.

    Each writes up to `max_rows` poems at once, the same poems as any other. Raises SettingError for
    fewer than one row.
    """
    if not count:
        return ()
    slots = MAX_FORM_POEMS + LINE_SLOTS
    first = Batch(
        quantize_network(model.network, model.tensors),
        max_rows + (slots * PARTICLES if prosody else 0),
        checked_instruction_set(),
        tokens=model.vocabulary.tokens,
        grams=model.grams,
        trie=prosody.trie if prosody else None,
        slots=slots,
    )

    def engine_on(batch: Batch) -> Engine:
        forms = None
        if prosody is not None:
            forms = FormParts(*(batch, prosody, list(range(slots)), planner), kept_slots=LINE_SLOTS)
        names = model.card.names if model.card.lower_case else None
        return Engine(batch, model.vocabulary, max_rows=max_rows, names=names, forms=forms)

    return tuple(map(engine_on, [first, *(first.another() for _ in range(count - 1))]))


class Engine:
    """Writes many poems at once with one model.

    engine = make_engine(model)
    ticket = engine.add(request)
    while engine.has_work:
        for piece in engine.step():
            print(piece.text, end="")
    """

    def __init__(
        self,
        batch: TokenBatch,
        vocabulary: Vocabulary,
        *,
        max_rows: int,
        names: Iterable[str] | None = None,
        forms: FormParts | None = None,
    ) -> None:
        """Write on `batch`, whose tokens are those of `vocabulary`.

        `names` are words with a capital, of a model that has learnt in lower case; `forms` is what
        poems in a form need, None where there are none.
        """
        if max_rows < 1:
            raise SettingError("max_rows", max_rows, "at least 1")
        self._batch = batch
        self._vocabulary = vocabulary
        self._max_rows = max_rows
        self._names = None if names is None else tuple(names)
        self._forms = forms
        self._tickets = itertools.count(1)
        # The first one is reading; those in a form come back for each line.
        self._waiting: deque[PoemDraft] = deque()
        self._rows: list[tuple[PoemDraft, int]] = []  # as in the batch: whose, and its number there
        self._ended: list[PoemPiece] = []  # told by the next step
        self._running: dict[int, PoemDraft] = {}  # by ticket

    @property
    def prosody(self) -> Prosody | None:
        """How the model's words are said and rhyme; None where it writes free text alone."""
        return None if self._forms is None else self._forms.prosody

    @property
    def planner(self) -> Planner | None:
        """Who plans poems in a form; None for a model that cannot be told what they are about."""
        return None if self._forms is None else self._forms.planner

    @property
    def running(self) -> int:
        """How many poems are being written, or read their prompts."""
        return len(self._running)

    @property
    def has_work(self) -> bool:
        """Whether `step` has anything to do or to tell."""
        return bool(self._running or self._ended)

    @staticmethod
    def can_start(request: Request, in_form: int) -> bool:
        """Whether a request would be begun at once beside `in_form` poems in a form.

        Any thread may ask: the answer depends on nothing but the two.
        """
        slots = MAX_FORM_POEMS + (LINE_SLOTS if request.candidates else 0)
        return request.form is None or in_form < slots

    @staticmethod
    def rows_of(request: Request) -> int:
        """How many rows write a request: what it costs beside others."""
        return 1 if request.form is None else PARTICLES

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
            return self._start(self._form_poem(request, request.form))
        prompt = request.opening.text
        ids = self._ids_of(prompt)
        stopping = StoppingCriteria(request.length, prompt)
        capitals = self._capitals_after(prompt)
        ticket = next(self._tickets)
        return self._start(
            FreePoem(ticket, request, self._batch, self._vocabulary, ids, stopping, capitals)
        )

    def cancel(self, ticket: int) -> bool:
        """Free the rows of `ticket`, told by the next step; False if it is not being written."""
        poem = self._running.pop(ticket, None)
        if poem is None:
            return False
        if poem in self._waiting:
            self._waiting.remove(poem)
        for place in reversed(range(len(self._rows))):
            if self._rows[place][0] is poem:
                self._leave(place)
        self._ended.append(PoemPiece(ticket, poem.end(), FinishReason.CANCELLED))
        return True

    def step(self) -> list[PoemPiece]:
        """Write some tokens of every poem; return what there is to show and what has ended."""
        pieces, self._ended = self._ended, []
        self._read_prompts()
        if not self._rows:
            return pieces
        written = self._batch.write(TOKENS_PER_STEP)
        places: dict[PoemDraft, dict[int, int]] = {}  # of its rows that go on, by number
        # From the last place down: the row that fills a gap has had its turn.
        for place in reversed(range(len(written))):
            poem, number = self._rows[place]
            places[poem] = {}
            if not poem.receive(number, written[place], place):
                self._leave(place)
        for place, (poem, number) in enumerate(self._rows):
            places[poem][number] = place
        for poem, its_places in places.items():
            text = poem.advance(its_places)
            if poem.finished is not None:
                del self._running[poem.ticket]
                text += poem.end()
            elif not its_places:
                self._wait(poem)
            if text or poem.finished is not None:
                pieces.append(PoemPiece(poem.ticket, text, poem.finished))
        return pieces

    def _start(self, poem: PoemDraft) -> int:
        if poem.finished is not None:
            self._ended.append(PoemPiece(poem.ticket, "", poem.finished))
        else:
            self._running[poem.ticket] = poem
            self._wait(poem)
        return poem.ticket

    def _wait(self, poem: PoemDraft) -> None:
        poem.read = 0
        self._waiting.append(poem)

    def _read_prompts(self) -> None:
        """Let those who wait read and join, as far as this step's share goes."""
        share = PROMPT_TOKENS_PER_STEP
        held_up: list[PoemDraft] = []  # by poems that must end first
        reading: list[PoemDraft] = []  # in the midst of its prompt
        while self._waiting and not reading:
            poem = self._waiting.popleft()
            if not poem.read and not poem.begin():
                held_up.append(poem)
                continue
            *opening, _ = poem.unread
            part = opening[poem.read : poem.read + share]
            self._batch.read(part)
            poem.read += len(part)
            share -= len(part)
            if poem.read < len(opening):
                reading.append(poem)
            else:
                self._rows += [(poem, number) for number in range(poem.join())]
        self._waiting.extendleft(reversed([*reading, *held_up]))

    def _form_poem(self, request: Request, form: Form) -> FormPoem:
        if self._forms is None:
            raise SettingError("form", form.name, "left out: the model writes free text alone")
        opening = request.opening
        self._ids_of(opening.text)
        ticket, prosody = next(self._tickets), self._forms.prosody
        composer = Composer(
            *(prosody, form, opening, request.random_seed, request.avoided),
            *(request.plan, self._forms.planner),
        )
        capitals = self._capitals_after(opening.text)
        finished = FinishReason.LENGTH if composer.is_complete else None
        return FormPoem(
            *(ticket, request, self._forms, self._vocabulary, composer, capitals),
            finished=finished,
        )

    def _leave(self, place: int) -> None:
        self._batch.leave(place)
        last = self._rows.pop()
        if place < len(self._rows):
            self._rows[place] = last

    def _capitals_after(self, prompt: str) -> Capitals | None:
        return None if self._names is None else Capitals(self._names, prompt)

    def _ids_of(self, prompt: str) -> list[int]:
        """Return the ids to read; an empty prompt begins as a new line does."""
        known = self._vocabulary.ids
        unknown = "".join(dict.fromkeys(c for c in prompt if c not in known))
        if unknown:
            raise SettingError("prompt", unknown, "made of characters that the model knows")
        return self._vocabulary.encode(prompt) or [known.get("\n", 0)]


def _make_planner(model: Model, prosody: Prosody) -> Planner | None:
    if not model.network.topic_size:
        return None
    vectors, weight = model.tensors["topics.vectors"], model.tensors["topics.weight"]
    return Planner(vectors, weight, model.vocabulary, prosody)


def _make_prosody(model: Model) -> Prosody | None:
    """Return what the model needs for verse, None where it has too few words or no line break."""
    if not model.lexicon.can_rhyme or not {" ", "\n"} <= model.vocabulary.ids.keys():
        return None
    card = model.card
    loss = card.loss if card.held_out_loss is None else card.held_out_loss
    return Prosody(model.lexicon, model.vocabulary, loss)
