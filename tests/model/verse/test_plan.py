"""What a poem is to be about: topics, keywords, ends, and how the network is told."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from model.verse import FORMS, NO_PLAN, Lexicon, Plan, Planner, Prosody
from model.verse.related import RelatedWords
from model.verse.words import stem_of
from model.vocabulary import Vocabulary
from tests.verse_words import ALPHABET, FILLERS, RHYMES, small_lexicon

SONNET = FORMS["sonnet"]
SKY = (
    RHYMES[1].split() + RHYMES[7].split()
)  # words that are given one place, and all others another
ALL = [word for word in " ".join([*RHYMES, FILLERS]).split() if len(word) > 2]
K, H = 4, 8


def make_planner(lexicon: Lexicon | None = None) -> Planner:
    words = sorted(set(ALL))
    vocabulary = Vocabulary(ALPHABET.characters, tuple(f" {word}" for word in words))
    generator = np.random.default_rng(1)
    vectors = np.zeros((len(vocabulary), K), np.float32)
    for word in words:
        place = [1, 0, 0, 0] if word in SKY else [0, 1, 0, 0]
        vectors[vocabulary.ids[f" {word}"]] = place + generator.normal(0, 0.05, K)
    weight = generator.normal(0, 0.2, (H, 3 * K)).astype(np.float32)
    return Planner(vectors, weight, vocabulary, Prosody(lexicon or small_lexicon(), ALPHABET, 2.0))


PLANNER = make_planner()


def plan(*seed: str, random_seed: int = 1, avoided: tuple[str, ...] = ()) -> Plan:
    return PLANNER.plan(seed, SONNET, avoided, random_seed)


def share_of_sky(seed: str) -> float:
    """Among the first words of many plans; later ones must be others."""
    chosen = [plan(seed, random_seed=n) for n in range(40)]
    first = [word for each in chosen for word in (each.ends[0], *each.keywords[:2]) if word]
    return sum(word in SKY for word in first) / len(first)


def test_the_words_of_a_plan_are_near_the_seed() -> None:
    assert share_of_sky("light") > 0.6
    assert share_of_sky("river") < 0.2


def test_the_last_words_of_lines_that_rhyme_do() -> None:
    chosen = plan("river")
    assert sum(map(bool, chosen.ends)) >= 10
    prosody = Prosody(small_lexicon(), ALPHABET, 2.0)
    for line, word in enumerate(chosen.ends):
        partner = SONNET.partner(line)
        before = "" if partner is None else chosen.ends[partner]
        assert prosody.rhymes(before, word) if before else partner is None or not word


def test_no_two_words_are_of_one_family() -> None:
    chosen = plan("light")
    stems = [stem_of(word) for word in (*chosen.keywords, *chosen.ends) if word]
    assert len(stems) == len(set(stems)) > 20


def test_a_form_without_rhymes_has_keywords_alone() -> None:
    chosen = PLANNER.plan(["light"], FORMS["haiku"], (), 1)
    assert (len(chosen.keywords), chosen.ends) == (3, ("", "", ""))


def test_the_same_random_seed_makes_the_same_plan() -> None:
    assert plan("light") == plan("light") != plan("light", random_seed=2)


def test_a_seed_that_nobody_knows_has_a_topic_by_chance() -> None:
    topics = {plan("qwert", random_seed=n).topic for n in range(10)}
    assert len(topics) > 5
    assert all(len(topic) == 1 and topic[0] in ALL for topic in topics)


def test_forms_of_one_word_are_one_topic() -> None:
    assert plan("remember", "remembers", "river").topic == ("river", "remember")


def test_words_to_avoid_are_in_no_plan() -> None:
    avoided = tuple(SKY)
    chosen = plan("river", avoided=avoided)
    assert not {*chosen.keywords, *chosen.ends} & {*avoided}
    assert plan("river", avoided=tuple(ALL)) == NO_PLAN


def test_the_network_is_told_of_the_topic_and_of_the_line() -> None:
    chosen = plan("river")
    told = [PLANNER.told(chosen, line, end) for line, end in enumerate(chosen.ends)]
    assert all(one.shape == (H,) and np.abs(one).max() <= 1 for one in told)
    assert all((one != other).any() for one, other in pairwise(told))
    swapped = PLANNER.told(plan("light"), 0, chosen.ends[0])
    assert (swapped != told[0]).any()
    assert not PLANNER.told(NO_PLAN, 0, "").any()


def test_a_rhyme_is_found_near_the_topic_for_a_line_that_ended_otherwise() -> None:
    chosen = plan("light")
    rhymes = PLANNER.nearest_rhymes(chosen, "bright", ["night"])
    assert set(rhymes) == {*RHYMES[1].split()} - {"bright", "night", "might"}
    assert PLANNER.nearest_rhymes(chosen, "window", ()) == []


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("light", {"light"}),
        ("rivers", {"river"}),
        ("river's", {"river"}),
        ("grandmother", {"mother", "father"}),  # by its definition
        ("grandmothers", {"mother", "father"}),
        ("qwert", set()),
        ("любовь", set()),
    ],
)
def test_a_word_without_a_place_has_that_of_another(word: str, known: set[str]) -> None:
    assert set(PLANNER.known_words(word)) == known
    assert (set(plan(word).topic) == known) == bool(known)


def test_words_of_the_model_come_before_those_of_definitions() -> None:
    related = RelatedWords("grandmother old river\nqwert zzz\n")
    planner = make_planner(replace(small_lexicon(), related=related))
    assert planner.known_words("grandmothers") == ["old", "river"]
    assert planner.known_words("qwert") == []
    assert planner.known_words("blond") == ["light", "hair", "blue", "grey"]
