"""What the page says when something goes wrong."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.bot.web.page.conftest import Open
from tests.fakes import VERSE, FakeEngine

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_wrong_setting_is_told_and_the_last_poem_stays(read: Open) -> None:
    reader = await read()
    await reader.write("The moon")
    await reader.finished()
    await reader.page.fill("#temperature", "9")
    await reader.page.click("#write")
    alert = reader.page.get_by_role("alert")
    await expect(alert).to_have_text("temperature is 9.0; it must be between 0.05 and 2.0.")
    assert await reader.poem() == "The moon" + VERSE
    await reader.page.fill("#temperature", "1")
    await reader.page.click("#write")
    await reader.finished()
    await expect(reader.page.locator("#error")).to_be_hidden()


async def test_an_error_in_the_middle_of_a_poem_is_told(
    read: Open, caplog: pytest.LogCaptureFixture
) -> None:
    engine = FakeEngine()
    engine.failure = RuntimeError("broken nib")
    reader = await read(engine)
    await reader.write("The moon")
    await expect(reader.page.get_by_role("alert")).to_contain_text("Give the site's admin this ID")
    assert await reader.poem() == "The moon" + VERSE
    assert "broken nib" in caplog.text


async def test_a_server_that_is_gone_is_told(read: Open) -> None:
    reader = await read()
    await reader.page.route("**/api/poems", lambda route: route.abort())
    await reader.write("The moon")
    await expect(reader.page.get_by_role("alert")).to_contain_text("not reachable")


async def test_a_stream_that_breaks_off_is_told(read: Open) -> None:
    reader = await read()
    await reader.page.route(
        "**/api/poems",
        lambda route: route.fulfill(content_type="text/event-stream", body=": still here\n\n"),
    )
    await reader.write("The moon")
    await expect(reader.page.get_by_role("alert")).to_contain_text("connection was lost")
