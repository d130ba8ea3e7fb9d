"""What is read out of a phase's report."""

from __future__ import annotations

import json
from dataclasses import asdict, astuple
from typing import Any

import pytest

from bench.load_report import FLOOD, Outcome, Phase, fairness, keeps_up, summarise


def done(asked: float, ended: float, guild: str = "a") -> Outcome:
    return Outcome(guild, asked, asked + 0.1, ended, "complete", characters=600, requests=3)


def report(outcomes: list[Outcome], *, seconds: float, wall: float) -> dict[str, Any]:
    return {
        "phase": {"rate": 1.0, "seconds": seconds, "poem": {"characters": 600}},
        "outcomes": [astuple(outcome) for outcome in outcomes],
        "lags": [0.001, 0.002, 0.03],
        "rows": [1.0, 3.0],
        "asking_seconds": seconds,
        "wall_seconds": wall,
        "cpu_seconds": wall / 2,
        "loop_cpu_seconds": wall / 20,
        "asking_cpu_seconds": wall / 200,
        "peak_mb": 300.0,
        "start_seconds": 1.5,
    }


def test_a_poem_without_an_end_counts_with_what_it_waited() -> None:
    outcomes = [done(1.0, 2.0), Outcome("a", 4.0)]
    summary = summarise(report(outcomes, seconds=10.0, wall=12.0))
    assert summary.unfinished == 1
    assert summary.whole.p99 == 8.0
    assert summary.first.p99 == 8.0


def test_only_poems_that_end_while_others_ask_are_served_in_time() -> None:
    outcomes = [done(1.0, 2.0), done(4.0, 6.0), done(9.0, 11.0)]
    summary = summarise(report(outcomes, seconds=10.0, wall=12.0))
    assert summary.served_rate == pytest.approx(0.2)


def test_a_phase_that_was_overrun_is_not_judged_by_the_time_it_took_to_ask() -> None:
    outcomes = [done(moment / 10, moment / 10 * 3) for moment in range(100)]
    overrun = report(outcomes, seconds=10.0, wall=31.0) | {"asking_seconds": 30.0}
    summary = summarise(overrun)
    assert not summary.kept_up
    assert summary.served_rate == pytest.approx(3.4)


def test_the_refused_are_told_by_reason_and_do_not_shorten_the_waits() -> None:
    refused = Outcome("a", 3.0, ended=3.001, ending="QueueFull", refused=True)
    summary = summarise(report([done(1.0, 3.0), refused], seconds=10.0, wall=10.0))
    assert summary.refused == {"QueueFull": 1}
    assert summary.whole.p50 == 2.0
    assert not summary.kept_up


def test_a_phase_keeps_up_while_answers_are_only_late() -> None:
    late = [done(moment / 10, moment / 10 + 0.5) for moment in range(300)]
    assert keeps_up(late, 30.0)


def test_a_phase_does_not_keep_up_when_answers_get_later_and_later() -> None:
    later = [done(moment / 10, moment / 10 * 1.2) for moment in range(300)]
    assert not keeps_up(later, 30.0)


def test_guilds_are_compared_without_the_one_that_floods() -> None:
    outcomes = [done(float(n), n + 1.0, guild) for n in range(4) for guild in ("a", "b", "c")]
    outcomes += [Outcome(FLOOD, float(n)) for n in range(4)]
    fair = fairness(report(outcomes, seconds=5.0, wall=5.0))
    assert fair.jain_served_others == pytest.approx(1.0)
    assert fair.jain_wait_others == pytest.approx(1.0)
    assert fair.jain_served_all == pytest.approx(9 / (4 * 3))
    assert fair.others_served == 1.0
    assert fair.flood_served == 0.0


def test_a_guild_that_waits_longer_shows_in_the_index() -> None:
    outcomes = [done(1.0, 2.0, "a"), done(1.0, 2.0, "b"), done(1.0, 6.0, "c")]
    fair = fairness(report(outcomes, seconds=10.0, wall=10.0))
    assert fair.jain_wait_others == pytest.approx(49 / (3 * 27))


def test_a_phase_survives_the_border_between_processes() -> None:
    phase = Phase(rate=2.0, seconds=3.0, flood_share=0.9, poem={"lines": 14})
    assert Phase(**json.loads(json.dumps(asdict(phase)))) == phase
