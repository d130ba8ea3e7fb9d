"""The settings and model choices of every guild: in memory for reading, stored in the database.

A guild has one process, so what is in memory is what is kept. On a server, what another process
changes all the same, such as a shell, is read again as soon as it is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime

from bot.core.daily import DailyPoem
from bot.core.errors import BadSetting, NothingThere
from bot.core.guild_settings import GuildSettings, read_guild_settings
from bot.core.languages import sentence
from bot.core.permissions import Permissions
from bot.core.ports import DEFAULT_CHOICE, ModelChoice
from bot.core.records import Asker, ModelRecord
from bot.core.store.guilds import MAX_CHOICES, GuildStore


def utc_now() -> str:
    """Return the time as it is kept: ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Guilds:
    """Settings and choices; each change is kept before it counts."""

    def __init__(
        self,
        store: GuildStore,
        guild_settings: Mapping[str, GuildSettings],
        choices: Mapping[str, Sequence[ModelChoice]],
        permissions: Permissions | None = None,
        now: Callable[[], str] = utc_now,
    ) -> None:
        self.permissions = permissions or Permissions()
        self._store = store
        self._guild_settings = dict(guild_settings)
        self._choices = {guild: list(chosen) for guild, chosen in choices.items()}
        self._now = now
        self._changing = asyncio.Lock()  # each change begins from the one before

    @classmethod
    async def read(cls, store: GuildStore, permissions: Permissions | None = None) -> Guilds:
        """Read everything that was kept; raise DataNotKept."""
        settings = await store.settings()
        guild_settings = {guild: read_guild_settings(values) for guild, values in settings.items()}
        return cls(store, guild_settings, await store.choices(), permissions)

    async def read_again(self, guild: str | None) -> None:
        """Read what another process has changed for a guild, or for any; raise DataNotKept."""
        async with self._changing:
            if guild is None:
                settings = await self._store.settings()
                choices = await self._store.choices()
                self._guild_settings = {
                    each: read_guild_settings(values) for each, values in settings.items()
                }
                self._choices = choices
            else:
                values = await self._store.settings_of(guild)
                chosen = await self._store.choices_of(guild)
                self._guild_settings[guild] = read_guild_settings(values)
                self._choices[guild] = chosen

    def guild_settings(self, guild: str) -> GuildSettings:
        return self._guild_settings.get(guild, GuildSettings())

    def with_daily(self) -> dict[str, DailyPoem]:
        """Return the poem of the day of each guild that has one."""
        settings = self._guild_settings.items()
        return {guild: each.daily for guild, each in settings if each.daily is not None}

    def settings_for(self, asker: Asker) -> GuildSettings:
        """Return the settings of the asker's guild; raise NotAllowed."""
        return self.guild_settings(self.managed_by(asker))

    def choice(self, guild: str, *places: str) -> ModelChoice:
        """Return the model that a guild uses, DEFAULT if it never chose.

        In the first of `places`, a channel or a category, that has a model of its own, it is that.
        """
        if (own := self.guild_settings(guild).model_in(*places)) is not None:
            return ModelChoice(*own)
        chosen = self._choices.get(guild)
        return chosen[-1] if chosen else DEFAULT_CHOICE

    def managed_by(self, asker: Asker, *, shared: bool = False) -> str:
        """Return the guild whose books and settings the asker may change, "" for shared ones.

        Raises NotAllowed.
        """
        if shared:
            self.permissions.require_owner(asker)
            return ""
        self.permissions.require_manager(asker, self.guild_settings(asker.guild))
        self.permissions.require_guild(asker)
        return asker.guild

    async def change(self, asker: Asker, name: str, value: object) -> GuildSettings:
        """Change a setting of the asker's guild, None for the default.

        Raises NotAllowed, BadSetting and DataNotKept.
        """
        return await self.update(asker, lambda before: before.change(name, value))

    async def update(
        self, asker: Asker, change: Callable[[GuildSettings], GuildSettings]
    ) -> GuildSettings:
        """Let `change` make the settings of the asker's guild from what they are then.

        All of it is kept or nothing, and no other change comes in between. Raises NotAllowed,
        BadSetting, DataNotKept, and what `change` raises.
        """
        guild = self.managed_by(asker)
        async with self._changing:
            before = self.guild_settings(guild)
            after = change(before)
            for name in ("roles", "managers"):
                if getattr(after, name) != getattr(before, name):
                    _require_real_roles(guild, name, after)
            await self._keep(guild, after)
        return after

    async def choose(self, guild: str, model: ModelRecord | None, by: str) -> None:
        """Let a guild use a model from now on, None for the default; raise DataNotKept."""
        choice = DEFAULT_CHOICE if model is None else ModelChoice(model.name, model.sha256)
        async with self._changing:
            if choice == self.choice(guild):
                return
            await self._store.choose(guild, choice, by, self._now())
            chosen = self._choices.setdefault(guild, [])
            chosen.append(choice)
            del chosen[:-MAX_CHOICES]

    async def choose_in(self, guild: str, channel: str, model: ModelRecord | None) -> None:
        """Let a channel of a guild use a model of its own, None for the guild's.

        Raises BadSetting for too many, and DataNotKept.
        """
        async with self._changing:
            settings = self.guild_settings(guild)
            own = None if model is None else (model.name, model.sha256)
            await self._keep(
                guild, settings.change("channel_models", settings.with_model_in(channel, own))
            )

    async def _keep(self, guild: str, guild_settings: GuildSettings) -> None:
        before = self.guild_settings(guild).as_dict()
        await self._store.keep_settings(guild, guild_settings.as_dict(), before)
        self._guild_settings[guild] = guild_settings

    async def undo(self, guild: str, only: str = "") -> tuple[ModelChoice, ModelChoice]:
        """Go back to what a guild used before; return the choice that went and the one that counts.

        Raises NothingThere where it has chosen nothing or, with `only`, another model than that;
        and DataNotKept.
        """
        async with self._changing:
            if only and self.choice(guild).name.casefold() != only.casefold():
                raise NothingThere(
                    sentence("Poems in this server do not come from {name} now.", name=repr(only))
                )
            if not self._choices.get(guild):
                raise NothingThere(
                    sentence("There is nothing to undo: this server uses the default model.")
                )
            await self._store.unchoose(guild)
            return self._choices[guild].pop(), self.choice(guild)

    async def drop(self, guild: str, gone: Collection[tuple[str, ModelChoice]]) -> None:
        """Remove models, each with the guild that has added it, and forget that `guild` used them.

        All of that is kept, or DataNotKept is raised and none of it is.
        """
        hashes = {model.sha256 for _, model in gone}
        async with self._changing:
            settings = self.guild_settings(guild)
            left = tuple(each for each in settings.channel_models if each.split()[2] not in hashes)
            if left != settings.channel_models:
                await self._keep(guild, settings.change("channel_models", left))
            await self._store.remove_models(guild, gone)
            chosen = self._choices.get(guild, [])
            self._choices[guild] = [choice for choice in chosen if choice.sha256 not in hashes]


def _require_real_roles(guild: str, name: str, guild_settings: GuildSettings) -> None:
    """Raise BadSetting for @everyone, whose number is the guild's: it would restrict nothing."""
    if guild in getattr(guild_settings, name):
        raise BadSetting(name, "@everyone", sentence("a role that only some members have"))
