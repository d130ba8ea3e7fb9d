"""The page where Sonneteer cannot be reached."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import expect

from tests.bot.web.page.conftest import Open

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEPT = """(async () => {
    const cache = await caches.open("sonneteer-shell");
    return (await cache.keys()).map((request) => request.url);
})()"""


async def test_the_page_opens_without_the_server_and_says_so(read: Open) -> None:
    reader = await read(service_workers="allow")
    page: Any = reader.page
    await page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    await reader.write("The moon")
    await reader.finished()
    await page.click("#keep")
    await page.click("#link")
    await page.reload()
    await reader.finished()

    await reader.context.set_offline(True)
    await page.clock.install()
    await page.reload()
    await expect(page.get_by_role("alert")).to_contain_text("Sonneteer is not reachable")
    await expect(page.locator("#gallery h2")).to_have_text("Your gallery (1)")
    await page.goto(f"{reader.url}/?kiosk")
    await expect(page.locator("#status")).to_contain_text("Sonneteer is not reachable")

    kept = [url.removeprefix(reader.url) for url in await page.evaluate(KEPT)]
    assert {"/", "/?kiosk", "/script.js"} <= set(kept)
    assert not [path for path in kept if path.startswith("/api") or "seed" in path]

    await page.goto(reader.url)
    await expect(page.get_by_role("alert")).to_be_visible()
    await reader.context.set_offline(False)
    await page.clock.run_for(10_000)
    await expect(page.locator("#status")).to_have_text("Sonneteer is reachable again.")
    await expect(page.locator("#error")).to_be_hidden()
