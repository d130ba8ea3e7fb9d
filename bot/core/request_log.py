"""The request that is under way: its number, and the figures that end up in its line of the log.

It goes where the context goes, into every task and thread that is started for a request. A member
may be shown the number, and all of the request's lines in the log can be found by it.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class LoggedRequest:
    """What is known of a request. Tasks share it with the task that started them."""

    number: str
    began: float = field(default_factory=time.perf_counter)
    figures: dict[str, object] = field(default_factory=dict)


_under_way: ContextVar[LoggedRequest | None] = ContextVar("request", default=None)


def request_number() -> str:
    """Return the number of the request that is under way, "" where there is none."""
    under_way = _under_way.get()
    return under_way.number if under_way is not None else ""


def begin() -> None:
    """Give the rest of this task a number: for a command that asks for no poem."""
    if _under_way.get() is None:
        _under_way.set(LoggedRequest(_draw_number()))


@contextmanager
def request(name: str = "") -> Iterator[str]:
    """Give the number of the request that is under way, or of a new one as long as this lasts.

    With a `name` it is always a new one, which has that for a number.

    >>> with request("job 12") as number, request() as the_same:
    ...     number, the_same, request_number()
    ('job 12', 'job 12', 'job 12')
    >>> request_number()
    ''
    """
    outer = _under_way.get()
    if outer is not None and not name:
        yield outer.number
        return
    opened = LoggedRequest(name or _draw_number())
    _under_way.set(opened)
    try:
        yield opened.number
    finally:
        _tell(opened)
        # Not reset by token: a generator that is thrown away may end in another context.
        _under_way.set(outer)


def note(**figures: object) -> None:
    """Add to the log line of the request, which is written once there is an `outcome`."""
    under_way = _under_way.get()
    if under_way is not None:
        under_way.figures.update(figures)


def milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(1000 * seconds)


def _draw_number() -> str:
    return secrets.token_hex(4)  # short enough to read aloud


def _tell(ended: LoggedRequest) -> None:
    if "outcome" in ended.figures:
        total = milliseconds(time.perf_counter() - ended.began)
        log.info("a poem", extra={**ended.figures, "total_ms": total})
