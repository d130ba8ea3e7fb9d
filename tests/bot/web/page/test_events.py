"""The parser of server-sent events."""

from __future__ import annotations

import pytest

from tests.bot.web.page.conftest import Open

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_events_are_read_however_the_network_cuts_them(read: Open) -> None:
    page = (await read()).page
    events = await page.evaluate(
        """async () => {
            const { readEvents } = await import("/events.js");
            const bytes = new TextEncoder().encode(
                ': hello\\n\\n' +
                'event: text\\ndata: "a: ü\\\\n"\\n\\nevent: end\\ndata: {"é": 1}\\n\\n');
            const body = new ReadableStream({ start(controller) {
                for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
                controller.close();
            }});
            const events = [];
            for await (const event of readEvents(body)) events.push(event);
            return events;
        }"""
    )
    assert events == [
        {"event": "text", "data": "a: ü\n"},
        {"event": "end", "data": {"é": 1}},
    ]
