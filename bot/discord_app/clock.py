"""Whether this machine's clock is right, by the dates of Discord's answers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from types import SimpleNamespace

import aiohttp

log = logging.getLogger(__name__)

# The age up to which discord.py lets an answer be private is 900 s; a fifteenth of it is noticed.
WRONG_SECONDS = 60.0


def read_date(text: str | None) -> float | None:
    """Return the time that a Date header tells, in seconds since 1970; None where it tells none.

    Half a second is added: the header is cut to whole seconds.

    >>> read_date("Thu, 01 Jan 1970 00:01:00 GMT"), read_date("soon"), read_date(None)
    (60.5, None, None)
    """
    try:
        return parsedate_to_datetime(text or "").timestamp() + 0.5
    except ValueError:
        return None


class ClockWatch:
    """Says in the log once when the clock is wrong, and once when it is right again."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._is_wrong = False

    async def compare(
        self, _: aiohttp.ClientSession, __: SimpleNamespace, end: aiohttp.TraceRequestEndParams
    ) -> None:
        """Compare the clocks; see `aiohttp.TraceConfig.on_request_end`."""
        theirs = read_date(end.response.headers.get("Date"))
        if theirs is None:
            return
        ahead = self._now() - theirs
        is_wrong = abs(ahead) > WRONG_SECONDS
        if is_wrong and not self._is_wrong:
            log.warning(
                "this machine's clock is %.0f s %s Discord's. Synchronise it "
                "(timedatectl set-ntp true, or your system's date settings)",
                abs(ahead),
                "ahead of" if ahead > 0 else "behind",
            )
        elif self._is_wrong and not is_wrong:
            log.info("this machine's clock agrees with Discord's again")
        self._is_wrong = is_wrong
