"""What a test compares a finding with."""

from __future__ import annotations

from bot.doctor.results import CheckResult, CheckStatus


def shows(result: CheckResult, state: CheckStatus, words: str) -> None:
    """Insist on a state and on words of what was seen or advised; advice comes where it is due."""
    assert result.state is state, result
    assert words in " ".join([result.seen, *result.advice]), result
    assert bool(result.advice) is (state in (CheckStatus.WARNING, CheckStatus.WRONG)), result
