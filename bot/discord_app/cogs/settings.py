"""A server's settings: /settings, the same with the prefix and with a mention."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import asdict, replace
from typing import Annotated, Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.core import request_log
from bot.core.application import App
from bot.core.daily import ALLOWED_TIME, ALLOWED_ZONE, timezones
from bot.core.errors import BadSetting, NotAllowed, NothingThere
from bot.core.guild_settings import COOLDOWN, GuildSettings
from bot.core.languages import LANGUAGES, sentence, speak
from bot.core.records import FORMS, FREE, RANGES, Asker
from bot.discord_app.asker import Context, asker_of_context, asker_of_interaction
from bot.discord_app.formatting import format_settings
from bot.discord_app.interactions import (
    acknowledge_button,
    edit_message,
    is_acknowledged,
    open_form,
)
from bot.discord_app.languages import SETTINGS_COG, speak_to
from bot.discord_app.panels import as_edit
from bot.discord_app.responders import AnyBot
from bot.discord_app.responses import (
    MAX_CHOICES,
    CommandCog,
    acknowledge_command,
    answer,
    answer_with_panel,
    check_in_server,
    refuse,
)
from bot.discord_app.setting_checks import check_role, warnings, without_deleted
from bot.discord_app.settings_panel import (
    NO_CHANNEL,
    STATES,
    SWITCH,
    PanelState,
    SettingButton,
    SettingChoice,
    SettingSelect,
    SettingsForm,
    format_typed,
    is_settings_form,
    read_settings_form,
    settings_form,
    settings_panel,
    split_seeds,
    split_words,
)

USAGE = (
    "`{p}settings show` · `{p}settings channels add|remove|clear #channel` · `{p}settings roles "
    "add|remove|clear @role` · `{p}settings managers add|remove|clear @role` · `{p}settings "
    "cooldown SECONDS` · `{p}settings form NAME` · `{p}settings length LINES` · `{p}settings "
    "temperature X` · `{p}settings avoid add|remove|clear WORDS` · `{p}settings switch on|off` · "
    "`{p}settings keep #channel` · `{p}settings language CODE` · `{p}settings daily #channel TIME "
    "TIMEZONE on|paused|off`"
)
CHANGES = ("add", "remove", "clear")
TO_ADD = {
    "channels": sentence("Name the channel to add."),
    "roles": sentence("Name the role to add."),
    "managers": sentence("Name the role to add."),
    "avoid": sentence("Name words to add."),
}
TO_REMOVE = {
    "channels": sentence("Name the channel to remove."),
    "roles": sentence("Name the role to remove."),
    "managers": sentence("Name the role to remove."),
    "avoid": sentence("Name words to remove."),
}
change_choices = app_commands.choices(
    change=[
        app_commands.Choice(name=app_commands.locale_str(change), value=change)
        for change in CHANGES
    ]
)


class Change(commands.Converter[str]):
    """What to do with a list, in small or capital letters."""

    async def convert(self, ctx: commands.Context[Any], argument: str) -> str:
        if argument.lower() not in CHANGES:
            raise commands.BadArgument(f"not one of {', '.join(CHANGES)}")
        return argument.lower()


class Settings(CommandCog, name=SETTINGS_COG):
    """Where poems are written, who may ask, and what they are by default."""

    def __init__(self, bot: AnyBot, app: App) -> None:
        self._bot = bot
        self._guilds = app.guilds
        self._service = app.service
        self._guild_models = app.guild_models

    def fixed_language(self, guild: str) -> str | None:
        """Return the language that a server's admins have fixed, None where it is each member's."""
        return self._guilds.guild_settings(guild).language

    @commands.hybrid_group(
        name="settings", case_insensitive=True, description="Show this server's settings"
    )
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.guild_only()
    async def settings(self, ctx: Context) -> None:
        await answer(ctx, USAGE.format(p=ctx.clean_prefix), private=True)

    @settings.command(name="show", ignore_extra=False, description="Show this server's settings")
    async def show(self, ctx: Context) -> None:
        """Show a panel that changes settings; a message is answered with text, for all to see."""
        asker = asker_of_context(ctx)
        settings = self._guilds.settings_for(asker)
        if ctx.interaction is None:
            await self._show(ctx, settings)
            return
        await acknowledge_command(ctx, private=True)
        await answer_with_panel(ctx, await self._panel(asker, ctx.guild))

    async def _panel(self, asker: Asker, guild: discord.Guild | None) -> discord.ui.LayoutView:
        """Return the panel as things are now; raise NotAllowed."""
        settings = self._guilds.settings_for(asker)
        here = await self._guild_models.available(replace(asker, channel="", category=""))
        defaults = self._service.defaults
        return settings_panel(PanelState(settings, defaults, here.models, here.used, guild))

    @settings.command(
        name="channels", ignore_extra=False, description="Channels for poems. Default: all"
    )
    @change_choices
    async def channels(
        self,
        ctx: Context,
        change: Annotated[str, Change],
        channel: discord.abc.GuildChannel | None = None,
    ) -> None:
        await self._list(ctx, "channels", change, [str(channel.id)] if channel else [])

    @settings.command(
        name="roles",
        ignore_extra=False,
        description="Roles that may ask for poems. Default: everyone",
    )
    @change_choices
    async def roles(
        self, ctx: Context, change: Annotated[str, Change], role: discord.Role | None = None
    ) -> None:
        check_role("roles", role if change == "add" else None)
        await self._list(ctx, "roles", change, [str(role.id)] if role else [])

    @settings.command(
        name="managers",
        ignore_extra=False,
        description="Roles that may also manage books and settings",
    )
    @change_choices
    async def managers(
        self, ctx: Context, change: Annotated[str, Change], role: discord.Role | None = None
    ) -> None:
        check_role("managers", role if change == "add" else None)
        await self._list(ctx, "managers", change, [str(role.id)] if role else [])

    @settings.command(
        name="avoid", ignore_extra=False, description="Words to keep out of poems. Default: none"
    )
    @app_commands.describe(words="One or more words, separated by spaces or commas")
    @change_choices
    async def avoid(self, ctx: Context, change: Annotated[str, Change], *, words: str = "") -> None:
        await self._list(ctx, "avoid", change, split_words(words))

    @settings.command(
        name="cooldown", ignore_extra=False, description="Seconds a member waits between two poems"
    )
    @app_commands.describe(seconds=f"{COOLDOWN}. Leave empty for the default")
    async def cooldown(self, ctx: Context, seconds: float | None = None) -> None:
        await self._set(ctx, "cooldown_seconds", seconds)

    @settings.command(name="form", ignore_extra=False, description="Default poem form")
    @app_commands.describe(form="Leave empty for the default")
    @app_commands.choices(
        form=[
            app_commands.Choice(name=app_commands.locale_str(form), value=form)
            for form in (*FORMS, FREE)
        ]
    )
    async def form(self, ctx: Context, form: str | None = None) -> None:
        await self._set(ctx, "form", form.lower() if form else None)

    @settings.command(name="length", ignore_extra=False, description="Default length of free text")
    @app_commands.describe(lines=f"{RANGES['lines']}. Leave empty for the default")
    async def length(self, ctx: Context, lines: int | None = None) -> None:
        await self._set(ctx, "lines", lines)

    @settings.command(name="temperature", ignore_extra=False, description="Default temperature")
    @app_commands.describe(temperature=f"{RANGES['temperature']}. Leave empty for the default")
    async def temperature(self, ctx: Context, temperature: float | None = None) -> None:
        await self._set(ctx, "temperature", temperature)

    @settings.command(
        name="keep", ignore_extra=False, description="Channel for kept poems. Default: none"
    )
    @app_commands.describe(channel="Leave empty to turn the button Keep off")
    async def keep(self, ctx: Context, channel: discord.abc.GuildChannel | None = None) -> None:
        await self._set(ctx, "keep_channel", _writable(channel))

    @settings.command(name="daily", ignore_extra=False, description="A poem a day. Default: none")
    @app_commands.describe(
        channel="Where it is sent",
        time=f"When: {ALLOWED_TIME}",
        timezone=f"{ALLOWED_ZONE}",
        state="Turn it on, pause it or turn it off",
        book="Which model writes it. Default: the one in use there",
        form="Form of the poem. Default: this server's form",
        seeds="First words, separated by semicolons, one a day. Default: a word from the date",
    )
    @app_commands.choices(
        form=[
            app_commands.Choice(name=app_commands.locale_str(form), value=form)
            for form in (*FORMS, FREE)
        ],
        state=[
            app_commands.Choice(name=app_commands.locale_str(state), value=state)
            for state in STATES
        ],
    )
    async def daily(
        self,
        ctx: Context,
        channel: discord.abc.GuildChannel | None = None,
        time: str | None = None,
        timezone: str | None = None,
        state: str | None = None,
        book: str | None = None,
        form: str | None = None,
        *,
        seeds: str | None = None,
    ) -> None:
        """Change what is given of the poem of the day; the rest stays."""
        if state is not None and state.lower() not in STATES:
            allowed = sentence("one of {names}", names=", ".join(STATES))
            raise BadSetting("state", state, allowed)
        if state is not None and state.lower() == "off":
            await self._set(ctx, "daily", None)
            return
        asker = asker_of_context(ctx)
        before = self._guilds.settings_for(asker).daily
        if channel is None and before is None:
            raise NothingThere(NO_CHANNEL)
        await acknowledge_command(ctx, private=True)
        if book is not None:
            await self._guild_models.info(asker, book)  # refuses one that there is not
        given = {
            "channel": _writable(channel),
            "time": time,
            "timezone": timezone,
            "model": book,
            "form": form.lower() if form else None,
            "seeds": split_seeds(seeds) if seeds else None,
            "paused": None if state is None else state.lower() == "paused",
        }
        changes = {name: value for name, value in given.items() if value is not None}

        def change(settings: GuildSettings) -> GuildSettings:
            kept = asdict(settings.daily) if settings.daily else {}
            return settings.change("daily", {**kept, **changes})

        await self._show(ctx, await self._guilds.update(asker, change))

    @daily.autocomplete("timezone")
    async def suggest_timezones(
        self, _: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        wanted = typed.strip().casefold().replace(" ", "_")
        found = [zone for folded, zone in timezones().items() if wanted in folded]
        return [app_commands.Choice(name=zone, value=zone) for zone in found[:MAX_CHOICES]]

    @settings.command(
        name="language", ignore_extra=False, description="Language of the bot in this server"
    )
    @app_commands.describe(language="Leave empty to speak to everybody in their own language")
    @app_commands.choices(
        language=[app_commands.Choice(name=name, value=code) for code, name in LANGUAGES.items()]
    )
    async def language(self, ctx: Context, language: str | None = None) -> None:
        await acknowledge_command(ctx, private=True)
        changed = await self._guilds.change(asker_of_context(ctx), "language", language)
        if language is None and ctx.interaction is not None:
            speak_to(self._bot, ctx.interaction)
        elif language is not None:
            speak(language)
        await self._show(ctx, changed)

    @settings.command(
        name="switch", ignore_extra=False, description="Use a new model as soon as it is trained"
    )
    async def switch(self, ctx: Context, on: bool) -> None:
        await self._set(ctx, "switch", on)

    async def _set(self, ctx: Context, name: str, value: object) -> None:
        await acknowledge_command(ctx, private=True)
        await self._show(ctx, await self._guilds.change(asker_of_context(ctx), name, value))

    async def _list(self, ctx: Context, name: str, change: str, given: list[str]) -> None:
        """Add to a list of the settings, take from it, or empty it."""
        await acknowledge_command(ctx, private=True)
        asker = asker_of_context(ctx)
        self._guilds.managed_by(asker)
        if change != "clear" and not given:
            raise NothingThere((TO_ADD if change == "add" else TO_REMOVE)[name])

        def changed(settings: GuildSettings) -> GuildSettings:
            listed = without_deleted(ctx.guild, name, getattr(settings, name))
            if change == "add":
                return settings.change(name, tuple(dict.fromkeys((*listed, *given))))
            left = (each for each in listed if change != "clear" and each not in given)
            return settings.change(name, tuple(left))

        await self._show(ctx, await self._guilds.update(asker, changed))

    async def _show(self, ctx: Context, guild_settings: GuildSettings) -> None:
        doubts = warnings(ctx.guild, guild_settings)
        text = format_settings(guild_settings, self._service.defaults, doubts)
        await answer(ctx, text, private=True)

    def cog_check(self, ctx: Context) -> bool:
        return check_in_server(ctx)

    # The panel

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(SettingSelect, SettingButton)

    async def cog_unload(self) -> None:
        self._bot.remove_dynamic_items(SettingSelect, SettingButton)

    async def press(
        self, interaction: discord.Interaction[Any], action: SettingChoice | str, packed: str
    ) -> None:
        """Do what a select or a button of the panel says; see `settings_panel`."""
        asker, guild = asker_of_interaction(interaction), interaction.guild
        if isinstance(action, SettingChoice):
            await self._change(interaction, self._choose(asker, guild, action))
        elif action == SWITCH:
            await self._change(interaction, self._guilds.change(asker, SWITCH, packed == "on"))
        else:
            form = settings_form(action, self._guilds.settings_for(asker))
            await open_form(interaction, form)

    async def _choose(
        self, asker: Asker, guild: discord.Guild | None, choice: SettingChoice
    ) -> None:
        self._guilds.managed_by(asker)
        if choice.name == "model":
            await self._guild_models.use(asker, choice.chosen[0])
            return
        for number in choice.chosen:
            if choice.name == "keep_channel":
                _check_writable(guild, number)
            elif guild is not None and choice.name in ("roles", "managers"):
                check_role(choice.name, guild.get_role(int(number)))
        await self._guilds.update(asker, lambda before: choice.apply(before, guild))

    async def _change(
        self, interaction: discord.Interaction[Any], change: Awaitable[object], typed: str = ""
    ) -> None:
        """Wait for a change, or say why not; then the panel shows what is set."""
        try:
            await change
        except NotAllowed:
            raise
        except Exception as error:
            if not is_acknowledged(interaction):  # the refusal is the only response, then
                raise
            await refuse(interaction, error, typed=typed)
        view = await self._panel(asker_of_interaction(interaction), interaction.guild)
        await edit_message(interaction, as_edit(view))

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Take what somebody filled in; discord.py reports no errors of a listener."""
        if not is_settings_form(interaction):
            return
        speak_to(self._bot, interaction)
        request_log.begin()
        typed = ""
        try:
            form = read_settings_form(interaction)
            typed = format_typed(form)
            asker = asker_of_interaction(interaction)
            self._guilds.managed_by(asker)
            await acknowledge_button(interaction)
            await self._change(interaction, self._apply(interaction, asker, form), typed)
        except Exception as error:
            await refuse(interaction, error, typed=typed)

    async def _apply(
        self, interaction: discord.Interaction[Any], asker: Asker, form: SettingsForm
    ) -> None:
        _check_writable(interaction.guild, form.typed.get("channel", ""))
        await self._guilds.update(asker, form.apply)


def _check_writable(guild: discord.Guild | None, number: str) -> None:
    """Raise BadSetting for the number of a category, say; a server may be unknown as yet."""
    if guild is not None and number.isdecimal():
        _writable(guild.get_channel(int(number)))


def _writable(channel: discord.abc.GuildChannel | None) -> str | None:
    """Return a channel's number; raise BadSetting for a category or a forum, say."""
    if channel is not None and not isinstance(channel, discord.abc.Messageable):
        raise BadSetting("channel", channel.name, sentence("a channel that takes messages"))
    return None if channel is None else str(channel.id)
