"""What passages and lines are about: learnt from a text, read from one, and heeded."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from model.training import topics
from model.training.batches import encode_book
from model.training.loop import EpochEnd, Training
from model.training.recipes import Recipe
from model.training.topics import (
    LONGEST,
    SHORTEST,
    TopicTable,
    WordFinder,
    find_passages,
    learn_topic_vectors,
    read_topics,
)
from model.vocabulary import Vocabulary

SEA, FARM = "boat wave sail gull shore".split(), "goat barn oats sheaf mare".split()
TEXT_WORDS = [" the", " and", *(f" {word}" for word in (*SEA, *FARM))]


def line_of(words: list[str], random: Random) -> str:
    return f"the {random.choice(words)} and the {random.choice(words)}"


def two_themes(passages: int) -> str:
    random = Random(1)
    poems = (
        "\n".join(line_of(random.choice((SEA, FARM)), random) for _ in range(4))
        if number % 9 == 0
        else "\n".join(line_of((SEA, FARM)[number % 2], random) for _ in range(4))
        for number in range(passages)
    )
    return "\n\n\n".join(poems) + "\n"


TEXT = two_themes(120)
VOCABULARY = Vocabulary.of(TEXT, TEXT_WORDS)
IDS = encode_book(TEXT, VOCABULARY)


@pytest.fixture(scope="module")
def vectors() -> Tensor:
    return learn_topic_vectors(IDS, VOCABULARY, 4)


def read(vectors: Tensor, seed: int = 0) -> TopicTable:
    return read_topics(IDS, VOCABULARY, vectors, torch.Generator().manual_seed(seed))


@pytest.fixture
def all_say(monkeypatch: pytest.MonkeyPatch) -> None:
    for share in ("NOTHING", "NO_TOPIC", "NO_KEYWORDS", "NO_ENDS", "NO_WORD"):
        monkeypatch.setattr(topics, share, 0.0)


def passages_of(text: str) -> list[int]:
    ids = np.array([ord(c) for c in text])
    return [int(passage) for passage in find_passages(ids, ord("\n")).passage_of]


def test_two_blank_lines_end_a_passage_and_one_does_when_it_is_long_enough() -> None:
    assert passages_of("a\nb\n\nc\n\n\nd") == [0, 0, 0, 0, 0, 0, 1]
    long = "a\n" * SHORTEST
    assert passages_of(f"{long}\nb\nc")[-3:] == [0, 1, 1]
    assert set(passages_of("a\n" * (SHORTEST + 1))) == {0}
    assert passages_of("a\n" * (LONGEST + 1) + "a")[LONGEST - 1 : LONGEST + 1] == [0, 1]


def test_a_newline_belongs_to_the_line_that_it_ends() -> None:
    ids = np.array([ord(c) for c in "ab\n\nc"])
    assert find_passages(ids, ord("\n")).line_of.tolist() == [0, 0, 0, 1, 2]


def test_words_are_found_that_say_something_and_are_one_token() -> None:
    vocabulary = Vocabulary.of("the boats sail", [" boat", " sail", " the"])
    ids = np.array(vocabulary.encode("sail the boats the sail the boat"))
    found = [vocabulary.tokens[id_] for id_ in ids[WordFinder(vocabulary).places(ids)]]
    assert found == [" sail", " boat"]


def test_words_that_come_together_have_vectors_that_are_alike(vectors: Tensor) -> None:
    words = functional.normalize(vectors, dim=1)

    def likeness(one: str, other: str) -> float:
        return float(words[VOCABULARY.ids[f" {one}"]] @ words[VOCABULARY.ids[f" {other}"]])

    assert min(likeness(SEA[0], word) for word in SEA[1:]) > 0.5
    assert max(likeness(SEA[0], word) for word in FARM) < 0.1
    silent = [id_ for token, id_ in VOCABULARY.ids.items() if token.strip() not in {*SEA, *FARM}]
    assert not vectors[silent].any()


def test_a_text_too_short_to_learn_from_gives_zeros() -> None:
    assert not learn_topic_vectors(IDS[:50], VOCABULARY, 4).any()


@pytest.mark.usefixtures("all_say")
def test_a_passage_has_one_topic_and_each_line_a_word_of_its_own(vectors: Tensor) -> None:
    table = read(vectors)
    lines = TEXT.split("\n")
    for number, line in enumerate(lines[:200]):
        keyword = VOCABULARY.tokens[int(table.keywords[number])].strip()
        end = VOCABULARY.tokens[int(table.ends[number])].strip()
        assert [keyword, end] == line.split()[1::3] if line else keyword == end == ""
    of_both = table.of_lines(torch.tensor([[0, 1, 2, 3]]))  # the first passage
    assert of_both.shape == (1, 4, 12)
    assert (of_both[0, :, :4] == of_both[0, 0, :4]).all()
    assert not (of_both[0, :, 4:] == of_both[0, 0, 4:]).all()


def test_the_same_random_state_finds_the_same_and_some_say_nothing(vectors: Tensor) -> None:
    one, same, other = read(vectors), read(vectors), read(vectors, 1)
    assert (one.keywords == same.keywords).all()
    assert (one.topics == same.topics).all()
    assert not (one.keywords == other.keywords).all()
    silent = (one.topics == 0).all(dim=1).float().mean()
    assert 0.1 < silent < 0.6


def test_a_network_that_is_told_heeds_what_it_is_told(vectors: Tensor) -> None:
    recipe = Recipe(
        name="default",
        embedding_size=16,
        hidden_size=16,
        residual=True,
        topic_size=4,
        dropout=0.0,
        rows=4,
        window=16,
        shuffle=False,
        learning_rate=1e-2,
        held_out=0.0,
        monitor="training",
        patience=0,
        epochs=8,
        average=0.0,
    )
    training = Training(TEXT, recipe, vocabulary=VOCABULARY)
    network = training.network
    assert network.topics is not None
    network.topics.vectors.copy_(vectors)
    assert [type(event) for event in training.run()].count(EpochEnd) == 8
    network.eval()
    table = read(vectors)
    start = torch.tensor([[VOCABULARY.ids["\n"], *VOCABULARY.encode("the")]])

    def share_of_sea(topic: Tensor) -> float:
        told = torch.cat([topic, torch.zeros(8)]).expand(1, start.shape[1], 12)
        with torch.inference_mode():
            features, _ = network.features(start, network.initial_state(1), told)
            probs = network.head(features)[0, -1].softmax(0)
        return float(sum(probs[VOCABULARY.ids[f" {word}"]] for word in SEA))

    sea, farm = table.words[VOCABULARY.ids[" boat"]], table.words[VOCABULARY.ids[" goat"]]
    assert share_of_sea(sea) > 0.7
    assert share_of_sea(farm) < 0.3
