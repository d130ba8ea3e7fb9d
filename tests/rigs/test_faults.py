"""The table of faults counts what it was told."""

from __future__ import annotations

import math

from tests.rigs.fault_trials import Row, TrialResult, gather, show, total
from tests.rigs.faults import sentences

LOST = TrialResult("gateway", "RESUME refused", [(0, 0), (1, 1)], 7.0)
DROPPED = TrialResult("gateway", "TCP reset", [(1, 1), (1, 1)], 2.0)


def test_a_fault_after_which_each_command_has_its_answer_is_survived() -> None:
    assert not DROPPED.judge().wrong
    assert not LOST.judge().wrong


def test_answers_that_are_missing_or_too_many_are_not_survived() -> None:
    assert TrialResult("a", "b", [(1, 0)]).judge().wrong == ["0 answers instead of 1"]
    assert TrialResult("a", "b", [(1, 2)]).judge().wrong == ["2 answers instead of 1"]
    assert TrialResult("a", "b", [(0, 1)]).judge().wrong == ["1 answers instead of 0"]


def test_rows_that_are_left_and_new_clients_are_not_survived() -> None:
    assert TrialResult("a", "b").judge(rows=2.0, restarts=1).wrong == [
        "2 rows left",
        "1 clients begun anew",
    ]


def test_what_was_tried_several_times_is_one_row() -> None:
    broken = TrialResult("gateway", "TCP reset", [(1, 0), (1, 2)], math.nan).judge()
    rows = gather([DROPPED, LOST, broken])
    assert [row.name for row in rows] == ["TCP reset", "RESUME refused"]
    reset = rows[0]
    assert (reset.tried, reset.survived) == (2, 1)
    assert (reset.none, reset.none_meant, reset.one, reset.more) == (1, 0, 2, 1)
    assert reset.seconds == [2.0]
    assert len(reset.wrong) == 2


def test_an_answer_that_nobody_could_get_is_told_apart() -> None:
    [row] = gather([LOST])
    assert (row.none, row.none_meant, row.one) == (1, 1, 1)


def test_everything_is_added_up() -> None:
    whole = total(gather([DROPPED, LOST]))
    assert (whole.tried, whole.survived, whole.none, whole.one) == (2, 2, 1, 3)
    assert whole.seconds == [2.0, 7.0]


def test_the_table_has_a_line_for_each_fault_and_one_for_all() -> None:
    head, first, _, last = show(gather([DROPPED, LOST])).splitlines()
    assert head.split()[:3] == ["group", "fault", "tried"]
    assert first.split() == ["gateway", "TCP", "reset", "1", "1", "0", "0", "2", "0", "2.0", "2.0"]
    assert last.startswith("all      2 faults")


def test_what_was_not_timed_is_a_dash() -> None:
    assert show([Row("final", "4004")]).splitlines()[1].split()[-2:] == ["–", "–"]


def test_lines_of_the_log_are_no_sentences() -> None:
    log = (
        "2026-11-26 13:00:00,123 INFO    bot: ready\n"
        "2026-11-26 13:00:00 INFO    bot: ready\n"
        "2026-11-26T13:00:00Z INFO bot: ready\n"
        "Discord rejected the bot's token.\n"
    )
    assert sentences(log) == ["Discord rejected the bot's token."]
