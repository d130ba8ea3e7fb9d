"""The settings of a server as one panel: lists to choose from, and forms for what is typed.

Nothing is remembered between two presses. A select says what it showed and what is chosen now, so
only the difference is changed: what another admin has changed meanwhile stays. A form carries a
mark of what each field showed, for the same reason.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import discord
from discord.ui.select import BaseSelect

from bot.core.daily import ALLOWED_TIME, TIME_OF_DAY, TIMEZONE, DailyPoem
from bot.core.errors import NothingThere
from bot.core.guild_settings import COOLDOWN, GuildSettings
from bot.core.languages import form_name, say, sentence, translate
from bot.core.records import FORMS, FREE, RANGES, Defaults, ModelRecord
from bot.discord_app.formatting import format_settings
from bot.discord_app.forms import make_form, match_form, read_form, read_line
from bot.discord_app.interactions import acknowledge_button
from bot.discord_app.languages import SETTINGS_COG, command_name
from bot.discord_app.panels import layout
from bot.discord_app.poem_formatting import FOOTER_MARK
from bot.discord_app.responses import MAX_CHOICES, press
from bot.discord_app.setting_checks import LISTS, warnings, without_deleted

SWITCH, NUMBERS, DAILY = "switch", "numbers", "daily"  # what the buttons are about
FORM = re.compile(r"settings:(?P<what>numbers|daily):(?P<marks>[0-9a-f]{8}(?:\.[0-9a-f]{8}){0,9})")
DEFAULT = "default"  # in the list of forms, where nothing is set
MAX_TYPED = 4000  # characters of a field of a form
MAX_LABEL = 100  # characters of an option
STATES = ("on", "paused", "off")  # of the poem of the day
NO_CHANNEL = sentence("Name the channel for the poem of the day.")
STATE_NAMES = {"on": sentence("on"), "paused": sentence("paused"), "off": sentence("off")}
TEXT_CHANNELS = [
    discord.ChannelType.text,
    discord.ChannelType.news,
    discord.ChannelType.voice,
    discord.ChannelType.stage_voice,
]
PLACES = [
    *TEXT_CHANNELS,
    discord.ChannelType.category,
    discord.ChannelType.forum,
    discord.ChannelType.media,
]
Text = discord.ui.TextInput[Any]
Label = discord.ui.Label[Any]
Item = discord.ui.Item[Any]


@dataclass(frozen=True, slots=True)
class PanelState:
    """What the panel shows."""

    settings: GuildSettings
    defaults: Defaults
    models: Sequence[ModelRecord]
    used: ModelRecord | None  # what poems come from, where no channel has its own
    guild: discord.Guild | None  # None where the client does not know it


@dataclass(frozen=True, slots=True)
class SettingChoice:
    """What was chosen in a select, and what it had shown."""

    name: str
    chosen: tuple[str, ...]
    shown: tuple[str, ...]

    def apply(self, before: GuildSettings, guild: discord.Guild | None) -> GuildSettings:
        """Return changed settings; raise BadSetting. Channels and roles that are gone go, too."""
        if self.name in LISTS:
            listed = without_deleted(guild, self.name, getattr(before, self.name))
            dropped = set(self.shown) - set(self.chosen)
            added = [each for each in self.chosen if each not in self.shown]
            left = [each for each in listed if each not in dropped]
            return before.change(self.name, tuple(dict.fromkeys((*left, *added))))
        value = next(iter(self.chosen), DEFAULT)
        return before.change(self.name, None if value == DEFAULT else value)


class SettingSelect(
    discord.ui.DynamicItem[BaseSelect[Any]],
    template=r"settings:(?P<name>channels|roles|managers|form|model|keep_channel)",
):
    """A list of the panel."""

    @classmethod
    async def from_custom_id(
        cls, _: discord.Interaction[Any], item: discord.ui.Item[Any], __: re.Match[str], /
    ) -> Self:
        assert isinstance(item, BaseSelect)  # noqa: S101 - as its type says
        return cls(item)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        chosen = tuple(str(getattr(each, "id", each)) for each in self.item.values)
        name = self.custom_id.partition(":")[2]
        await acknowledge_button(interaction)
        choice = SettingChoice(name, chosen, _shown(self.item))
        await press(interaction, SETTINGS_COG, choice, "")


class SettingButton(
    discord.ui.DynamicItem[discord.ui.Button[Any]],
    template=r"settings:(?P<what>switch|numbers|daily):(?P<value>on|off|)",
):
    """A button of the panel: it turns something on or off, or opens a form."""

    def __init__(self, label: str, what: str, value: str = "") -> None:
        style = discord.ButtonStyle.secondary
        super().__init__(
            discord.ui.Button(label=label, style=style, custom_id=f"settings:{what}:{value}")
        )
        self.what, self.value = what, value

    @classmethod
    async def from_custom_id(
        cls, _: discord.Interaction[Any], __: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls("", match["what"], match["value"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        if self.what == SWITCH:  # a form can only be the first response
            await acknowledge_button(interaction)
        await press(interaction, SETTINGS_COG, self.what, self.value)


def _shown(select: BaseSelect[Any]) -> tuple[str, ...]:
    """Return what a select had chosen when it was sent."""
    if isinstance(select, discord.ui.Select):
        return tuple(option.value for option in select.options if option.default)
    return tuple(str(each.id) for each in getattr(select, "default_values", ()))


# The panel


def settings_panel(state: PanelState) -> discord.ui.LayoutView:
    """Return the panel as things are now."""
    settings = state.settings
    text = format_settings(settings, state.defaults, warnings(state.guild, settings))
    switch = (say("Do not use new models at once"), "off")
    if not settings.switch:
        switch = (say("Use new models at once"), "on")
    buttons = (
        SettingButton(say("Words and numbers"), NUMBERS),
        SettingButton(say("Poem of the day"), DAILY),
        SettingButton(switch[0], SWITCH, switch[1]),
    )
    return layout(
        discord.ui.Container(
            discord.ui.TextDisplay(text),
            discord.ui.Separator(),
            *_list(state, "channels", say("Channels for poems; a category means those in it")),
            *_list(state, "roles", say("Roles that may ask for poems")),
            *_list(state, "managers", say("Roles that may manage books and settings")),
            *_titled(say("Form of poems"), _forms(state)),
            *_titled(say("Model of this server"), _models(state)),
            *_titled(say("Channel for kept poems"), _keep_channel(state)),
            discord.ui.ActionRow(*buttons),
        )
    )


def _titled(title: str, select: BaseSelect[Any]) -> tuple[Item, ...]:
    row: Item = discord.ui.ActionRow(SettingSelect(select))
    return discord.ui.TextDisplay(f"{FOOTER_MARK}{title}"), row


def _list(state: PanelState, name: str, title: str) -> tuple[Item, ...]:
    """Return a select of channels or roles; a sentence where Discord cannot show them all."""
    listed = without_deleted(state.guild, name, getattr(state.settings, name))
    if len(listed) > MAX_CHOICES:
        command = f"`/{command_name('settings ' + name)}`"
        told = say(
            "More than {most} are set. Use {command} to change them.",
            most=MAX_CHOICES,
            command=command,
        )
        return (discord.ui.TextDisplay(f"{FOOTER_MARK}{title}. {told}"),)
    options: dict[str, Any] = {"custom_id": f"settings:{name}", "min_values": 0}
    options["max_values"] = MAX_CHOICES
    if LISTS[name] == "channels":
        known = _known(listed, discord.SelectDefaultValueType.channel)
        options |= {
            "channel_types": PLACES,
            "placeholder": say("Everywhere"),
            "default_values": known,
        }
        return _titled(title, discord.ui.ChannelSelect(**options))
    placeholder = say("Everyone") if name == "roles" else say("Only members with Manage Server")
    known = _known(listed, discord.SelectDefaultValueType.role)
    return _titled(
        title, discord.ui.RoleSelect(placeholder=placeholder, default_values=known, **options)
    )


def _known(
    numbers: Iterable[str], kind: discord.SelectDefaultValueType
) -> list[discord.SelectDefaultValue]:
    return [discord.SelectDefaultValue(id=int(number), type=kind) for number in numbers]


def _forms(state: PanelState) -> discord.ui.Select[Any]:
    select: discord.ui.Select[Any] = discord.ui.Select(custom_id="settings:form")
    usual = say("the default: {value}", value=form_name(state.defaults.form))
    for value, label in (
        (DEFAULT, usual),
        *((form, translate(form_name(form))) for form in (*FORMS, FREE)),
    ):
        select.add_option(
            label=label, value=value, default=value == (state.settings.form or DEFAULT)
        )
    return select


def _models(state: PanelState) -> discord.ui.Select[Any]:
    """Return the models to choose from; the one in use is always among them."""
    select: discord.ui.Select[Any] = discord.ui.Select(
        custom_id="settings:model", placeholder=say("The chosen model is unavailable")
    )
    others = [model for model in state.models if model != state.used]
    for model in ([state.used] if state.used else []) + others[: MAX_CHOICES - 1]:
        select.add_option(
            label=f"{model.name} ({model.book})"[:MAX_LABEL],
            value=model.name,
            default=model == state.used,
        )
    return select


def _keep_channel(state: PanelState) -> discord.ui.ChannelSelect[Any]:
    number = state.settings.keep_channel
    listed = without_deleted(state.guild, "channels", [number] if number else [])
    return discord.ui.ChannelSelect(
        custom_id="settings:keep_channel",
        channel_types=TEXT_CHANNELS,
        min_values=0,
        max_values=1,
        placeholder=say("None: no button Keep"),
        default_values=_known(listed, discord.SelectDefaultValueType.channel),
    )


# The forms


@dataclass(frozen=True, slots=True)
class SettingsForm:
    """A submitted form: what its fields say now, and the marks of what they had shown."""

    what: str
    typed: Mapping[str, str]
    marks: Mapping[str, str]

    def changes(self, before: GuildSettings) -> dict[str, str]:
        """Return the fields that were changed; raise NothingThere for one that changed before."""
        now = FIELDS[self.what](before)
        changed = {
            name: text for name, text in self.typed.items() if _mark(text) != self.marks[name]
        }
        for name, text in changed.items():
            if self.marks[name] != _mark(now[name]) and text != now[name]:
                shown = name.replace("_", " ").capitalize()
                told = sentence(
                    "{name} was changed by somebody else while you had the form open. It is {now} "
                    "now. Open the form again.",
                    name=shown,
                    now=repr(now[name][:MAX_LABEL]),
                )
                raise NothingThere(told)
        return changed

    def apply(self, before: GuildSettings) -> GuildSettings:
        """Return changed settings; raise BadSetting and NothingThere."""
        changes = self.changes(before)
        if self.what == DAILY:
            return before.change(DAILY, _daily(before.daily, changes)) if changes else before
        for name, text in changes.items():
            value = split_words(text) if name == "avoid" else text or None
            before = before.change(name, value)
        return before


def split_words(typed: str) -> list[str]:
    """Return the words to avoid that somebody has typed.

    >>> split_words(" Moon, june;  sun")
    ['moon', 'june', 'sun']
    """
    return [each for each in re.split(r"[\s,;]+", typed.lower()) if each]


def split_seeds(typed: str) -> list[str]:
    return [each for each in typed.split(";") if each.strip()]


def _daily(before: DailyPoem | None, changes: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the poem of the day with changed fields, None if it was turned off."""
    if changes.get("state") == "off":
        return None
    kept = asdict(before) if before is not None else {}
    given: dict[str, Any] = dict(changes)
    if (state := given.pop("state", None)) is not None:
        given["paused"] = state == "paused"
    if "seeds" in given:
        given["seeds"] = split_seeds(given["seeds"])
    daily = {**kept, **given}
    if not daily.get("channel"):
        raise NothingThere(NO_CHANNEL)
    return daily


def _numbers_fields(settings: GuildSettings) -> dict[str, str]:
    numbers = ("cooldown_seconds", "lines", "temperature")
    values = {name: getattr(settings, name) for name in numbers}
    typed = {name: "" if value is None else f"{value:g}" for name, value in values.items()}
    return {"avoid": ", ".join(settings.avoid), **typed}


def _daily_fields(settings: GuildSettings) -> dict[str, str]:
    daily = settings.daily
    if daily is None:
        usual = {"time": TIME_OF_DAY, "timezone": TIMEZONE}
        return {"channel": "", **usual, "state": "on", "seeds": ""}
    return {
        "channel": daily.channel,
        "time": daily.time,
        "timezone": daily.timezone,
        "state": "paused" if daily.paused else "on",
        "seeds": " ".join("; ".join(daily.seeds).split()),
    }


FIELDS: Mapping[str, Callable[[GuildSettings], dict[str, str]]] = {
    NUMBERS: _numbers_fields,
    DAILY: _daily_fields,
}


def _mark(text: str) -> str:
    return f"{zlib.crc32(text.encode('utf-8', 'replace')):08x}"


def settings_form(what: str, settings: GuildSettings) -> discord.ui.Modal:
    """Return a form that shows what is set; a field that is too long for it is left out."""
    shown = FIELDS[what](settings)
    marks = ".".join(map(_mark, shown.values()))
    labels = _daily_labels(shown) if what == DAILY else _numbers_labels(shown)
    fitting = [label for name, label in labels.items() if len(shown[name]) <= MAX_TYPED]
    title = say("Poem of the day") if what == DAILY else say("Words and numbers")
    return make_form(title, f"settings:{what}:{marks}", *fitting)


def _numbers_labels(shown: Mapping[str, str]) -> dict[str, Label]:
    return {
        "avoid": _field(
            "avoid", shown, say("Words to avoid"), say("Separated by commas"), long=True
        ),
        "cooldown_seconds": _field(
            "cooldown_seconds",
            shown,
            say("Seconds between two poems of a member"),
            translate(COOLDOWN.sentence),
        ),
        "lines": _field(
            "lines", shown, say("Lines of free text"), translate(RANGES["lines"].sentence)
        ),
        "temperature": _field(
            "temperature", shown, say("Temperature"), translate(RANGES["temperature"].sentence)
        ),
    }


def _daily_labels(shown: Mapping[str, str]) -> dict[str, Label]:
    channel: discord.ui.ChannelSelect[Any] = discord.ui.ChannelSelect(
        custom_id="channel",
        channel_types=TEXT_CHANNELS,
        required=False,
        default_values=_known(
            [shown["channel"]] if shown["channel"] else [], discord.SelectDefaultValueType.channel
        ),
    )
    state: discord.ui.RadioGroup[Any] = discord.ui.RadioGroup(custom_id="state")
    for each in STATES:
        state.add_option(
            label=translate(STATE_NAMES[each]), value=each, default=each == shown["state"]
        )
    seeds = say("Separated by semicolons, one a day. Empty: a word from the date")
    return {
        "channel": Label(text=say("Channel"), component=channel),
        "time": _field("time", shown, say("Time"), translate(ALLOWED_TIME)),
        "timezone": _field(
            "timezone", shown, say("Time zone"), say("such as Europe/Berlin or UTC")
        ),
        "state": Label(text=say("State"), component=state),
        "seeds": _field("seeds", shown, say("First words"), seeds, long=True),
    }


def _field(
    name: str, shown: Mapping[str, str], text: str, description: str, *, long: bool = False
) -> Label:
    field = Text(
        custom_id=name,
        required=False,
        max_length=MAX_TYPED if long else MAX_LABEL,
        style=discord.TextStyle.paragraph if long else discord.TextStyle.short,
        default=shown[name][:MAX_TYPED] or None,
    )
    return Label(text=text, description=description[:MAX_LABEL], component=field)


def is_settings_form(interaction: discord.Interaction[Any]) -> bool:
    """Whether an interaction is one of these forms, filled in, perhaps opened before a restart."""
    return match_form(interaction, FORM) is not None


def read_settings_form(interaction: discord.Interaction[Any]) -> SettingsForm:
    """Return what was filled in; raise NothingThere for a form of another version."""
    match, filled = match_form(interaction, FORM), read_form(interaction)
    names = list(FIELDS[match["what"]](GuildSettings())) if match else []
    marks = match["marks"].split(".") if match else []
    if match is None or len(marks) != len(names):
        raise NothingThere(sentence("This form is too old. Open it again with /settings show."))
    typed = {name: read_line(filled, name) for name in names if name in filled}
    return SettingsForm(match["what"], typed, dict(zip(names, marks, strict=True)))


def format_typed(form: SettingsForm) -> str:
    """Say what was typed, so that it is not lost with the form."""
    changed = {name: text for name, text in form.typed.items() if _mark(text) != form.marks[name]}
    return "\n".join(
        f"{FOOTER_MARK}{name.replace('_', ' ')}: `{text[:300].replace('`', chr(39)) or ' '}`"
        for name, text in changed.items()
    )
