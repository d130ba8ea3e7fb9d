"""The bot's own client: what it asks of Discord, its commands, its start."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import discord
import yarl
from discord import app_commands
from discord.ext import commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.core.application import App
from bot.core.errors import NothingThere
from bot.core.languages import sentence
from bot.core.proxies import Proxy
from bot.core.shards import ALL_SHARDS
from bot.discord_app.book_form import is_book_form
from bot.discord_app.cogs.books import Books
from bot.discord_app.cogs.help import Help
from bot.discord_app.cogs.poems import Poems
from bot.discord_app.cogs.privacy import Privacy
from bot.discord_app.cogs.settings import Settings
from bot.discord_app.cogs.together import Together
from bot.discord_app.commands_sync import sync_commands
from bot.discord_app.confirm_buttons import ConfirmButton
from bot.discord_app.gateway import Gateway
from bot.discord_app.interactions import NO_MENTIONS
from bot.discord_app.joint_buttons import JointButton, is_line_form
from bot.discord_app.languages import CommandTranslator
from bot.discord_app.live_message import ReplyTiming
from bot.discord_app.messages import command_prefixes
from bot.discord_app.poem_buttons import PoemButton
from bot.discord_app.rate_limits import ReplyLimits
from bot.discord_app.responders import AnyBot
from bot.discord_app.responses import EXPIRED, AnsweringCog, refuse
from bot.discord_app.settings_panel import SettingButton, SettingSelect, is_settings_form

log = logging.getLogger(__name__)

NO_SUCH_OPTION = sentence("This command has no such option.")
OFFICIAL_API = "https://discord.com/api/v10"
OURS = (PoemButton, ConfirmButton, JointButton, SettingSelect, SettingButton)
PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    attach_files=True,
    read_message_history=True,
)


def use_api(url: str) -> None:
    """Point discord.py at a Discord-compatible server, for this whole process.

    discord.py 2.7 has no setting for it: all routes begin with one class attribute.
    """
    Route.BASE = url.rstrip("/")


def invite_url(application_id: int, api_url: str = OFFICIAL_API, *, user: bool = False) -> str:
    """Return the link that adds the bot to a server, with the least that it needs.

    With `user` it adds the commands to a member's own apps. The page is assumed at the API's
    address without its path. That is true for Discord and a guess for a compatible server.

    >>> invite_url(42, "https://chat.example/api/v9").partition("?")[0]
    'https://chat.example/oauth2/authorize'
    """
    if user:
        link = discord.utils.oauth_url(application_id, scopes=("applications.commands",))
        link += "&integration_type=1"
    else:
        link = discord.utils.oauth_url(
            application_id, permissions=PERMISSIONS, scopes=("bot", "applications.commands")
        )
    page = re.sub(r"(/api)?(/v\d+)?$", "", api_url.rstrip("/"))
    return page + link.removeprefix("https://discord.com")


def intents(*, message_content: bool) -> discord.Intents:
    """Return the events that the bot asks for; only `message_content` is privileged."""
    wanted = discord.Intents.none()
    wanted.guilds = True
    wanted.guild_messages = True
    wanted.dm_messages = True
    wanted.message_content = message_content
    return wanted


async def add_cogs(
    bot: AnyBot,
    app: App,
    *,
    prefix: str = "!",
    talk: bool = True,
    timing: ReplyTiming | None = None,
    reply_limits: ReplyLimits | None = None,
) -> None:
    """Add the commands to a bot; a help command of its own stays.

    `talk` also answers mentions and direct messages.
    """
    bot.add_dynamic_items(ConfirmButton)
    if bot.tree.translator is None:
        await bot.tree.set_translator(CommandTranslator())
    poems = Poems(bot, app, talk=talk, timing=timing, reply_limits=reply_limits)
    # Removed in this order: joint poems note their ends where `Poems` then writes them down.
    await bot.add_cog(Together(bot, poems, timing=timing, reply_limits=reply_limits))
    await bot.add_cog(poems)
    for cog in (Books(bot, app, timing, reply_limits), Settings(bot, app), Privacy(app)):
        await bot.add_cog(cog)
    if bot.get_command("help") is None and bot.tree.get_command("help") is None:
        await bot.add_cog(Help(bot, app.service, prefix=prefix))


async def remove_cogs(bot: AnyBot) -> None:
    """Remove the commands, once the last edits have arrived."""
    for name, cog in list(bot.cogs.items()):
        if isinstance(cog, Together | Poems | Help | Books | Settings | Privacy):
            await bot.remove_cog(name)
    bot.remove_dynamic_items(ConfirmButton)
    if isinstance(bot.tree.translator, CommandTranslator):
        await bot.tree.set_translator(None)


class CommandTree(app_commands.CommandTree["SonneteerBot"]):
    """Answers each command once, and commands that no longer exist with a sentence."""

    ids: Mapping[str, int] = MappingProxyType({})  # of the commands that Discord knows, by name

    async def interaction_check(self, interaction: discord.Interaction[Any], /) -> bool:
        autocomplete = interaction.type is discord.InteractionType.autocomplete
        is_poem = isinstance(_cog_of(interaction), Poems)
        return autocomplete or is_poem or self.client.reply_limits.is_new(interaction.id)

    async def on_error(
        self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError, /
    ) -> None:
        cog = _cog_of(interaction)
        if isinstance(interaction.command, app_commands.ContextMenu) and isinstance(cog, Poems):
            await cog.refuse(interaction, error)
        elif not isinstance(cog, AnsweringCog):
            await refuse(interaction, error)

    async def _call(self, interaction: discord.Interaction[SonneteerBot]) -> None:
        """Also answer what discord.py cannot parse and would drop."""
        typing = interaction.type is discord.InteractionType.autocomplete
        try:
            await super()._call(interaction)
            if typing and not interaction.response.is_done():
                await refuse(interaction, NothingThere(NO_SUCH_OPTION))
        except app_commands.AppCommandError:
            raise
        except Exception as error:
            await refuse(interaction, error)


class SonneteerBot(commands.AutoShardedBot):
    """Sonneteer on Discord.

    `data_folder` remembers which commands Discord knows, None sends them at each start. Without
    `message_content` everything but the prefix works. `gateway` has the shards. All that is asked
    of Discord, and its events, go through `proxy`.
    """

    def __init__(
        self,
        app: App,
        *,
        prefix: str = "!",
        data_folder: Path | None = None,
        message_content: bool = True,
        api_url: str = OFFICIAL_API,
        timing: ReplyTiming | None = None,
        gateway: Gateway | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        self.gateway = gateway or Gateway(ALL_SHARDS)
        shard_range = self.gateway.shard_range
        # The bot never speaks: the log needs no warning about libraries for voice.
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        super().__init__(
            partial(command_prefixes, prefix=prefix),
            help_command=None,
            case_insensitive=True,  # phones begin with a capital
            tree_cls=CommandTree,
            intents=intents(message_content=message_content),
            allowed_mentions=NO_MENTIONS,
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            shard_count=None if shard_range is None else shard_range.total,
            heartbeat_timeout=self.gateway.timeouts.silence_seconds,
            http_trace=self.gateway.trace(),
            proxy=None if proxy is None else proxy.secret_url,
        )
        self._app = app
        self._prefix = prefix
        self._data_folder = data_folder
        self._api_url = api_url
        self._timing = timing
        self.reply_limits = ReplyLimits(
            app.service.metrics.unanswered_commands,
            self.gateway.rate_limit,
            self.gateway.metrics.repeated_events,
        )
        self.was_connected = False
        if api_url != OFFICIAL_API:
            use_api(api_url)

    async def setup_hook(self) -> None:
        if self._api_url != OFFICIAL_API:  # the server says where its gateway is
            _, gateway, _ = await self.http.get_bot_gateway()
            DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
        await add_cogs(
            self,
            self._app,
            prefix=self._prefix,
            timing=self._timing,
            reply_limits=self.reply_limits,
        )
        if self.gateway.shard_range is None or self.gateway.shard_range.first == 0:
            ids = await sync_commands(self.tree, self._data_folder)
            if isinstance(self.tree, CommandTree):  # another bot may have its own
                self.tree.ids = ids
        if self.application_id is not None:
            log.info("invite the bot with %s", invite_url(self.application_id, self._api_url))
            own = invite_url(self.application_id, self._api_url, user=True)
            log.info("members can install it for themselves with %s", own)
            if self._api_url != OFFICIAL_API:
                log.info("these links are derived from api_url; the page may be on another host")

    async def connect(self, *, reconnect: bool = True) -> None:
        """Be on the gateway until `close`; what `Gateway.run` raises is final."""
        await self.gateway.run(self)

    async def close(self) -> None:
        if isinstance(self.loop, asyncio.AbstractEventLoop):  # otherwise it never started
            await super().close()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Wait for no more than a turn that has passed: the gateway has waited before."""
        if shard_id is not None:
            await self.gateway.before_identify(shard_id)

    async def invoke(self, ctx: commands.Context[Any], /) -> None:
        """Run a message's command, once, if there is room for an answer.

        `Poems` does both itself, because poems also come from mentions and buttons.
        """
        if ctx.command is None or isinstance(ctx.cog, Poems):
            await super().invoke(ctx)
            return
        if not self.reply_limits.is_new(ctx.message.id):
            return
        with self.reply_limits.enter(ctx.channel.id, ctx.author.id, spare=True) as has_room:
            if has_room:
                await super().invoke(ctx)

    async def on_shard_connect(self, shard_id: int) -> None:
        self.was_connected = True
        self.gateway.mark_connected(shard_id, "identified")

    async def on_shard_resumed(self, shard_id: int) -> None:
        self.gateway.mark_connected(shard_id, "resumed")

    async def on_ready(self) -> None:
        log.info("connected to Discord, in %d servers", len(self.guilds))

    async def on_command_error(
        self, ctx: commands.Context[Any], error: commands.CommandError, /
    ) -> None:
        known = not isinstance(error, commands.CommandNotFound)
        if known and not isinstance(ctx.cog, AnsweringCog):
            await refuse(ctx, error)

    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Answer a button or a form that no cog knows, for example of an earlier version."""
        is_form = interaction.type is discord.InteractionType.modal_submit
        if (is_form and not _is_our_form(interaction)) or (
            interaction.type is discord.InteractionType.component and not _is_ours(interaction)
        ):
            await refuse(interaction, NothingThere(EXPIRED))


def _cog_of(interaction: discord.Interaction[Any]) -> object:
    """Return the cog that a command belongs to; a context menu knows only its callback."""
    command = interaction.command
    if isinstance(command, app_commands.ContextMenu):
        return getattr(command.callback, "__self__", None)
    return getattr(command, "binding", None)


def _is_our_form(interaction: discord.Interaction[Any]) -> bool:
    return any(is_ours(interaction) for is_ours in (is_book_form, is_settings_form, is_line_form))


def _is_ours(interaction: discord.Interaction[Any]) -> bool:
    custom_id = str(dict(interaction.data or {}).get("custom_id", ""))
    templates = (item.__discord_ui_compiled_template__ for item in OURS)
    return any(template.fullmatch(custom_id) for template in templates)
