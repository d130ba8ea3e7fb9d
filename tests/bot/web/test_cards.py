"""POST /api/cards."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bot.web.conftest import Serve

CARD = {"title": "The Sea", "text": "the sea\nis free", "model": "sonnets", "random_seed": 7}


async def test_a_poem_comes_back_as_a_picture(serve: Serve) -> None:
    client = await serve()
    async with client.post("/api/cards", json=CARD) as response:
        assert response.status == 200
        assert response.content_type == "image/png"
        assert (await response.read()).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "body", [{}, {"text": ""}, {"text": "x" * 4_001}, {**CARD, "more": 1}, {**CARD, "text": 5}, []]
)
async def test_what_is_no_poem_is_refused(serve: Serve, body: Any) -> None:
    client = await serve()
    async with client.post("/api/cards", json=body) as response:
        assert response.status == 400
        assert "text of 1 to 4000 characters" in (await response.json())["error"]


async def test_another_sites_page_gets_none(serve: Serve) -> None:
    client = await serve()
    headers = {"Origin": "https://elsewhere.example"}
    async with client.post("/api/cards", json=CARD, headers=headers) as response:
        assert response.status == 403


async def test_cards_count_against_a_clients_limit(serve: Serve) -> None:
    client = await serve(poems_per_minute=1)
    statuses = []
    for _ in range(2):
        async with client.post("/api/cards", json=CARD) as response:
            statuses.append(response.status)
    assert statuses == [200, 429]
