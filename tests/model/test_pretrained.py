"""The models that ship."""

from model import load_model
from model.training.network import BASE_MODEL
from model.vocabulary import FoldedText

SONNETS = BASE_MODEL.parent.parent / "sonnets.safetensors"
MAX_BYTES = 32 * 10**6  # both together


def test_the_base_and_the_sonnets_can_be_used_and_are_small_enough() -> None:
    base, sonnets = load_model(BASE_MODEL), load_model(SONNETS)
    assert BASE_MODEL.stat().st_size + SONNETS.stat().st_size <= MAX_BYTES
    assert base.network.hidden_size == sonnets.network.hidden_size


def test_the_base_knows_the_characters_of_english() -> None:
    vocabulary = load_model(BASE_MODEL).vocabulary
    known = set(vocabulary.characters)
    assert set("abcdefghijklmnopqrstuvwxyz0123456789.,;:!?'\"()-\n ") <= known
    assert vocabulary.fold("éæœèëüïàö") == FoldedText("eaeoeeeuiao", ())


def test_the_sonnets_have_their_openings_and_lose_less_than_1_17_nats() -> None:
    card = load_model(SONNETS).card
    assert len(card.openings) > 50
    assert card.held_out_loss is not None
    assert card.held_out_loss <= 1.17


def test_the_sonnets_write_verse_and_none_of_the_books_own() -> None:
    sonnets, base = load_model(SONNETS), load_model(BASE_MODEL)
    assert len(sonnets.lexicon) > 6_000
    assert len(base.lexicon) > 5_000
    assert len(sonnets.grams) > 90_000
    assert {"thee", "lov'st", "beauty's"} <= sonnets.lexicon.numbers.keys()
