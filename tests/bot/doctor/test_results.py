"""How findings are shown."""

from __future__ import annotations

import io
import json
from typing import TextIO

import pytest

from bot.doctor.results import (
    CheckResult,
    as_json,
    can_show_marks,
    failed,
    has_no_failure,
    hide_secrets,
    ok,
    render,
    skipped,
    warning,
)

FOUND = (
    ok("config", "valid"),
    warning("disk", "little room", "Make room."),
    failed("token", "unknown", "Copy it again.", "Then start."),
    skipped("clock", "no token"),
)


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def stream(encoding: str, kind: type[io.TextIOWrapper] = io.TextIOWrapper) -> TextIO:
    return kind(io.BytesIO(), encoding=encoding)


def test_each_finding_has_a_line_and_its_advice_below() -> None:
    assert render(FOUND, marks=True).split("\n") == [
        "✔ config  valid",
        "! disk    little room",
        "    → Make room.",
        "✘ token   unknown",
        "    → Copy it again.",
        "    → Then start.",
        "- clock   not checked: no token",
        "",
        "4 checks: 1 ok, 1 warning, 1 failed, 1 skipped.",
    ]


def test_a_terminal_that_has_no_marks_gets_ascii() -> None:
    assert render(FOUND, marks=False).isascii()


@pytest.mark.parametrize(
    ("out", "environment", "shown"),
    [
        (stream("utf-8"), {}, True),
        (stream("ascii"), {}, False),
        (stream("cp1252"), {}, False),
        (stream("utf-8", Terminal), {"TERM": "xterm", "LANG": "en_GB.UTF-8"}, True),
        (stream("utf-8", Terminal), {"TERM": "xterm", "LANG": "en_GB.utf8"}, True),
        (stream("utf-8", Terminal), {"TERM": "xterm"}, False),
        (stream("utf-8", Terminal), {"TERM": "xterm", "LC_ALL": "C", "LANG": "x.UTF-8"}, False),
        (stream("utf-8", Terminal), {"TERM": "linux", "LANG": "en_GB.UTF-8"}, False),
        (stream("utf-8", Terminal), {"LANG": "en_GB.UTF-8"}, False),
    ],
)
@pytest.mark.skipif("sys.platform == 'win32'", reason="its consoles tell in another way")
def test_marks_are_shown_where_they_come_out(
    out: TextIO, environment: dict[str, str], shown: bool
) -> None:
    assert can_show_marks(out, environment) is shown


def test_what_strangers_name_their_servers_is_not_obeyed_by_a_terminal() -> None:
    assert "\x1b" not in render([ok("permissions", "Read\x1b[2Jers \u202e")], marks=True)


def test_a_token_is_shown_nowhere() -> None:
    like = "MTA1MjM0NTY3ODkwMTIzNDU2.GhIjKl.0123456789abcdefghijklmnopqrstuv"
    found = hide_secrets(
        CheckResult("config", failed("", "").state, f"x = {like!r}", ("is s3cret",)), "s3cret"
    )
    assert like not in str(found)
    assert "s3cret" not in str(found)
    assert "x = '[token hidden]'" in found.seen


def test_json_has_all_of_it() -> None:
    told = json.loads(as_json(FOUND))
    assert told["ok"] is False
    assert told["findings"][1] == {
        "name": "disk",
        "state": "warning",
        "seen": "little room",
        "advice": ["Make room."],
        "details": [],
    }


def test_a_warning_is_well() -> None:
    assert has_no_failure(FOUND[:2])
    assert not has_no_failure(FOUND)
