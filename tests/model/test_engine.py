import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.checkpoint import Card, Model
from model.config import LengthConfig, NetworkConfig, Sampling
from model.engine import (
    LINE_SLOTS,
    MAX_FORM_POEMS,
    MAX_RANDOM_SEED,
    PROMPT_TOKENS_PER_STEP,
    TOKENS_PER_STEP,
    Engine,
    make_engine,
    make_engines,
)
from model.errors import EngineFull, SettingError
from model.requests import PoemPiece, Request
from model.stopping import FinishReason
from model.training.network import StackedLSTM, tensors_of
from model.verse import FORMS, Opening
from model.vocabulary import Vocabulary

ALPHABET = Vocabulary.of("\n abcdefghijklm")
V = len(ALPHABET)
GREEDY = Sampling(greedy=True)


class Reciter:
    """Rows without a network: each recites `text` over and over from where it is.

    Each row's place in the text stands at the row's place, as a real one's state does.
    """

    def __init__(self, text: str) -> None:
        self.text = ALPHABET.encode(text)
        self.places: list[int] = []
        self.openings: list[str] = []  # what each row has read, in the order of beginning
        self.next_ids: list[int] = []

    def begin(self, sampling: Sampling, random_seed: int, avoided: Collection[str]) -> None:
        self.openings.append("")

    def read(self, ids: Sequence[int]) -> None:
        self.openings[-1] += ALPHABET.decode(ids)

    def join(self, next_id: int) -> None:
        self.places.append(0)
        self.next_ids.append(next_id)

    def leave(self, place: int) -> None:
        last = self.places.pop()
        if place < len(self.places):
            self.places[place] = last

    def write(self, count: int) -> list[list[int]]:
        written = []
        for row, begin in enumerate(self.places):
            written.append([self.text[(begin + n) % len(self.text)] for n in range(count)])
            self.places[row] += count
        return written


def model_of(config: NetworkConfig, seed: int = 5) -> Model:
    torch.manual_seed(seed)
    network = StackedLSTM(config).eval()
    torch.nn.init.normal_(network.head.weight, std=1.5 / config.hidden_size**0.5)
    card = Card(
        name="small",
        book_title="A small book",
        book_sha256="",
        book_characters=0,
        created="2026-01-01T00:00:00Z",
        recipe="default",
        lower_case=False,
        loss=1.0,
    )
    return Model(config, tensors_of(network), ALPHABET, card, "")


TINY = model_of(NetworkConfig(vocabulary_size=V, embedding_size=5, hidden_size=24))


def reciting(text: str, max_rows: int = 4) -> Engine:
    return Engine(Reciter(text), ALPHABET, max_rows=max_rows)


def asking(
    prompt: str = "",
    *,
    characters: int | None = None,
    lines: int | None = None,
    sampling: Sampling = GREEDY,
    random_seed: int = 0,
) -> Request:
    length = LengthConfig(lines=lines, characters=characters)
    return Request(Opening(rest=prompt), sampling, random_seed, length)


def written(pieces: Iterable[PoemPiece], ticket: int) -> str:
    return "".join(piece.text for piece in pieces if piece.ticket == ticket)


def drain(engine: Engine) -> list[PoemPiece]:
    pieces = []
    while engine.has_work:
        pieces += engine.step()
    return pieces


def test_the_prompt_counts_towards_the_length() -> None:
    engine = reciting("ab\n")
    by_characters = engine.add(asking("mmm", characters=8))
    by_lines = engine.add(asking("k\nl", lines=3))
    pieces = drain(engine)
    assert written(pieces, by_characters) == "ab\nab"
    assert written(pieces, by_lines) == "ab\nab"


def test_a_prompt_that_is_long_enough_ends_at_the_next_step_with_nothing_added() -> None:
    engine = reciting("abc", max_rows=1)
    ticket = engine.add(asking("abc", characters=3))
    assert engine.running == 0
    assert engine.step() == [PoemPiece(ticket, "", FinishReason.LENGTH)]
    assert not engine.has_work


def test_the_last_piece_says_why_the_poem_ended_and_may_hold_no_text() -> None:
    engine = reciting("a\n")
    ticket = engine.add(asking(lines=1))
    assert drain(engine) == [PoemPiece(ticket, "a", FinishReason.LENGTH)]
    blank = reciting(" " * 8 + "a\n")
    ticket = blank.add(asking("k", lines=1))
    assert drain(blank)[-1] == PoemPiece(ticket, "a", FinishReason.LENGTH)
    shown = reciting("a" * TOKENS_PER_STEP + "\n")
    ticket = shown.add(asking(lines=1))
    full = PoemPiece(ticket, "a" * TOKENS_PER_STEP)
    assert drain(shown) == [full, PoemPiece(ticket, "", FinishReason.LENGTH)]


def test_the_network_reads_all_of_the_prompt_but_the_last_character_on_joining() -> None:
    reciter = Reciter("a")
    engine = Engine(reciter, ALPHABET, max_rows=4)
    for prompt in ("abc", "d", ""):
        engine.add(asking(prompt, characters=5))
    engine.step()
    assert reciter.openings == ["ab", "", ""]
    assert ALPHABET.decode(reciter.next_ids) == "cd\n"


def test_a_long_prompt_does_not_hold_up_those_who_write() -> None:
    reciter = Reciter("abcdefgh")
    engine = Engine(reciter, ALPHABET, max_rows=4)
    writer = engine.add(asking(characters=5_000))
    engine.step()
    prompt = "k" * (3 * PROMPT_TOKENS_PER_STEP + 10)
    reader = engine.add(asking(prompt, characters=len(prompt) + 4))
    for steps in (1, 2, 3):
        [piece] = engine.step()
        assert (piece.ticket, len(piece.text)) == (writer, TOKENS_PER_STEP)
        assert len(reciter.openings[-1]) == steps * PROMPT_TOKENS_PER_STEP
    pieces = engine.step()
    assert written(pieces, reader) == "abcd"
    assert reciter.openings[-1] == prompt[:-1]


def test_a_prompt_half_read_can_be_cancelled_and_the_next_is_read_from_its_beginning() -> None:
    reciter = Reciter("abcdefgh")
    engine = Engine(reciter, ALPHABET, max_rows=4)
    cancelled = engine.add(asking("k" * 2 * PROMPT_TOKENS_PER_STEP, characters=9_000))
    other = engine.add(asking("lmlmlm", characters=9))
    assert engine.step() == []
    assert engine.cancel(cancelled)
    pieces = drain(engine)
    assert PoemPiece(cancelled, "", FinishReason.CANCELLED) in pieces
    assert written(pieces, other) == "abc"
    assert reciter.openings == ["k" * PROMPT_TOKENS_PER_STEP, "lmlml"]


def test_a_model_in_lower_case_shows_capitals_word_by_word() -> None:
    engine = Engine(Reciter("ed abe i\n"), ALPHABET, max_rows=4, names=("Abe",))
    poem, cut = engine.add(asking("l", lines=3)), engine.add(asking(lines=9))
    pieces = engine.step()
    assert written(pieces, poem) == "ed Abe "
    engine.cancel(cut)
    pieces += drain(engine)
    assert written(pieces, poem) == "ed Abe I\nEd Abe I\nEd Abe I"
    assert written(pieces, cut) == "Ed Abe I"


def test_a_stop_string_ends_a_poem_and_is_not_shown() -> None:
    engine = reciting("ab cd\nef gh\n")
    request = asking(lines=9)
    stopped = replace(request, length=LengthConfig(lines=9, stop=("x", "f g")))
    ticket = engine.add(stopped)
    pieces = drain(engine)
    assert written(pieces, ticket) == "ab cd\ne"
    assert pieces[-1].finished is FinishReason.STOP


def test_an_empty_prompt_begins_as_a_new_line_does() -> None:
    engine = make_engine(TINY)
    empty = engine.add(asking("", characters=10))
    newline = engine.add(asking("\n", characters=11))
    pieces = drain(engine)
    assert written(pieces, empty) == written(pieces, newline) != ""


def test_engines_that_share_weights_write_alike_and_apart() -> None:
    first, second = make_engines(TINY, 2, max_rows=4, prosody=None, planner=None)
    alone = make_engine(TINY)
    tickets = [engine.add(asking(characters=40)) for engine in (alone, first, second)]
    first.add(asking("b", characters=30))
    second.step()  # they need not keep in step
    texts = [
        written(drain(engine), ticket)
        for engine, ticket in zip((alone, first, second), tickets, strict=True)
    ]
    assert texts[1] == texts[0]
    assert texts[0].endswith(texts[2])  # but for what the first step told


def test_each_poem_gets_its_own_text_as_rows_come_and_go() -> None:
    engine = reciting("abcdefgh")
    tickets = {engine.add(asking(characters=length)): length for length in (2, 17, 9)}
    pieces = engine.step() + engine.step()
    tickets[engine.add(asking(characters=25))] = 25
    pieces += drain(engine)
    for ticket, length in tickets.items():
        assert written(pieces, ticket) == ("abcdefgh" * 4)[:length]


def test_a_cancelled_poem_frees_its_row_and_is_told_at_the_next_step() -> None:
    engine = reciting("abc", max_rows=1)
    ticket = engine.add(asking(characters=99))
    engine.step()
    assert engine.cancel(ticket)
    assert engine.running == 0
    other = engine.add(asking(characters=2))
    pieces = engine.step()
    assert pieces[0] == PoemPiece(ticket, "", FinishReason.CANCELLED)
    assert written(pieces, other) == "ab"


def test_a_poem_that_has_not_begun_can_be_cancelled() -> None:
    engine = reciting("abc")
    ticket = engine.add(asking(characters=9))
    assert engine.cancel(ticket)
    assert engine.step() == [PoemPiece(ticket, "", FinishReason.CANCELLED)]
    assert not engine.has_work


def test_what_is_not_being_written_cannot_be_cancelled() -> None:
    engine = reciting("abc")
    ticket = engine.add(asking(characters=1))
    drain(engine)
    assert not engine.cancel(ticket)
    cancelled = engine.add(asking(characters=9))
    assert engine.cancel(cancelled)
    assert not engine.cancel(cancelled)
    assert not engine.cancel(999)


def test_a_full_engine_refuses_and_says_how_many_rows_it_has() -> None:
    engine = reciting("abc", max_rows=2)
    engine.add(asking(characters=1))
    engine.add(asking(characters=9))
    with pytest.raises(EngineFull, match="2 poems are being written"):
        engine.add(asking(characters=9))
    engine.step()
    engine.add(asking(characters=9))


class Stumbler(Reciter):
    """Rows that fail when the third one joins, and at every step."""

    def join(self, next_id: int) -> None:
        if len(self.places) == 2:
            raise MemoryError
        super().join(next_id)

    def write(self, count: int) -> list[list[int]]:
        raise MemoryError


@pytest.mark.parametrize("rows", [2, 4])
def test_after_a_failure_every_row_can_be_freed(rows: int) -> None:
    engine = Engine(Stumbler("abc"), ALPHABET, max_rows=4)
    tickets = [engine.add(asking(characters=9)) for _ in range(rows)]
    with pytest.raises(MemoryError):
        engine.step()
    assert [engine.cancel(ticket) for ticket in tickets] == [True] * rows
    assert engine.step() == [PoemPiece(ticket, "", FinishReason.CANCELLED) for ticket in tickets]
    assert not engine.has_work


def test_free_text_can_always_start_and_a_form_while_few_others_are_written() -> None:
    free, formed = asking(lines=1), replace(asking(lines=1), form=FORMS["haiku"])
    assert all(Engine.can_start(free, others) for others in range(MAX_FORM_POEMS + 3))
    starts = [Engine.can_start(formed, others) for others in range(MAX_FORM_POEMS + 3)]
    assert starts == [True] * MAX_FORM_POEMS + [False] * 3
    line = replace(formed, candidates=3)
    starts = [Engine.can_start(line, others) for others in range(MAX_FORM_POEMS + 3)]
    assert starts == [True] * (MAX_FORM_POEMS + LINE_SLOTS) + [False] * 2


def test_an_engine_without_requests_has_no_work() -> None:
    engine = reciting("abc")
    assert not engine.has_work
    assert engine.step() == []


@pytest.mark.parametrize("random_seed", [-1, MAX_RANDOM_SEED + 1])
def test_a_random_seed_out_of_range_is_refused(random_seed: int) -> None:
    with pytest.raises(SettingError, match="random_seed"):
        reciting("abc").add(asking(characters=1, random_seed=random_seed))


def test_a_prompt_off_the_alphabet_is_refused_and_its_characters_named() -> None:
    with pytest.raises(SettingError, match="prompt is 'Xé'"):
        reciting("abc").add(asking("aXéX", characters=9))


def test_an_engine_needs_a_row() -> None:
    with pytest.raises(SettingError, match="max_rows"):
        make_engine(TINY, max_rows=0)


@given(st.lists(st.sampled_from(["add", "cancel", "step"]), max_size=60), st.integers(0, 99))
def test_every_poem_ends_exactly_once(moves: list[str], seed: int) -> None:
    engine, chance = reciting("abcdefgh", max_rows=3), random.Random(seed)
    asked: dict[int, int] = {}
    pieces: list[PoemPiece] = []
    for move in moves:
        if move == "add" and engine.running < 3:
            length = chance.randrange(1, 40)
            asked[engine.add(asking(characters=length))] = length
        elif move == "cancel" and asked:
            engine.cancel(chance.choice(list(asked)))
        else:
            pieces += engine.step()
    pieces += drain(engine)
    ends = [piece.ticket for piece in pieces if piece.finished is not None]
    assert sorted(ends) == sorted(asked)
    for ticket, length in asked.items():
        assert ("abcdefgh" * 5)[:length].startswith(written(pieces, ticket))
    assert engine.running == 0


def requests_of_all_kinds(count: int) -> list[Request]:
    chance = random.Random(6)
    kinds = [
        GREEDY,
        Sampling(temperature=1.0),
        Sampling(temperature=1.5, top_k=5),
        Sampling(temperature=1.0, top_p=0.8),
        Sampling(temperature=2.0, top_k=9, top_p=0.9, min_p=0.02),
        Sampling(temperature=0.5, repetition_guard=2),
    ]
    return [
        asking(
            "".join(chance.choices(ALPHABET.characters, k=chance.randrange(8))),
            characters=chance.randrange(20, 50),
            sampling=kinds[place % len(kinds)],
            random_seed=chance.randrange(MAX_RANDOM_SEED),
        )
        for place in range(count)
    ]


def write_alone(model: Model, requests: list[Request]) -> list[str]:
    engine = make_engine(model, max_rows=1)
    texts = []
    for request in requests:
        ticket = engine.add(request)
        texts.append(written(drain(engine), ticket))
    return texts


WIDE = model_of(NetworkConfig(vocabulary_size=V, input="scalar", hidden_size=256, layers=2))
DEEP = model_of(NetworkConfig(vocabulary_size=V, hidden_size=72, layers=4, residual=True))
every_model = pytest.mark.parametrize("model", [TINY, WIDE, DEEP], ids=["tiny", "wide", "deep"])


@every_model
def test_a_poem_is_the_same_alone_and_in_a_crowd_that_comes_and_goes(model: Model) -> None:
    requests = requests_of_all_kinds(64)
    alone = write_alone(model, requests)
    assert len(set(alone)) > 32  # poems that are all alike would prove nothing
    engine, chance = make_engine(model, max_rows=64), random.Random(7)
    asked: dict[int, int] = {}
    cancelled: set[int] = set()
    pieces: list[PoemPiece] = []
    for _ in range(60):
        for _ in range(chance.choice([0, 1, 2, 9, 30])):
            if engine.running < 64:
                place = chance.randrange(64)
                asked[engine.add(requests[place])] = place
        if asked and chance.random() < 0.2:
            ticket = chance.choice(list(asked))
            if engine.cancel(ticket):
                cancelled.add(ticket)
        pieces += engine.step()
    pieces += drain(engine)
    for ticket, place in asked.items():
        text = written(pieces, ticket)
        assert alone[place].startswith(text)
        assert ticket in cancelled or text == alone[place]


@every_model
def test_a_poem_is_the_same_in_every_width_of_batch(model: Model) -> None:
    requests = requests_of_all_kinds(64)
    alone = write_alone(model, requests)
    engine, chance = make_engine(model, max_rows=64), random.Random(8)
    for width in range(1, 65):
        places = chance.sample(range(64), width)
        tickets = [engine.add(requests[place]) for place in places]
        pieces = engine.step() + engine.step()
        for ticket, place in zip(tickets, places, strict=True):
            assert written(pieces, ticket) == alone[place][: 2 * TOKENS_PER_STEP], width
            engine.cancel(ticket)
        engine.step()


def test_another_random_seed_gives_another_poem() -> None:
    [one] = requests_of_all_kinds(2)[1:]
    other = replace(one, random_seed=1)
    assert len(set(write_alone(TINY, [one, other]))) == 2
