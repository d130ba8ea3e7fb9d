"""Small texts for tests, written for them."""

from __future__ import annotations

RHYME = (
    "the kettle sings, the cat is fed,\n"
    "a moth goes round the lamp;\n"
    "my grandmother has gone to bed,\n"
    "the garden wall is damp.\n"
)
WALKERS = ("A miller", "My neighbour", "The ferryman", "One weaver", "Our captain", "A shepherd")
PATHS = ("along the frozen river", "behind the silent mill", "across the market square")
BURDENS = ("a lantern", "some apples", "his brother's coat", "nothing", "a crooked key")
LATIN, CYRILLIC = "abcdefghijklmnopqrstuvwxyz", "абцдефгхийклмнопярстуввхыз"
ENDINGS = (
    "and never asked the way.",
    "until the bells had rung.",
    "and whistled to himself;",
    "for winter came that day.",
)


def quatrains(count: int) -> str:
    """Return so many verses of four lines and some 130 characters, a blank line between.

    No two are the same; capitals, commas and apostrophes are in them.
    """
    verses = []
    for number in range(count):
        walker = WALKERS[number % len(WALKERS)]
        path = PATHS[number // 2 % len(PATHS)]
        burden = BURDENS[number * 3 % len(BURDENS)]
        ending = ENDINGS[(number + number // 4) % len(ENDINGS)]
        verses.append(
            f"{walker} went by {path},\n"
            f"and carried {burden} in the rain\n"
            f"past {number + 2} old houses with no chimney,\n"
            f"{ending}\n"
        )
    return "\n".join(verses)


VERSES = quatrains(24)  # about 3,000 characters: just enough for a book


def in_cyrillic(text: str) -> str:
    """Write an English text in letters that the base model does not know.

    A training on it begins from nothing, with a network of the text's own size, which is much
    quicker than the base model's.
    """
    return text.translate(str.maketrans(LATIN + LATIN.upper(), CYRILLIC + CYRILLIC.upper()))
