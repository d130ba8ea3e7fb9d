"""Who attacks in `tests/rigs/connections.py`, against a listener of our own."""

from __future__ import annotations

import select
import socket

import pytest

pytest.importorskip("resource", reason="Windows has no limits of descriptors")

from tests.rigs.connections import Attack, AttackingConnection


def test_an_attacker_speaks_trickles_and_comes_again_when_it_was_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = AttackingConnection(
            Attack("heads", b"GET", b"abc"), listener.getsockname(), "127.0.0.1"
        )
        assert connection.turn(0, pause=5) == 1
        page, _ = listener.accept()
        with page:
            assert [connection.turn(now, pause=5) for now in (1, 1.5, 2)] == [0, 0, 0]
            assert page.recv(3) == b"GET"
            assert page.recv(9) == b"a"
            page.send(b"HTTP/1.1 408 Request Timeout")
        assert connection._socket is not None
        select.select([connection._socket], [], [])
        assert connection.turn(3, pause=5) == 0
        assert connection.status == "408"
        assert connection.turn(7, pause=5) == 0
        assert connection.turn(8, pause=5) == 1
        connection.end()
