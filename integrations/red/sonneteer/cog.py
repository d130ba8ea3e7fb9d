"""The commands: `[p]sonnet`, also as a slash command, and `[p]sonnetset`."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any, Literal

import discord
from redbot.core import Config, app_commands, commands
from redbot.core.bot import Red
from redbot.core.utils.chat_formatting import humanize_list, inline, pagify, text_to_file

from .api import (
    DEFAULT_ADDRESS,
    SUGGEST_SECONDS,
    BadAddress,
    Poem,
    PoemRequest,
    Refused,
    SonneteerClient,
    SonneteerError,
    is_on_this_machine,
    read_address,
)
from .messages import (
    FORMS,
    MAX_PIECES,
    PIECE_CHARACTERS,
    escape,
    footer,
    poem_messages,
    read_request,
)

log = logging.getLogger("red.sonneteer")

CONFIG_ID = 0x536F6E6E65746565  # "Sonnetee": any number that no other cog has
NOBODY = discord.AllowedMentions.none()
COOLDOWN_SECONDS = 5.0  # as Sonneteer's own bot has it
MAX_CHOICES = 25  # of Discord's suggestions
MAX_NAME = 100  # of a suggestion
MAX_MODELS = 20  # that are named
MAX_SHOWN = 60  # of a name


class Sonneteer(commands.Cog):
    """Write sonnets and other verse with a running Sonneteer."""

    def __init__(self, bot: Red, client: SonneteerClient | None = None) -> None:
        super().__init__()
        self.bot = bot
        self._client = client or SonneteerClient()
        self._config = Config.get_conf(self, identifier=CONFIG_ID, force_registration=True)
        self._config.register_global(address=DEFAULT_ADDRESS)
        self._config.register_guild(form=None)

    async def cog_unload(self) -> None:
        await self._client.close()

    async def red_delete_data_for_user(
        self,
        *,
        requester: Literal["discord_deleted_user", "owner", "user", "user_strict"],
        user_id: int,
    ) -> None:
        """Delete nothing: nothing about users is stored, neither here nor in Sonneteer."""

    # Poems

    @commands.hybrid_command(usage="[--form FORM] [--model MODEL] [seed]")
    @commands.cooldown(1, COOLDOWN_SECONDS, commands.BucketType.user)
    @commands.max_concurrency(1, commands.BucketType.user)
    @app_commands.describe(
        seed="Opening words. Leave empty for a random opening",
        form="Form of the poem. Default: this server's form",
        model="Which model writes the poem. Default: the one in use at Sonneteer",
    )
    @app_commands.choices(form=[app_commands.Choice(name=form, value=form) for form in FORMS])
    async def sonnet(
        self,
        ctx: commands.Context,
        *,
        seed: commands.clean_content = "",
        form: str | None = None,
        model: str | None = None,
    ) -> None:
        """Write a poem that begins with your words, or with any.

        Forms: sonnet, quatrain, couplet, haiku and free.

        **Examples:**
        - `[p]sonnet Shall I compare thee`
        - `[p]sonnet --form haiku the old pond`
        """
        # With the prefix, all that was typed is in `seed`: discord.py fills one such parameter.
        request = read_request(seed) if ctx.interaction is None else PoemRequest(seed, form, model)
        if request.form is None and ctx.guild is not None:
            own = await self._config.guild(ctx.guild).form()
            request = PoemRequest(request.seed, own, request.model)
        try:
            async with ctx.typing():
                poem = await self._client.write(await self._config.address(), request)
        except SonneteerError as error:
            await _say(ctx, _tell(error))
            return
        await self._show(ctx, poem)

    @sonnet.autocomplete("model")
    async def suggest_models(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        try:
            names = await self._client.models(await self._config.address(), SUGGEST_SECONDS)
        except SonneteerError:
            return []
        fitting = [
            name for name in names if typed.lower() in name.lower() and len(name) <= MAX_NAME
        ]
        return [app_commands.Choice(name=name, value=name) for name in fitting[:MAX_CHOICES]]

    async def _show(self, ctx: commands.Context, poem: Poem) -> None:
        """Send a poem in a few messages; of a longer one the beginning, and all of it in a file."""
        pieces = list(
            pagify(
                poem.text.strip(),
                ["\n\n", "\n", " "],
                priority=True,
                escape_mass_mentions=False,  # `escape` does
                page_length=PIECE_CHARACTERS,
            )
        )
        if len(pieces) <= MAX_PIECES:
            await _say(ctx, *poem_messages(pieces, poem))
        elif ctx.bot_permissions.attach_files:
            file = text_to_file(f"{poem.text.strip()}\n\n{footer(poem)}\n", "poem.txt")
            whole = replace(poem, notes=("the whole poem is in the file", *poem.notes))
            await _say(ctx, *poem_messages(pieces[:1], whole), file=file)
        else:
            cut = replace(poem, notes=("cut, because I may not attach files here", *poem.notes))
            await _say(ctx, *poem_messages(pieces[:MAX_PIECES], cut))

    # Settings

    @commands.group()
    @commands.admin_or_permissions(manage_guild=True)
    async def sonnetset(self, ctx: commands.Context) -> None:
        """Settings of Sonneteer."""

    @sonnetset.command(name="url", usage="<address>")
    @commands.is_owner()
    async def sonnetset_url(self, ctx: commands.Context, *, address: str) -> None:
        """Set where Sonneteer is: the address of its web page.

        What members type after `[p]sonnet` is sent there.

        **Example:**
        - `[p]sonnetset url http://127.0.0.1:8080`
        """
        try:
            address = read_address(address)
        except BadAddress as error:
            await _say(ctx, str(error))
            return
        await self._config.address.set(address)
        lines = [
            f"Sonneteer's address is {inline(address)} now.",
            f"Note: what members type after {inline(f'{ctx.clean_prefix}sonnet')} is sent there.",
        ]
        if not address.lower().startswith("https:") and not is_on_this_machine(address):
            lines.append("It is not encrypted on the way; an address with https:// would be.")
        await _say(ctx, "\n".join([*lines, await self._state(ctx, address)]))

    @sonnetset.command(name="form", usage="[form]")
    @commands.guild_only()
    async def sonnetset_form(self, ctx: commands.Context, form: str = "") -> None:
        """Set the form of this server's poems; without a form, Sonneteer's own default.

        Forms: sonnet, quatrain, couplet, haiku and free.
        """
        form = form.lower()
        if form and form not in FORMS:
            shown, known = escape(form[:MAX_SHOWN]), humanize_list(FORMS, style="or")
            await _say(ctx, f"The form is '{shown}'; it must be {known}.")
            return
        await self._config.guild(ctx.guild).form.set(form or None)
        await _say(ctx, _form_line(form or None))

    @sonnetset.command(name="show")
    async def sonnetset_show(self, ctx: commands.Context) -> None:
        """Show the settings, and whether Sonneteer answers."""
        lines, address = [], await self._config.address()
        if ctx.guild is not None:
            lines.append(_form_line(await self._config.guild(ctx.guild).form()))
        if await self.bot.is_owner(ctx.author):  # others need not know the owner's network
            lines.append(f"Address: {inline(address)}")
        await _say(ctx, "\n".join([*lines, await self._state(ctx, address)]))

    async def _state(self, ctx: commands.Context, address: str) -> str:
        """Say whether Sonneteer answers at the address."""
        try:
            async with ctx.typing():
                names = await self._client.models(address)
        except SonneteerError as error:
            return _tell(error)
        more = [f"{len(names) - MAX_MODELS} more"] if len(names) > MAX_MODELS else []
        shown = [escape(name[:MAX_SHOWN]) for name in names[:MAX_MODELS]]
        return f"Sonneteer answers. Models: {humanize_list([*shown, *more]) or 'none'}."


async def _say(ctx: commands.Context, *contents: str, file: discord.File | None = None) -> None:
    """Send messages that ping nobody; the file comes with the last."""
    for number, content in enumerate(contents, 1):
        attached = file if number == len(contents) else None
        await ctx.send(content, file=attached, allowed_mentions=NOBODY, suppress_embeds=True)


def _tell(error: SonneteerError) -> str:
    """Log an error for the owner, without any seed; return the sentence for the member."""
    if isinstance(error, Refused):
        log.info("Sonneteer refused a poem: %s", error.reason)
        return escape(str(error))  # these words are not ours
    log.warning("no poem from Sonneteer: %s: %s", type(error).__name__, error.reason)
    return str(error)


def _form_line(form: str | None) -> str:
    return f"Form of poems here: {form or 'the default of Sonneteer'}."
