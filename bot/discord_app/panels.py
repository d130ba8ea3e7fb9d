"""Messages that are panels: Discord's Components V2, with pictures and buttons among the text.

A message that has become a panel stays one, and has neither content nor embeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import discord

from bot.discord_app.interactions import NO_MENTIONS

CHART_NAME = "loss.png"


def panel(
    text: str,
    *,
    picture: str = "",
    alt_text: str = "",
    buttons: Iterable[discord.ui.Item[Any]] = (),
    colour: discord.Colour | None = None,
) -> discord.ui.LayoutView:
    """Return a panel; `picture` is the name of a file that the message has or gets."""
    inside: list[discord.ui.Item[Any]] = [discord.ui.TextDisplay(text)]
    if picture:
        item = discord.MediaGalleryItem(f"attachment://{picture}", description=alt_text)
        inside.append(discord.ui.MediaGallery(item))
    if row := list(buttons):
        inside.append(discord.ui.ActionRow(*row))
    return layout(discord.ui.Container(*inside, accent_colour=colour))


def layout(*items: discord.ui.Item[Any]) -> discord.ui.LayoutView:
    """Return items as a view that the client need not remember: the custom_ids say everything."""
    view = discord.ui.LayoutView(timeout=None)
    for item in items:
        view.add_item(item)
    view.stop()
    return view


def as_edit(view: discord.ui.LayoutView) -> dict[str, Any]:
    """Return the changes that make a panel of a message, whatever it was before."""
    return {"content": None, "embeds": [], "view": view, "allowed_mentions": NO_MENTIONS}


def shown_text(message: discord.Message) -> str:
    """Return what a message says, whether it is a panel or not."""
    return "\n".join([message.content, *_texts(message.components)]).strip()


def text_of(view: discord.ui.LayoutView) -> str:
    """Return what a panel says."""
    items = view.walk_children()
    return "\n".join(item.content for item in items if isinstance(item, discord.ui.TextDisplay))


def _texts(components: Iterable[Any]) -> Iterator[str]:
    for each in components:
        if isinstance(each, discord.TextDisplay):
            yield each.content
        yield from _texts(getattr(each, "children", ()))
