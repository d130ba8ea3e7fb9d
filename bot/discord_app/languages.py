"""Which language a member is answered in, and the commands' names in every language.

A command or a button says which language its member reads Discord in; of a message only the
server's is known. A language that a server's admins have fixed comes before both.
"""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands

from bot.core.languages import (
    ENGLISH,
    known_language,
    speak,
    translate_name,
    translate_text,
)

SETTINGS_COG = "Settings"  # it knows which language a server has fixed
# Of Discord's languages, those that need a translation: it asks for each of its own, many times.
TRANSLATED = {
    locale.value: language
    for locale in discord.Locale
    if (language := known_language(locale.value)) not in (None, ENGLISH)
}


def language_for(client: Any, asked: discord.Interaction[Any] | discord.Message) -> str:
    """Return the language to answer in."""
    if isinstance(asked, discord.Message):
        channel_guild = getattr(asked.channel, "guild_id", None)
        return server_language(client, asked.guild.id if asked.guild else channel_guild)
    fixed = _fixed_language(client, asked.guild_id)
    return fixed or known_language(str(asked.locale)) or ENGLISH


def server_language(client: Any, guild_id: int | None) -> str:
    """Return the language of what is said to a whole server, English in direct messages."""
    if guild_id is None:
        return ENGLISH
    if fixed := _fixed_language(client, guild_id):
        return fixed
    guild = client.get_guild(guild_id)
    return (guild and known_language(str(guild.preferred_locale))) or ENGLISH


def speak_to(client: Any, asked: discord.Interaction[Any] | discord.Message) -> None:
    """Speak the language of whoever asked, for the rest of this task."""
    speak(language_for(client, asked))


def _fixed_language(client: Any, guild_id: int | None) -> str | None:
    find = getattr(client.get_cog(SETTINGS_COG), "fixed_language", None)
    language = find(str(guild_id)) if find is not None and guild_id is not None else None
    return language if isinstance(language, str) else None


def command_name(command: str) -> str:
    """Return what a member types for a command such as "book add"."""
    return " ".join(translate_name(word) for word in command.split())


class CommandTranslator(app_commands.Translator):
    """Gives Discord the names and descriptions of the commands in the languages of the bot."""

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        language = TRANSLATED.get(locale.value)
        if language is None:
            return None
        location = app_commands.TranslationContextLocation
        names = (location.command_name, location.group_name, location.parameter_name)
        is_menu = isinstance(context.data, app_commands.ContextMenu)
        if context.location in names and not is_menu:
            found = translate_name(string.message, language)
        else:
            found = translate_text(string.message, language)
        return None if found == string.message else found
