"""The number of a request, and the one line that is told of it."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import AsyncGenerator

import pytest

from bot.core import tracing


def test_without_a_request_there_is_no_number() -> None:
    tracing.note(outcome="complete")
    assert tracing.request_number() == ""


def test_a_number_is_short_and_new_each_time() -> None:
    with tracing.request() as first:
        assert len(first) == 8
    with tracing.request() as second:
        assert second != first


async def test_a_number_goes_into_tasks_and_threads_that_a_request_starts() -> None:
    async def task() -> str:
        return await asyncio.to_thread(tracing.request_number)

    with tracing.request() as number:
        assert await asyncio.create_task(task()) == number


async def test_two_requests_at_once_keep_their_numbers() -> None:
    async def one() -> bool:
        with tracing.request() as number:
            await asyncio.sleep(0)
            return tracing.request_number() == number

    assert all(await asyncio.gather(one(), one()))


def test_a_request_within_another_is_the_same_unless_it_has_a_name() -> None:
    with tracing.request() as outer:
        with tracing.request() as inner:
            assert inner == outer
        with tracing.request("job 12"):
            assert tracing.request_number() == "job 12"
        assert tracing.request_number() == outer


def test_a_command_is_numbered_once_to_the_end_of_its_task() -> None:
    def command() -> tuple[str, str]:
        tracing.begin()
        first = tracing.request_number()
        tracing.begin()
        return first, tracing.request_number()

    first, second = contextvars.copy_context().run(command)
    assert first == second != ""
    assert tracing.request_number() == ""


def test_what_was_noted_is_told_in_one_line_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with tracing.request():
        with tracing.request():
            tracing.note(outcome="complete", edits=1)
        assert caplog.records == []
        tracing.note(edits=2)
    (record,) = caplog.records
    told = vars(record)
    assert (told["outcome"], told["edits"], told["total_ms"] >= 0) == ("complete", 2, True)


def test_nothing_is_told_of_a_request_that_came_to_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with tracing.request():
        tracing.note(messages=1)
    assert caplog.records == []


async def test_a_request_may_end_in_another_context_than_it_began_in() -> None:
    """A generator that nobody reads to its end is closed by the event loop."""

    async def numbers() -> AsyncGenerator[str, None]:
        with tracing.request() as number:
            yield number

    generator = numbers()
    assert await asyncio.create_task(anext(generator))
    await asyncio.create_task(generator.aclose())
