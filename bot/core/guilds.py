"""What every guild has settled and chosen: in memory for reading, in the database for good.

One bot owns a data folder, so what is in memory is what is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from bot.core.customs import Customs, read_customs
from bot.core.errors import BadSetting, NothingThere
from bot.core.ports import DEFAULT, Choice
from bot.core.records import Asker, ModelRecord
from bot.core.rights import Rights
from bot.core.store.guild_rows import MAX_CHOICES, GuildRows


def utc_now() -> str:
    """Return the time as it is kept: ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Guilds:
    """Settings and choices; each change is kept before it counts."""

    def __init__(
        self,
        rows: GuildRows,
        customs: Mapping[str, Customs],
        choices: Mapping[str, Sequence[Choice]],
        rights: Rights | None = None,
        now: Callable[[], str] = utc_now,
    ) -> None:
        self.rights = rights or Rights()
        self._rows = rows
        self._customs = dict(customs)
        self._choices = {guild: list(chosen) for guild, chosen in choices.items()}
        self._now = now
        self._changing = asyncio.Lock()  # each change begins from the one before

    @classmethod
    async def read(cls, rows: GuildRows, rights: Rights | None = None) -> Guilds:
        """Read everything that was kept; raise DataNotKept."""
        settings = await rows.settings()
        customs = {guild: read_customs(values) for guild, values in settings.items()}
        return cls(rows, customs, await rows.choices(), rights)

    def customs(self, guild: str) -> Customs:
        return self._customs.get(guild, Customs())

    def choice(self, guild: str) -> Choice:
        """Return the model that a guild uses, DEFAULT if it never chose."""
        chosen = self._choices.get(guild)
        return chosen[-1] if chosen else DEFAULT

    def managed_by(self, asker: Asker, *, shared: bool = False) -> str:
        """Return the guild whose books and settings the asker may change, "" for everybody's.

        Raises NotAllowed.
        """
        if shared:
            self.rights.insist_on_owner(asker)
            return ""
        self.rights.insist_on_manager(asker, self.customs(asker.guild))
        self.rights.insist_on_guild(asker)
        return asker.guild

    async def change(self, guild: str, name: str, value: object) -> Customs:
        """Settle something, None for what it was at first; raise BadSetting or DataNotKept."""
        async with self._changing:
            customs = self.customs(guild).change(name, value)
            _insist_on_real_roles(guild, name, customs)
            await self._rows.keep_settings(guild, customs.as_dict())
            self._customs[guild] = customs
        return customs

    async def choose(self, guild: str, model: ModelRecord | None, by: str) -> None:
        """Let a guild use a model from now on, None for the default; raise DataNotKept."""
        choice = DEFAULT if model is None else Choice(model.name, model.sha256)
        async with self._changing:
            if choice == self.choice(guild):
                return
            await self._rows.choose(guild, choice, by, self._now())
            chosen = self._choices.setdefault(guild, [])
            chosen.append(choice)
            del chosen[:-MAX_CHOICES]

    async def undo(self, guild: str) -> tuple[Choice, Choice]:
        """Go back to what a guild used before; return the choice that went and the one that counts.

        Raises NothingThere where it has chosen nothing, and DataNotKept.
        """
        async with self._changing:
            if not self._choices.get(guild):
                raise NothingThere("There is nothing to undo: this server uses the default model.")
            await self._rows.unchoose(guild)
            return self._choices[guild].pop(), self.choice(guild)

    async def drop(self, guild: str, sha256: str) -> None:
        """Forget that a guild ever used a model, which is gone; raise DataNotKept."""
        async with self._changing:
            await self._rows.drop_choices(guild, sha256)
            chosen = [choice for choice in self._choices.get(guild, []) if choice.sha256 != sha256]
            self._choices[guild] = chosen

    async def forget(self, member: str) -> int:
        """Take a member's number off what is kept here; return how often it stood there."""
        return await self._rows.forget(member)


def _insist_on_real_roles(guild: str, name: str, customs: Customs) -> None:
    """Raise BadSetting for @everyone, whose number is the guild's: it would bar nobody."""
    if name in ("roles", "managers") and guild in getattr(customs, name):
        raise BadSetting(name, "@everyone", "a role that not everybody has")
