"""Forms that the client does not remember: Discord's modals, read from what comes back.

A form's custom_id and what was filled in say everything, so one that was open during a restart
works.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import discord


def make_form(title: str, custom_id: str, *labels: discord.ui.Label[Any]) -> discord.ui.Modal:
    form = discord.ui.Modal(title=title, custom_id=custom_id)
    for label in labels:
        form.add_item(label)
    form.stop()  # the client need not remember it
    return form


def match_form(
    interaction: discord.Interaction[Any], template: re.Pattern[str]
) -> re.Match[str] | None:
    """Return the match of a submitted form's custom_id, None for all other interactions."""
    if interaction.type is not discord.InteractionType.modal_submit:
        return None
    return template.fullmatch(str(_submitted(interaction).get("custom_id", "")))


def read_form(interaction: discord.Interaction[Any]) -> dict[str, tuple[str, ...]]:
    """Return what was filled in, by the custom_ids of the fields; an empty field has nothing.

    All of it comes from a stranger.
    """
    filled = {}
    for each in _controls(_submitted(interaction)):
        values = each.get("values") or [each.get("value")]
        filled[str(each.get("custom_id"))] = tuple(str(value) for value in values if value)
    return filled


def read_line(filled: Mapping[str, tuple[str, ...]], name: str) -> str:
    """Return one field as one line, "" if it was left empty."""
    return " ".join(" ".join(filled.get(name, ())).split())


def read_file(interaction: discord.Interaction[Any], number: str) -> Mapping[str, Any] | None:
    """Return what Discord says of a file that came with a form."""
    resolved = _submitted(interaction).get("resolved") or {}
    file: Mapping[str, Any] | None = (resolved.get("attachments") or {}).get(number)
    return file


def _submitted(interaction: discord.Interaction[Any]) -> Mapping[str, Any]:
    return dict(interaction.data or {})


def _controls(submitted: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what can be filled in, from within the labels and rows around it."""
    for each in submitted.get("components") or ():
        inner = each.get("component")
        yield from _controls({"components": [inner] if inner else each.get("components")})
        if "custom_id" in each:
            yield each
