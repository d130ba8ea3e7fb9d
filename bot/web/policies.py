"""/privacy and /terms: what is stored and how the bot may be used, with the operator's name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from aiohttp import web

from bot.core.policies import FORGETTING, ON_THE_PAGE, PRIVACY, TERMS, Operator

EMAIL = re.compile(r"[^\s@<>\"'?&]+@[^\s@<>\"'?&]+\.[^\s@<>\"'?&]+")
PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>{title} · Sonneteer</title>
  <link rel="icon" href="favicon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="style.css">
  <script src="theme.js"></script>
</head>
<body>
  <header class="masthead"><h1><a href="./">Sonneteer</a></h1></header>
  <main class="policy">
    <h2>{title}</h2>
    <p>{operator}</p>
    <ul>
{items}
    </ul>
    <p><a href="{other}">{other_title}</a> · <a href="./">Write a poem</a></p>
  </main>
</body>
</html>
"""


def _contact(contact: str) -> str:
    """Return a contact as HTML: a link where it is an address.

    >>> _contact("ann@verse.example")
    '<a href="mailto:ann@verse.example">ann@verse.example</a>'
    """
    shown = escape(contact)
    if EMAIL.fullmatch(contact):
        return f'<a href="mailto:{shown}">{shown}</a>'
    if re.fullmatch(r"https?://\S+", contact):
        return f'<a href="{shown}" rel="nofollow noopener">{shown}</a>'
    return shown


def _describe(operator: Operator) -> str:
    name = f"{escape(operator.name)} runs this installation of Sonneteer."
    if not operator.name:
        name = "Whoever gave you this address runs this installation of Sonneteer."
    return f"{name} Contact: {_contact(operator.contact)}" if operator.contact else name


def _item(sentences: str) -> str:
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(sentences, quote=False))
    return f"      <li>{marked}</li>"


class PolicyPages:
    """Answers /privacy and /terms."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self._privacy = self._page(
            "Privacy", [*PRIVACY, ON_THE_PAGE, FORGETTING], "terms", "Terms of use"
        )
        self._terms = self._page("Terms of use", TERMS, "privacy", "Privacy")

    def _page(self, title: str, items: Sequence[str], other: str, other_title: str) -> str:
        return PAGE.format(
            title=title,
            operator=_describe(self._operator),
            items="\n".join(map(_item, items)),
            other=other,
            other_title=other_title,
        )

    async def privacy(self, _request: web.Request) -> web.Response:
        return web.Response(text=self._privacy, content_type="text/html")

    async def terms(self, _request: web.Request) -> web.Response:
        return web.Response(text=self._terms, content_type="text/html")
