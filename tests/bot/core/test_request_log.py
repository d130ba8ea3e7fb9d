"""The number of a request, and the one line that is told of it."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import AsyncGenerator

import pytest

from bot.core import request_log


def test_without_a_request_there_is_no_number() -> None:
    request_log.note(outcome="complete")
    assert request_log.request_number() == ""


def test_a_number_is_short_and_new_each_time() -> None:
    with request_log.request() as first:
        assert len(first) == 8
    with request_log.request() as second:
        assert second != first


async def test_a_number_goes_into_tasks_and_threads_that_a_request_starts() -> None:
    async def task() -> str:
        return await asyncio.to_thread(request_log.request_number)

    with request_log.request() as number:
        assert await asyncio.create_task(task()) == number


async def test_two_requests_at_once_keep_their_numbers() -> None:
    async def one() -> bool:
        with request_log.request() as number:
            await asyncio.sleep(0)
            return request_log.request_number() == number

    assert all(await asyncio.gather(one(), one()))


def test_a_request_within_another_is_the_same_unless_it_has_a_name() -> None:
    with request_log.request() as outer:
        with request_log.request() as inner:
            assert inner == outer
        with request_log.request("job 12"):
            assert request_log.request_number() == "job 12"
        assert request_log.request_number() == outer


def test_a_command_is_numbered_once_to_the_end_of_its_task() -> None:
    def command() -> tuple[str, str]:
        request_log.begin()
        first = request_log.request_number()
        request_log.begin()
        return first, request_log.request_number()

    first, second = contextvars.copy_context().run(command)
    assert first == second != ""
    assert request_log.request_number() == ""


def test_what_was_noted_is_told_in_one_line_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with request_log.request():
        with request_log.request():
            request_log.note(outcome="complete", edits=1)
        assert caplog.records == []
        request_log.note(edits=2)
    (record,) = caplog.records
    told = vars(record)
    assert (told["outcome"], told["edits"], told["total_ms"] >= 0) == ("complete", 2, True)


def test_nothing_is_told_of_a_request_that_came_to_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with request_log.request():
        request_log.note(messages=1)
    assert caplog.records == []


async def test_a_request_may_end_in_another_context_than_it_began_in() -> None:
    """A generator that nobody reads to its end is closed by the event loop."""

    async def numbers() -> AsyncGenerator[str, None]:
        with request_log.request() as number:
            yield number

    generator = numbers()
    assert await asyncio.create_task(anext(generator))
    await asyncio.create_task(generator.aclose())
