"""The lines of a joint poem and its vote, without Discord."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core.errors import TooMuch
from bot.core.records import (
    NO_PLAN,
    Asker,
    LineScansion,
    NextLine,
    Poem,
    PoemRequest,
    PoemSettings,
    Sampling,
    VerseLine,
)
from bot.discord_app.joint_formatting import (
    format_ended,
    format_interrupted,
    format_joint,
    format_look,
    wish_for_next,
)
from bot.discord_app.joint_poem import (
    BOT,
    MAX_LINE,
    MAX_PROPOSALS,
    NOBODY_VOTED,
    JointLine,
    JointPoem,
    Phase,
    Vote,
)
from bot.discord_app.poem_formatting import MAX_MESSAGE, measure, read_verse

ANN, BEN, CAT = 1, 2, 3
SETTINGS = PoemSettings(Sampling(), lines=14, characters=None, form="sonnet")


def line(text: str, rhyme: str = "A") -> VerseLine:
    return VerseLine(LineScansion(rhyme, ((text, True),)))


def answer(*written: str, offered: tuple[str, ...] = ("one", "two", "three")) -> NextLine:
    lines, candidates = (tuple(map(line, texts)) for texts in (written, offered))
    return NextLine(lines, candidates, "sonnets", "a1" * 32, 7, SETTINGS, NO_PLAN, ())


def joint_poem(*written: str, by_vote: bool = False, seed: str = "") -> JointPoem:
    """Return a poem with these lines, for which three more are offered."""
    poem = JointPoem("key", ANN, by_vote, PoemRequest(Asker("discord:1"), seed=seed))
    poem.offer(answer())
    for text in written:
        poem.take(JointLine(line(text)), ANN)
    poem.offer(answer(*written))
    return poem


# The vote


def options_of(vote: Vote) -> list[str]:
    return [option.text for option in vote.options]


def vote_of(*votes: tuple[int, int]) -> Vote:
    vote = Vote([line("one"), line("two"), line("three")])
    for member, option in votes:
        vote.cast(member, option)
    return vote


def winner_of(vote: Vote) -> str | None:
    return vote.winner.text if vote.winner else None


def test_the_line_with_the_most_votes_wins() -> None:
    assert winner_of(vote_of((ANN, 1), (BEN, 2), (CAT, 2))) == "two"


def test_of_lines_with_as_many_votes_the_one_voted_for_first_wins() -> None:
    assert winner_of(vote_of((ANN, 3), (BEN, 1))) == "three"
    assert winner_of(vote_of((ANN, 2), (BEN, 1), (CAT, 1), (4, 2))) == "two"


def test_without_votes_nothing_wins() -> None:
    assert winner_of(vote_of()) is None


def test_a_member_has_one_vote_and_the_latest_counts() -> None:
    vote = vote_of((ANN, 1), (BEN, 2), (ANN, 2))
    assert vote.counts == {2: 2}


def test_a_changed_vote_loses_its_place_in_time_and_the_same_again_does_not() -> None:
    assert winner_of(vote_of((ANN, 1), (BEN, 2), (ANN, 3))) == "two"
    assert winner_of(vote_of((ANN, 1), (BEN, 2), (ANN, 1))) == "one"


def test_a_vote_for_what_is_not_there_counts_for_nothing() -> None:
    assert not vote_of((ANN, 4), (BEN, 0)).counts


def test_a_proposed_line_can_be_voted_for_and_has_its_members_vote() -> None:
    vote = vote_of((BEN, 1))
    assert vote.propose(ANN, line("mine")) == 4
    vote.cast(CAT, 4)
    assert winner_of(vote) == "mine"
    assert vote.winner is not None
    assert vote.winner.author == ANN


def test_who_proposes_a_line_that_is_there_votes_for_it() -> None:
    vote = vote_of()
    assert vote.propose(ANN, line("two")) == 2
    assert options_of(vote) == ["one", "two", "three"]
    assert vote.winner is not None
    assert vote.winner.author == BOT


def test_a_member_proposes_one_line_and_a_vote_has_only_so_many() -> None:
    vote = vote_of()
    for member in range(MAX_PROPOSALS):
        vote.propose(member + 1, line(f"line {member}"))
    with pytest.raises(TooMuch, match="in this vote already"):
        vote.propose(ANN, line("another"))
    with pytest.raises(TooMuch, match=f"{MAX_PROPOSALS} proposals already"):
        vote.propose(99, line("another"))
    assert len(vote.options) == 3 + MAX_PROPOSALS


def test_the_first_vote_that_nobody_takes_part_in_takes_the_best_line_the_second_pauses() -> None:
    poem = joint_poem(by_vote=True)
    assert poem.count_votes()
    assert poem.verse == "one"
    poem.offer(answer("one"))
    assert not poem.count_votes()
    assert (poem.phase, poem.notice, poem.verse) == (Phase.PAUSED, NOBODY_VOTED, "one")


def test_a_vote_that_somebody_takes_part_in_ends_the_empty_ones() -> None:
    poem = joint_poem(by_vote=True)
    for number in range(4):
        assert poem.vote is not None
        if number % 2:
            poem.vote.cast(BEN, 2)
        assert poem.count_votes()
        poem.offer(answer(*(each.text for each in poem.lines)))
    assert poem.verse == "one\ntwo\none\ntwo"
    assert poem.members == {BEN}


# The poem


def test_the_request_has_the_lines_so_far_and_keeps_model_form_and_random_seed() -> None:
    request = joint_poem("one", "two").request_with("three")
    assert request.written == ("one", "two", "three")
    assert (request.model, request.form, request.random_seed) == ("a1" * 32, "sonnet", 7)


def test_the_seeds_lines_cannot_be_taken_back_and_the_line_it_begins_is_begun_again() -> None:
    poem = JointPoem("key", ANN, False, PoemRequest(Asker("discord:1"), seed="one\nand"))
    poem.offer(answer("one"))
    assert not poem.can_undo
    assert poem.request_with().written == ()  # the seed has more than whole lines
    poem.take(JointLine(line("and two")), ANN)
    assert poem.request_with().written == ("one", "and two")
    poem.undo()
    assert not poem.can_undo
    assert poem.request_with().written == ()


def test_every_change_of_what_may_be_pressed_is_another_step() -> None:
    poem = joint_poem()
    steps = [poem.step]
    for phase in (Phase.LOOKING, Phase.PAUSED, Phase.FINISHING, Phase.ENDED):
        poem.enter(phase)
        steps.append(poem.step)
    assert len(set(steps)) == 5


def test_a_line_with_which_the_poem_would_not_fit_a_message_is_refused() -> None:
    poem = joint_poem(*["*" * MAX_LINE] * 5)  # each sign is escaped
    with pytest.raises(TooMuch, match="too long for a message"):
        poem.require_room("*" * MAX_LINE)
    poem.require_room("a short line", instead=True)


def finished(text: str) -> Poem:
    return Poem(text, text, "sonnets", "a1" * 32, 7, SETTINGS, ("A note.",))


def test_a_finished_poem_says_that_members_wrote_it_and_has_a_short_seed() -> None:
    poem = joint_poem("Two roads", seed="two")
    poem.take(JointLine(line("and that"), BEN), BEN)
    signed = poem.sign(finished("Two roads\nand that"))
    assert signed.seed == "Two roads"
    assert signed.notes == (
        "A note.",
        "Written line by line with 2 members; lines of theirs: 1 of 14.",
    )
    again = replace(poem, request=replace(poem.request, seed="Two"))
    assert again.sign(finished("Two roads\nand that")).seed == "Two"


# Its message


def test_the_message_has_the_verse_what_the_form_wants_and_the_lines_to_choose_from() -> None:
    poem = joint_poem("Shall I *compare*, ")
    assert format_joint(poem).split("\n") == [
        "Shall I \\*compare\\*, ",
        "-# Line 2 of 14 · rhyme A with “\\*compare\\*” · 1 syllable · 1 beat",
        "**1** one",
        "**2** two",
        "**3** three",
    ]


def test_a_vote_shows_its_end_the_proposals_and_the_counts() -> None:
    poem = joint_poem(by_vote=True)
    assert poem.vote is not None
    poem.vote.propose(BEN, line("my *own*"))
    poem.vote.cast(CAT, 4)
    shown = format_joint(poem, ends_at=1_000_060.4).split("\n")
    assert shown[0].endswith(" · the vote ends <t:1000060:R>")
    assert shown[1:] == [
        "**1** one",
        "**2** two",
        "**3** three",
        "**4** my \\*own\\* (<@2>) · 2 votes",
    ]


def test_what_the_form_wants_counts_no_signs_and_of_a_haiku_no_beats() -> None:
    parts = (("'Tis", False), (" ", False), ("mu", True), ("sic", False), (",", False))
    for letter, wish in (("A", "rhyme A, 3 syllables, 1 beat"), ("", "no rhyme, 3 syllables")):
        poem = joint_poem()
        poem.candidates = (VerseLine(LineScansion(letter, parts)),)
        assert wish_for_next(poem, ", ") == wish


def test_a_members_line_is_shown_with_rhyme_beats_and_what_does_not_fit() -> None:
    parts = (("And", False), (" ", False), ("so", True), (" ", False), ("*I", True), (" ", False))
    own = VerseLine(LineScansion("B", parts), ("It has 3 syllables.", "It *rhymes* with none."))
    look = "rhyme B: And **so** **\\*I**  It has 3 syllables. It \\*rhymes\\* with none."
    assert format_look(own) == look


@pytest.mark.parametrize("letter", ["a", "*", "🌹"])
@pytest.mark.parametrize("by_vote", [False, True])
def test_no_message_is_too_long_and_the_verse_is_read_back(letter: str, by_vote: bool) -> None:
    poem = joint_poem(by_vote=by_vote)
    for number in range(13):
        text = letter * MAX_LINE
        try:
            poem.require_room(text)
        except TooMuch:
            text = f"line {number} of some forty-five letters, as verse is"
        poem.take(JointLine(line(text), BEN), BEN)
    poem.offer(answer(*(each.text for each in poem.lines), offered=(letter * 90, "b" * 90, "c")))
    if poem.vote is not None:
        for member in range(MAX_PROPOSALS):
            poem.vote.propose(member, line(f"{member}{letter * (MAX_LINE - 1)}"))
    poem.notice = "word " * 500
    content = format_joint(poem, ends_at=2e9)
    assert measure(content) <= MAX_MESSAGE
    assert read_verse(content) == poem.verse
    assert measure(format_ended(poem.verse, "Stopped here.")) <= MAX_MESSAGE


def test_what_a_restart_has_ended_keeps_its_lines() -> None:
    content = format_joint(joint_poem("Shall I *compare*", "thee"))
    assert read_verse(format_interrupted(content)) == "Shall I *compare*\nthee"
    assert format_interrupted("").startswith("-# I was restarted")
