"""Who may do what. Pure; the core checks them, so that no door can leave them out."""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.daily import DOOR as DAILY_DOOR
from bot.core.errors import NotAllowed
from bot.core.guild_settings import GuildSettings, is_snowflake
from bot.core.languages import sentence
from bot.core.records import Asker

TERMINAL = Asker("terminal:")  # a user of the shell may do everything
ON_SERVERS_ONLY = sentence(
    "Books and settings belong to a server. Ask there, not in a direct message."
)
MANAGERS_ONLY = sentence(
    "Only members who may manage this server (Discord's permission Manage Server), or who have a "
    "role named in /settings managers, can do that."
)
OWNERS_ONLY = sentence("Only the owners named in config.toml, section [discord], can do that.")
NOT_WITH_THESE_ROLES = sentence("On this server only members with certain roles can ask for poems.")


@dataclass(frozen=True, slots=True)
class Permissions:
    """The rules of an installation; `owners` are members such as "discord:1234"."""

    owners: frozenset[str] = frozenset()

    def is_owner(self, asker: Asker) -> bool:
        return asker.member == TERMINAL.member or asker.member in self.owners

    def may_manage(self, asker: Asker, guild_settings: GuildSettings) -> bool:
        granted = asker.manages or not asker.roles.isdisjoint(guild_settings.managers)
        return self.is_owner(asker) or (bool(asker.guild) and granted)

    def require_manager(self, asker: Asker, guild_settings: GuildSettings) -> None:
        """Raise NotAllowed unless the asker may change the books and settings of their guild."""
        if asker.door == "web" or not self.may_manage(asker, guild_settings):
            raise NotAllowed(MANAGERS_ONLY if asker.guild else ON_SERVERS_ONLY)

    def require_guild(self, asker: Asker) -> None:
        """Raise NotAllowed where there is no server to have books and settings of its own."""
        if asker.member == TERMINAL.member and not asker.guild:
            return  # shared models, then
        if not is_snowflake(asker.guild):
            raise NotAllowed(ON_SERVERS_ONLY)

    def require_owner(self, asker: Asker) -> None:
        """Raise NotAllowed unless the asker owns the installation."""
        if not self.is_owner(asker):
            raise NotAllowed(OWNERS_ONLY)

    def require_poems(self, asker: Asker, guild_settings: GuildSettings) -> None:
        """Raise NotAllowed where the guild allows no poems, or not for this member."""
        if asker.door == DAILY_DOOR:
            return  # the server's admins have set it up
        places = {asker.channel, asker.category}
        if guild_settings.channels and places.isdisjoint(guild_settings.channels):
            named = ", ".join(f"<#{channel}>" for channel in guild_settings.channels[:5])
            raise NotAllowed(_only_in(named, can_change=self.may_manage(asker, guild_settings)))
        free = not guild_settings.roles or not asker.roles.isdisjoint(guild_settings.roles)
        if not free and not self.may_manage(asker, guild_settings):
            raise NotAllowed(NOT_WITH_THESE_ROLES)


def _only_in(channels: str, *, can_change: bool) -> str:
    if can_change:
        return sentence(
            "On this server I write poems only in {channels}. You can change that: "
            "/settings channels.",
            channels=channels,
        )
    return sentence("On this server I write poems only in {channels}.", channels=channels)
