"""The rig of three hosts: what it counts, and that its wire keeps order."""

from __future__ import annotations

import socket
import time

from tests.rigs.cluster.admins import Change, Changes, Outcome
from tests.rigs.cluster.visitors import Asked
from tests.rigs.cluster.wire import Line

ONE, TWO, THREE = (20, 1), (20, 2), (20, 3)


def changes(logged: list[Change], row: int, **told: Outcome) -> Changes:
    """Return what became of changes to the values that are named v1, v2 and so on."""
    return Changes(
        told={(20, int(name[1:])): outcome for name, outcome in told.items()},
        logged=logged,
        rows={20: row},
    )


def test_what_was_confirmed_and_kept_once_is_neither_lost_nor_doubled() -> None:
    seen = changes([ONE, TWO], 2, v1=Outcome.CONFIRMED, v2=Outcome.CONFIRMED, v3=Outcome.REFUSED)
    assert (seen.lost, seen.doubled, seen.false) == (0, 0, 0)


def test_what_was_confirmed_and_is_not_there_is_lost() -> None:
    seen = changes([ONE], 1, v1=Outcome.CONFIRMED, v2=Outcome.CONFIRMED)
    assert seen.lost == 1
    seen = changes([ONE, TWO], 1, v1=Outcome.CONFIRMED, v2=Outcome.CONFIRMED)
    assert seen.lost == 1  # the row has an older value


def test_a_change_that_was_kept_twice_is_doubled() -> None:
    seen = changes([ONE, TWO, TWO], 2, v1=Outcome.CONFIRMED, v2=Outcome.CONFIRMED)
    assert (seen.lost, seen.doubled) == (0, 1)


def test_a_refusal_of_what_was_kept_is_false_and_doubt_is_not() -> None:
    seen = changes([ONE, TWO, THREE], 3, v1=Outcome.CONFIRMED, v2=Outcome.REFUSED)
    assert seen.false == 1
    seen = changes([ONE, TWO], 2, v1=Outcome.CONFIRMED, v2=Outcome.UNKNOWN)
    assert (seen.lost, seen.doubled, seen.false) == (0, 0, 0)


def test_a_sonnet_with_another_text_is_counted() -> None:
    asked = Asked(texts={0: "O rose", 1: "O lily"}, ended=[1.0, 1.5, 4.0])
    assert asked.count_wrong({0: "O rose", 1: "O rose"}) == 1
    assert asked.pause == 2.5


def test_a_line_delays_frames_and_none_overtakes_another() -> None:
    near, source = socket.socketpair(type=socket.SOCK_SEQPACKET)
    target, far = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with near, source, target, far:
        source.setblocking(False)
        far.setblocking(False)
        line = Line(source, target)
        sent = [b"%d" % number for number in range(20)]
        began = time.monotonic()
        for frame in sent:
            near.send(frame)
        line.take(0.01, 0.02)
        assert line.pass_on() is not None
        while line.pass_on() is not None:
            pass
        assert time.monotonic() - began >= 0.01
        assert [far.recv(100) for _ in sent] == sent
