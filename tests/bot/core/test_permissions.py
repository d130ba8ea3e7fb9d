"""Who may do what."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.core.errors import NotAllowed
from bot.core.guild_settings import GuildSettings
from bot.core.permissions import TERMINAL, Permissions
from bot.core.records import Asker

RIGHTS = Permissions(owners=frozenset({"discord:9"}))
POETS, MANAGERS = "70", "71"  # roles

ASKERS = {
    "member": Asker("discord:1", "10", "5"),
    "poet": Asker("discord:2", "10", "5", frozenset({"60", POETS})),
    "manager": Asker("discord:3", "10", "5", manages=True),
    "manager by role": Asker("discord:4", "10", "5", frozenset({MANAGERS})),
    "owner": Asker("discord:9", "10", "5"),
    "terminal": TERMINAL,
    "web visitor": Asker("web:127.0.0.1", "web"),
    "member in a DM": Asker("discord:1"),
    "owner in a DM": Asker("discord:9"),
}
FRESH = GuildSettings()
SETTLED = GuildSettings(managers=(MANAGERS,), roles=(POETS,), channels=("5", "6"))
# What a guild settles holds in that guild; elsewhere nobody has settled anything.
CUSTOMS = {who: SETTLED if asker.guild == "10" else FRESH for who, asker in ASKERS.items()}

POEM = "poem"
MANAGE = "manage"
OWN = "own"
ACTS: dict[str, Callable[[Asker, GuildSettings], None]] = {
    POEM: RIGHTS.require_poems,
    MANAGE: RIGHTS.require_manager,
    OWN: lambda asker, _: RIGHTS.require_owner(asker),
}


def allowed(asker: Asker, guild_settings: GuildSettings) -> set[str]:
    found = set()
    for act, insist in ACTS.items():
        try:
            insist(asker, guild_settings)
        except NotAllowed:
            continue
        found.add(act)
    return found


@pytest.mark.parametrize(
    ("who", "may"),
    [
        ("member", set()),
        ("poet", {POEM}),
        ("manager", {POEM, MANAGE}),
        ("manager by role", {POEM, MANAGE}),
        ("owner", {POEM, MANAGE, OWN}),
        ("terminal", {POEM, MANAGE, OWN}),
        ("web visitor", {POEM}),
        ("member in a DM", {POEM}),
        ("owner in a DM", {POEM, MANAGE, OWN}),
    ],
)
def test_where_a_guild_has_settled_roles_each_may_do_this(who: str, may: set[str]) -> None:
    assert allowed(ASKERS[who], CUSTOMS[who]) == may


@pytest.mark.parametrize(
    ("who", "may"),
    [
        ("member", {POEM}),
        ("poet", {POEM}),
        ("manager", {POEM, MANAGE}),
        ("manager by role", {POEM}),
        ("owner", {POEM, MANAGE, OWN}),
        ("terminal", {POEM, MANAGE, OWN}),
        ("web visitor", {POEM}),
        ("member in a DM", {POEM}),
        ("owner in a DM", {POEM, MANAGE, OWN}),
    ],
)
def test_where_nothing_is_settled_each_may_do_this(who: str, may: set[str]) -> None:
    assert allowed(ASKERS[who], FRESH) == may


@pytest.mark.parametrize("who", ["poet", "manager", "manager by role", "owner"])
def test_the_channels_of_a_guild_hold_for_everybody(who: str) -> None:
    asker = ASKERS[who]
    elsewhere = Asker(asker.member, "10", "7", asker.roles, asker.manages)
    with pytest.raises(NotAllowed, match=r"On this server I write poems only in <#5>, <#6>\."):
        RIGHTS.require_poems(elsewhere, SETTLED)


def test_of_many_channels_five_are_named() -> None:
    guild_settings = GuildSettings(channels=tuple(map(str, range(1, 51))))
    with pytest.raises(NotAllowed) as caught:
        RIGHTS.require_poems(Asker("discord:1", "10", "99"), guild_settings)
    assert str(caught.value).count("<#") == 5


def test_without_the_role_the_sentence_says_that_it_is_the_role() -> None:
    with pytest.raises(NotAllowed, match="only members with certain roles"):
        RIGHTS.require_poems(ASKERS["member"], SETTLED)


def test_who_may_not_manage_is_told_who_may() -> None:
    with pytest.raises(NotAllowed, match="Manage Server"):
        RIGHTS.require_manager(ASKERS["member"], SETTLED)


def test_in_a_dm_there_is_nothing_to_manage() -> None:
    with pytest.raises(NotAllowed, match="belong to a server"):
        RIGHTS.require_manager(ASKERS["member in a DM"], FRESH)


def test_a_visitor_of_the_web_page_manages_nothing_whatever_they_claim() -> None:
    claims = Asker("web:127.0.0.1", "10", manages=True, roles=frozenset({MANAGERS}))
    permissions = Permissions(owners=frozenset({claims.member}))
    with pytest.raises(NotAllowed):
        permissions.require_manager(claims, SETTLED)


def test_a_manager_is_none_outside_of_a_guild() -> None:
    assert not RIGHTS.may_manage(Asker("discord:3", manages=True), FRESH)


def test_nobody_owns_an_installation_that_names_no_owner_but_the_terminal() -> None:
    assert [who for who, asker in ASKERS.items() if Permissions().is_owner(asker)] == ["terminal"]


@pytest.mark.parametrize("who", ["web visitor", "member in a DM", "owner in a DM"])
def test_books_need_a_server(who: str) -> None:
    with pytest.raises(NotAllowed, match="belong to a server"):
        RIGHTS.require_guild(ASKERS[who])


@pytest.mark.parametrize("asker", [ASKERS["member"], TERMINAL, Asker(TERMINAL.member, "10")])
def test_a_server_may_have_books_and_the_terminal_everybodys(asker: Asker) -> None:
    RIGHTS.require_guild(asker)


def test_a_category_means_every_channel_in_it() -> None:
    guild_settings = GuildSettings(channels=("77",))
    Permissions().require_poems(Asker("discord:1", "10", "5", category="77"), guild_settings)
    with pytest.raises(NotAllowed):
        Permissions().require_poems(Asker("discord:1", "10", "5", category="78"), guild_settings)
