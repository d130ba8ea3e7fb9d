"""What a long run's log looks for, it would find."""

from __future__ import annotations

import math

import pytest

from tests.discord_payloads import GUILD
from tests.rigs.bot_process import (
    Looks,
    buckets_between,
    growth,
    lowest_by_minute,
    of_family,
    quantile_of,
    read_figures,
    total_of,
)
from tests.rigs.populated_discord import PopulatedDiscord
from tests.rigs.stress_members import FAULTS, Command, CommandLog, End, PlayedFault, Wants, by_fault
from tests.rigs.stress_report import check_memory, complaints, lag_seen

POEM = "O rose\n-# sonnets · random seed 7"
SENTENCE = "Please wait 4 s before you ask for another poem."


def command(wants: Wants = Wants.POEM, answers: int = 1, said: str = POEM) -> Command:
    return Command("prefix", wants, 0.0, answers=answers, said=said if answers else "", seconds=1.0)


@pytest.mark.parametrize(
    ("asked", "end"),
    [
        (command(), End.POEM),
        (command(answers=0), End.MISSING),
        (command(answers=2), End.DOUBLE),
        (command(said=SENTENCE), End.REFUSED),
        (command(said="Something went wrong."), End.APOLOGY),
        (command(Wants.WORDS, said=SENTENCE), End.WORDS),
        (command(Wants.WORDS), End.POEM),
        (command(Wants.WORDS, answers=0), End.MISSING),
        (command(Wants.NOTHING, answers=0), End.NOTHING),
        (command(Wants.NOTHING), End.UNBIDDEN),
    ],
)
def test_each_command_has_one_end(asked: Command, end: End) -> None:
    assert asked.end() is end


def test_a_command_lost_with_its_session_is_counted_and_no_fault() -> None:
    lost = command(answers=0)
    lost.lost = True
    assert lost.end() is End.LOST
    assert End.LOST not in FAULTS


def test_a_command_that_was_heard_after_all_is_not_lost() -> None:
    heard = command()
    heard.lost = True
    assert heard.end() is End.POEM


def test_a_poem_that_was_deleted_on_request_is_not_missing() -> None:
    victim = command(answers=0)
    deed = Command("Delete", Wants.GONE, 0.0, victim=victim)
    assert deed.end() is End.MISSING
    victim.deleted = True
    assert (deed.end(), victim.end()) == (End.GONE, End.DELETED)


def test_a_reader_who_leaves_wants_no_answer() -> None:
    left = command(answers=0)
    left.left = True
    assert left.end() is End.LEFT


def test_the_log_finds_what_went_wrong() -> None:
    log = CommandLog([command(), command(answers=0), command(answers=2)])
    assert [one.answers for one in log.faults()] == [0, 2]
    assert log.by_kind()["prefix"][End.POEM] == 1
    assert log.poem_seconds() == [1.0]
    assert log.poem_seconds(calm=False) == []


def test_faults_of_one_kind_stand_together() -> None:
    faults = [PlayedFault("b", 1.0), PlayedFault("a", 2.0), PlayedFault("b", 3.0)]
    assert {name: len(played) for name, played in by_fault(faults).items()} == {"a": 1, "b": 2}


def looks_of(rise: float, wobble: float = 0.0) -> Looks:
    """Return an hour's memory that rises by so many MB; poems lie on top of it for most of it."""
    looks = Looks()
    for second in range(0, 3600, 10):
        off = wobble * (-1) ** (second // 60)
        level = 250.0 + rise * second / 3600 + off
        looks.memory.append((float(second), level + (5.0 if second % 60 else 0.0)))
    return looks


@pytest.mark.parametrize(
    ("rise", "wobble", "flat"), [(0.5, 0.0, True), (20.0, 0.0, False), (-3.0, 0.0, True)]
)
def test_memory_that_grows_is_found(rise: float, wobble: float, flat: bool) -> None:
    assert check_memory(looks_of(rise, wobble)).holds is flat


def test_memory_that_wobbles_more_than_it_grows_is_flat_and_said_to_be_so() -> None:
    check = check_memory(looks_of(5.0, wobble=3.0))
    assert check.holds
    assert "within its noise" in check.seen


def test_a_short_run_is_not_judged_by_its_memory() -> None:
    looks = Looks(memory=[(float(second), 250.0 + second) for second in range(100)])
    assert "too few" in check_memory(looks).seen
    assert math.isnan(growth([(0.0, 1.0)])[0])


def test_the_lowest_memory_of_each_minute_counts() -> None:
    assert lowest_by_minute([(1.0, 260.0), (30.0, 250.0), (61.0, 255.0)]) == [
        (30.0, 250.0),
        (90.0, 255.0),
    ]


TEXT = """\
# TYPE sonneteer_event_loop_lag_seconds histogram
sonneteer_event_loop_lag_seconds_bucket{le="0.01"} %d
sonneteer_event_loop_lag_seconds_bucket{le="0.02"} %d
sonneteer_event_loop_lag_seconds_bucket{le="+Inf"} %d
"""


def test_the_lag_is_that_between_two_looks() -> None:
    before, after = read_figures(TEXT % (5, 5, 6)), read_figures(TEXT % (103, 105, 106))
    buckets = buckets_between(before, after)
    assert buckets == {0.01: 98.0, 0.02: 100.0, math.inf: 100.0}
    bound, line = quantile_of(buckets, 0.99)
    assert bound == 0.02
    assert line == pytest.approx(0.015)
    assert "100 of 100 looks within 20 ms" in lag_seen(buckets)


def test_a_lag_beyond_all_bounds_is_told_as_such() -> None:
    assert quantile_of({0.01: 1.0, math.inf: 2.0}, 0.99) == (math.inf, 0.01)


def test_a_figure_is_read_with_its_labels() -> None:
    figures = read_figures('# TYPE a counter\na_total{how="x"} 2.0\na_total{how="y"} 1.0\n')
    assert dict(of_family(figures, "a_total")) == {"how=x": 2.0, "how=y": 1.0}
    assert total_of(figures, "a_total") == 3.0


def test_complaints_of_one_kind_are_counted_together() -> None:
    log = (
        "2026-11-26 13:00:00 WARNING bot.x: job 7 is late\n"
        "2026-11-26 13:00:01 WARNING bot.x: job 8 is late\n"
        "2026-11-26 13:00:02 INFO    bot.x: all is well\n"
    )
    assert complaints(log) == {"WARNING bot.x: job # is late": 2}


async def test_members_have_numbers_of_their_own_and_servers_channels() -> None:
    discord = PopulatedDiscord((GUILD, GUILD + 3))
    number = await discord.write("!sonnet", 77, GUILD + 3)
    message = discord.messages[number]
    assert (message["author"]["id"], message["channel_id"]) == ("77", "33")
    direct = discord.messages[await discord.write("rose", 77, None)]
    assert "guild_id" not in direct
    assert direct["channel_id"] == "1000077"


async def test_commands_are_numbered_by_the_time() -> None:
    discord = PopulatedDiscord()
    first, second = [await discord.write("rose", 1, GUILD) for _ in range(2)]
    assert first < second


def test_what_no_session_has_told_is_lost() -> None:
    discord = PopulatedDiscord()
    assert not discord.lost_commands()
    discord.gateway.lost_events += [{"d": {"id": "7"}}, {"d": {"id": []}}, {"d": {}}]
    assert discord.lost_commands() == {7}
    discord.gateway.lost_events.append({"d": {"id": "8"}})
    assert discord.lost_commands() == {7, 8}
