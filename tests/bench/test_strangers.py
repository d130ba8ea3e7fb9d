"""Who attacks in `bench/streams.py`, against a listener of our own."""

from __future__ import annotations

import select
import socket

from bench.strangers import Attack, Stranger


def test_a_stranger_speaks_trickles_and_comes_again_when_it_was_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stranger = Stranger(Attack("heads", b"GET", b"abc"), listener.getsockname(), "127.0.0.1")
        assert stranger.turn(0, pause=5) == 1
        page, _ = listener.accept()
        with page:
            assert [stranger.turn(now, pause=5) for now in (1, 1.5, 2)] == [0, 0, 0]
            assert page.recv(3) == b"GET"
            assert page.recv(9) == b"a"
            page.send(b"HTTP/1.1 408 Request Timeout")
        assert stranger._socket is not None
        select.select([stranger._socket], [], [])
        assert stranger.turn(3, pause=5) == 0
        assert stranger.status == "408"
        assert stranger.turn(7, pause=5) == 0
        assert stranger.turn(8, pause=5) == 1
        stranger.end()
