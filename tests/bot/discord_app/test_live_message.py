"""A growing reply on a screen that only remembers."""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest

from bot.core.records import Asker
from bot.discord_app.live_message import EditThrottle, LiveMessage, ReplyAbandoned, ReplyTiming
from bot.discord_app.poem_buttons import growing_view
from bot.discord_app.poem_formatting import MessagePart
from bot.discord_app.rate_limits import GlobalRateLimit
from bot.discord_app.retries import UnreadableResponse
from tests.simulated_time import simulated

TEMPO = ReplyTiming(edit_seconds=0.02, patience_seconds=0.0, place_seconds=0.1, retry_seconds=0.0)


@dataclass
class Said:
    """A message that a screen has taken."""

    id: int


@dataclass
class RememberingScreen:
    """Keeps what is shown, and when."""

    is_rationed: bool = True
    is_external: bool = False
    command_id: int = 1
    channel_id: int = 2
    asker_id: int = 3
    asker: Asker = field(default_factory=lambda: Asker("discord:3"))
    shown: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    failure: Exception | None = None  # of requests before `failing_until`, by the loop's clock
    failing_until: float = 0.0
    tried: list[float] = field(default_factory=list)
    deleted: list[int] = field(default_factory=list)

    async def begin(self) -> None: ...

    async def send(
        self, part: MessagePart, view: discord.ui.View | None, number: int
    ) -> discord.Message:
        self._take(part)
        return cast(discord.Message, Said(100 + number))

    async def edit(
        self, message: discord.Message, part: MessagePart, view: discord.ui.View | None
    ) -> None:
        self._take(part)

    async def refuse(self, sentence: str) -> None: ...

    async def tell_privately(self, sentence: str) -> None: ...

    async def delete(self, message: discord.Message) -> None:
        self._try()
        self.deleted.append(message.id)

    def _try(self) -> None:
        now = asyncio.get_running_loop().time()
        self.tried.append(now)
        if self.failure is not None and now < self.failing_until:
            raise self.failure

    def _take(self, part: MessagePart) -> None:
        self._try()
        self.shown.append(part.content)
        self.times.append(asyncio.get_running_loop().time())
        self.news.set()


def _buttons(_: list[int]) -> discord.ui.View:
    return growing_view(3)


@simulated
async def test_edits_keep_the_pace_and_show_the_latest_text() -> None:
    responder, words = RememberingScreen(), ["one"]
    reply = LiveMessage(responder, EditThrottle(TEMPO.edit_seconds), TEMPO)
    following = asyncio.create_task(reply.follow(lambda: MessagePart(words[-1]), growing_view(3)))
    while len(responder.shown) < 4:
        words.append(f"{words[-1]}+")
        await asyncio.sleep(TEMPO.edit_seconds / 8)
    reply.stop()
    await following
    gaps = [late - early for early, late in zip(responder.times, responder.times[1:], strict=False)]
    assert gaps == pytest.approx([TEMPO.edit_seconds] * 3)
    assert len(words) > 10  # many came between the edits, which did not show them
    await reply.finish([MessagePart("the end")], _buttons)
    assert responder.shown[-1] == "the end"
    assert responder.times[-1] - responder.times[-2] == pytest.approx(TEMPO.edit_seconds)


@simulated
async def test_places_in_line_are_told_more_rarely_than_text_which_comes_at_once() -> None:
    """Hundreds who wait would otherwise take all the requests that Discord allows."""
    responder, places = RememberingScreen(), [100]
    reply = LiveMessage(responder, EditThrottle(TEMPO.edit_seconds), TEMPO)

    def draw() -> MessagePart:
        return MessagePart(f"{places[-1]}", waits=True) if places[-1] else MessagePart("a poem")

    following = asyncio.create_task(reply.follow(draw, growing_view(3)))
    while len(responder.shown) < 3:
        places.append(places[-1] - 1)
        await asyncio.sleep(TEMPO.edit_seconds)
    places.append(0)
    began = asyncio.get_running_loop().time()
    while responder.shown[-1] != "a poem":
        await asyncio.sleep(TEMPO.edit_seconds / 8)
    reply.stop()
    await following
    gaps = [late - early for early, late in zip(responder.times, responder.times[1:], strict=False)]
    assert all(gap >= TEMPO.place_seconds for gap in gaps[:2])
    assert responder.times[-1] - began <= 2 * TEMPO.edit_seconds


@simulated
async def test_two_replies_in_a_channel_share_its_pace() -> None:
    pace = EditThrottle(0.02)
    screens = [RememberingScreen(), RememberingScreen()]
    replies = [LiveMessage(responder, pace, TEMPO) for responder in screens]
    for reply in replies:
        await reply.finish([MessagePart("sent")], _buttons)
    await asyncio.gather(*(reply.finish([MessagePart("edited")], _buttons) for reply in replies))
    first, second = sorted(responder.times[-1] for responder in screens)
    assert second - first == pytest.approx(0.02)


@simulated
async def test_a_reply_grows_no_more_while_requests_are_short() -> None:
    responder, words, rate_limit = RememberingScreen(), ["one"], GlobalRateLimit()
    reply = LiveMessage(responder, EditThrottle(TEMPO.edit_seconds, rate_limit), TEMPO)
    waiting = [asyncio.ensure_future(rate_limit.acquire()) for _ in range(200)]
    await asyncio.sleep(0)
    following = asyncio.create_task(reply.follow(lambda: MessagePart(words[-1]), growing_view(3)))
    while rate_limit.is_congested:
        words.append(f"{words[-1]}+")
        assert responder.shown == []
        await asyncio.sleep(TEMPO.edit_seconds / 2)
    await asyncio.gather(*waiting)
    await responder.news.wait()
    assert responder.shown == [words[-1]]
    reply.stop()
    await following


async def test_what_has_not_changed_is_not_sent_again() -> None:
    responder = RememberingScreen()
    reply = LiveMessage(responder, EditThrottle(0.0), ReplyTiming(0.0, 0.0, 0.0, 0.0))
    following = asyncio.create_task(reply.follow(lambda: MessagePart("the same"), growing_view(3)))
    await responder.news.wait()
    for _ in range(20):
        await asyncio.sleep(0)
    reply.stop()
    await following
    assert responder.shown == ["the same"]


@simulated
async def test_a_stop_ends_the_waiting_at_once() -> None:
    responder = RememberingScreen()
    reply = LiveMessage(responder, EditThrottle(3600.0), ReplyTiming(3600.0, 3600.0, 3600.0, 0.0))
    following = asyncio.create_task(reply.follow(lambda: MessagePart("x"), growing_view(3)))
    await asyncio.sleep(0)
    reply.stop()
    await following
    assert responder.shown == []
    assert asyncio.get_running_loop().time() == 0.0


async def test_the_pace_forgets_channels_whose_turn_is_over() -> None:
    pace = EditThrottle(0.0, max_channels=10)
    for channel in range(100):
        pace.take_turn(channel)
    assert len(pace._next) <= 11


# Discord cannot be reached


def http_error(
    status: int, headers: dict[str, str] | None = None, *, body: str = ""
) -> discord.HTTPException:
    answer: Any = SimpleNamespace(status=status, reason="", headers=headers or {})
    return discord.HTTPException(answer, body)


def growing_reply(responder: RememberingScreen) -> tuple[LiveMessage, asyncio.Task[None]]:
    """Begin a reply that shows half a poem."""
    timing = ReplyTiming(edit_seconds=1.0, patience_seconds=0.0, retry_seconds=1.0)
    reply = LiveMessage(responder, EditThrottle(timing.edit_seconds), timing)
    words = iter(range(1_000_000))
    draw = lambda: MessagePart(f"writing… {next(words)}")  # noqa: E731
    return reply, asyncio.create_task(reply.follow(draw, growing_view(3)))


FAULTS = {
    "503": http_error(503),
    "cut": ConnectionResetError(),
    "unreadable": UnreadableResponse(KeyError("id")),
    "429": http_error(429, {"Retry-After": "2"}),
}


@pytest.mark.parametrize(
    ("name", "seconds"),
    [(name, seconds) for name in FAULTS for seconds in (17.0, 20.0, 60.0, 600.0)]
    + [("503", 3 * 3600.0)],
)
def test_half_a_poem_is_finished_however_long_discord_takes_nothing(
    name: str, seconds: float
) -> None:
    async def story() -> None:
        responder = RememberingScreen()
        reply, following = growing_reply(responder)
        await asyncio.sleep(3.5)
        responder.failure, responder.failing_until = FAULTS[name], 3.5 + seconds
        await asyncio.sleep(2.0)
        reply.stop()
        await following
        await reply.finish([MessagePart("the end")], _buttons)
        now = asyncio.get_running_loop().time()
        assert responder.shown[-1] == "the end"
        assert len(reply.messages) == 1
        assert now - responder.failing_until <= 31.0
        assert len(responder.tried) < 20 + seconds / 20

    simulated(story)()


@simulated
async def test_half_a_poem_is_taken_back_however_long_discord_takes_nothing() -> None:
    responder = RememberingScreen()
    reply, following = growing_reply(responder)
    await asyncio.sleep(3.5)
    responder.failure, responder.failing_until = http_error(503), 3600.0
    reply.give_up()
    await following
    await reply.take_back()
    assert responder.deleted == [100]
    assert asyncio.get_running_loop().time() <= 3631.0


@simulated
async def test_a_poem_that_nobody_waits_for_any_more_is_not_insisted_on() -> None:
    responder = RememberingScreen(failure=http_error(503), failing_until=math.inf)
    reply = LiveMessage(responder, EditThrottle(1.0), ReplyTiming())
    finishing = asyncio.create_task(reply.finish([MessagePart("the end")], _buttons))
    await asyncio.sleep(60.0)
    reply.give_up()
    with pytest.raises(ReplyAbandoned):
        await finishing
    assert asyncio.get_running_loop().time() == 60.0


@simulated
async def test_a_poem_of_which_nothing_stands_is_given_up_after_a_quarter_of_an_hour() -> None:
    responder = RememberingScreen(failure=http_error(503), failing_until=math.inf)
    reply = LiveMessage(responder, EditThrottle(1.0), ReplyTiming())
    with pytest.raises(discord.HTTPException):
        await reply.finish([MessagePart("the end")], _buttons)
    assert 900.0 < asyncio.get_running_loop().time() < 960.0


@simulated
async def test_what_discord_has_read_and_refused_is_not_tried_again() -> None:
    responder = RememberingScreen(failure=http_error(400), failing_until=math.inf)
    reply = LiveMessage(responder, EditThrottle(1.0), ReplyTiming())
    with pytest.raises(discord.HTTPException):
        await reply.finish([MessagePart("the end")], _buttons)
    assert len(responder.tried) == 1


@pytest.mark.parametrize("asked", [30.0, 600.0])
def test_a_reply_waits_as_long_as_discord_asks(asked: float) -> None:
    async def story() -> None:
        responder = RememberingScreen(
            failure=http_error(429, {"Retry-After": f"{asked:g}"}, body="error code: 1015"),
            failing_until=asked,
        )
        reply = LiveMessage(responder, EditThrottle(1.0), ReplyTiming())
        await reply.finish([MessagePart("the end")], _buttons)
        assert responder.tried == [0.0, asked]

    simulated(story)()


@simulated
async def test_an_outage_is_said_once_for_a_cause_however_many_poems_wait(
    # of the fixtures of pytest none can be had in simulated time
) -> None:
    heard: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("bot.discord_app.retries")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        pace = EditThrottle(0.0)
        screens = [
            RememberingScreen(failure=http_error(503), failing_until=60.0) for _ in range(20)
        ]
        replies = [LiveMessage(responder, pace, ReplyTiming()) for responder in screens]
        await asyncio.gather(*(reply.finish([MessagePart("sent")], _buttons) for reply in replies))
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert heard == [
        "Discord accepts no messages (HTTP 503); replies are sent when it recovers",
        "Discord accepts messages again",
    ]
