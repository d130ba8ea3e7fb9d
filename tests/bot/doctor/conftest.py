"""What a test compares a finding with."""

from __future__ import annotations

from bot.core.findings import Finding, State


def shows(finding: Finding, state: State, words: str) -> None:
    """Insist on a state and on words of what was seen or advised; advice comes where it is due."""
    assert finding.state is state, finding
    assert words in " ".join([finding.seen, *finding.advice]), finding
    assert bool(finding.advice) is (state in (State.WARNING, State.WRONG)), finding
