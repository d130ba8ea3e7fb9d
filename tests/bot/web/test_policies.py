"""The pages on privacy and the terms of use."""

from __future__ import annotations

import pytest

from bot.core.policies import PRIVACY, TERMS, Operator
from tests.bot.web.conftest import Serve


@pytest.mark.parametrize(("page", "title"), [("privacy", "Privacy"), ("terms", "Terms of use")])
async def test_the_pages_name_the_operator_and_link_to_each_other(
    serve: Serve, page: str, title: str
) -> None:
    client = await serve(operator=Operator("Verse & Co", "ann@verse.example"))
    async with client.get(f"/{page}") as answer:
        text = await answer.text()
        assert answer.status == 200
        assert answer.content_type == "text/html"
    assert f"<h2>{title}</h2>" in text
    assert "Verse &amp; Co runs this installation" in text
    assert '<a href="mailto:ann@verse.example">' in text
    assert f'href="{"terms" if page == "privacy" else "privacy"}"' in text
    assert text.count("<li>") == (len(PRIVACY) + 2 if page == "privacy" else len(TERMS))


@pytest.mark.parametrize(
    ("contact", "shown"),
    [
        ("https://verse.example/contact", '<a href="https://verse.example/contact"'),
        ("javascript:alert(1)", "Contact: javascript:alert(1)<"),
        ("<script>alert(1)</script>", "&lt;script&gt;"),
        ('"x"@verse.example', "Contact: &quot;x&quot;@verse.example<"),
    ],
)
async def test_a_contact_is_a_link_only_where_it_is_an_address(
    serve: Serve, contact: str, shown: str
) -> None:
    client = await serve(operator=Operator("", contact))
    async with client.get("/privacy") as answer:
        text = await answer.text()
    assert shown in text
    assert "<script>" not in text


async def test_without_an_operator_the_pages_name_nobody(serve: Serve) -> None:
    client = await serve()
    async with client.get("/terms") as answer:
        assert "Whoever gave you this address" in await answer.text()
