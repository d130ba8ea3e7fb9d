"""Each member is answered in their language, or in the one that their server has fixed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bot.core.application import App
from bot.core.guild_settings import GuildSettings
from bot.core.languages import LANGUAGES, speaking
from bot.core.policies import NOBODY_NAMED
from bot.core.records import Defaults
from bot.discord_app.book_form import BookEntry, book_form
from bot.discord_app.client import SonneteerBot
from bot.discord_app.formatting import format_privacy
from bot.discord_app.languages import language_for, server_language
from bot.discord_app.poem_buttons import examples_view
from bot.discord_app.poem_formatting import (
    MAX_MESSAGE,
    help_text,
    measure,
    read_verse,
    unescape,
)
from bot.discord_app.responses import AnsweringCog
from bot.discord_app.settings_panel import PanelState, settings_form, settings_panel
from tests.apps import FakeTrainer
from tests.bot.discord_app.conftest import Simulation
from tests.bot.discord_app.test_busy_database import option
from tests.bot.discord_app.test_training_message import running
from tests.conftest import LogLines
from tests.discord_payloads import Payload
from tests.fake_discord import FakeDiscord, shown
from tests.fakes import SONNETS


@pytest.fixture
async def app(discord: FakeDiscord, tmp_path: Path) -> AsyncIterator[App]:
    async with running(discord, tmp_path, FakeTrainer()) as opened:
        await discord.until(lambda: discord.commands)
        yield opened


async def ask(fake: FakeDiscord, locale: str, name: str, *options: Payload) -> str:
    """Let a member with this language send a slash command; return the answer."""
    command = await fake.interact(2, fake.called(name, *options), locale=locale)
    await fake.until(lambda: fake.answers_to(command))
    return shown(fake.answers_to(command)[0])


@pytest.mark.parametrize(
    ("locale", "sentence"),
    [
        ("de", "Es läuft kein Training. Starte eines mit /buch hinzufügen."),
        ("fr", "Aucun entraînement en cours. Lances-en un avec /livre ajouter."),
        ("es-ES", "No hay ningún entrenamiento en curso. Empieza uno con /libro añadir."),
        ("es-419", "No hay ningún entrenamiento en curso. Empieza uno con /libro añadir."),
        ("pt-BR", "Nenhum treinamento em andamento. Comece um com /livro adicionar."),
        ("ru", "Обучение не идёт. Начать его: /книга добавить."),
        ("en-GB", "No training is running. Start one with /book add."),
        ("ja", "No training is running. Start one with /book add."),
    ],
)
async def test_a_member_is_answered_in_the_language_of_their_discord(
    discord: FakeDiscord, app: App, locale: str, sentence: str
) -> None:
    assert await ask(discord, locale, "train status") == sentence


async def test_a_language_that_the_server_has_fixed_comes_first(
    discord: FakeDiscord, app: App
) -> None:
    told = await ask(discord, "de", "settings language", option("language", 3, "fr"))
    assert "- langue : Français" in told
    assert (await ask(discord, "ru", "train status")).startswith("Aucun entraînement")
    assert (await ask(discord, "en-US", "train status")).startswith("Aucun entraînement")
    number = await discord.say("!train status")
    await discord.until(lambda: discord.answers_to(number))
    assert discord.answers_to(number)[0]["content"].startswith("Aucun entraînement")
    assert "- Sprache: die jedes" in await ask(discord, "de", "settings language")
    assert (await ask(discord, "ru", "train status")).startswith("Обучение не идёт")


async def test_a_language_that_there_is_not_cannot_be_fixed(discord: FakeDiscord, app: App) -> None:
    told = await ask(discord, "de", "settings language", option("language", 3, "tlh"))
    assert told == "language ist 'tlh'; erlaubt ist: en, de, fr, es, pt-BR, ru."


async def test_a_refusal_is_translated_for_the_member_and_english_in_the_log(
    discord: FakeDiscord, app: App, log_lines: LogLines
) -> None:
    told = await ask(discord, "de", "sonnet", option("lines", 4, 9999))
    assert told == "lines ist 9999; erlaubt ist: zwischen 1 und 500."
    assert not [line for line in log_lines() if "erlaubt" in str(line)]


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://127.0.0.1/walk.txt", "das Ziel liegt nicht im öffentlichen Internet"),
        ("http://example.org:8080/", "der Port ist weder 80 noch 443"),
        ("ftp://example.org/", "das ist keine Adresse mit http:// oder https://"),
    ],
)
async def test_why_a_book_is_not_fetched_is_told_in_german(
    discord: FakeDiscord, app: App, address: str, reason: str
) -> None:
    command = await discord.interact(
        2, discord.called("book add", option("source", 3, address)), locale="de"
    )
    await discord.until(lambda: any("Von" in content for content in discord.contents))
    assert discord.answers_to(command)
    assert unescape(discord.contents[-1]) == (
        f"Von '{address}' kann ich kein Buch holen: {reason}. Gib die https://-Adresse einer "
        "reinen Textdatei oder eine Nummer von Project Gutenberg an, oder häng die Datei an."
    )


async def test_why_a_book_is_refused_is_told_in_german(discord: FakeDiscord, app: App) -> None:
    file = discord.attach("walks.txt", b"%PDF-1.7" * 999)
    data = discord.called("book add", option("file", 11, file["id"]))
    data["resolved"] = {"attachments": {file["id"]: file}}
    await discord.interact(2, data, locale="de")
    await discord.until(lambda: any("PDF" in content for content in discord.contents))
    assert unescape(discord.contents[-1]) == (
        "Das Buch 'walks' ist kein Text: es ist ein PDF. Gib eine reine Textdatei an (.txt, .md, "
        ".tex …)."
    )


@pytest.mark.parametrize("typed", ["{name}", "{0.__class__}", "%s %d", "{", "}}", "{value!r}"])
async def test_braces_and_percent_signs_that_a_member_typed_are_text(
    discord: FakeDiscord, app: App, typed: str
) -> None:
    for locale in ("de", "ru", "en-US"):
        told = await ask(discord, locale, "sonnet", option("model", 3, typed))
        assert typed in told.replace("\\", "")
        assert "ID" not in told


async def test_a_poem_has_its_buttons_and_notes_in_the_language_of_who_asked(
    discord: FakeDiscord, app: App
) -> None:
    command = await discord.interact(
        2,
        discord.called("sonnet", option("seed", 3, "a rose"), option("form", 3, "free")),
        locale="ru",
    )
    await discord.until(
        lambda: any("зерно" in one["content"] for one in discord.answers_to(command))
    )
    [poem] = discord.answers_to(command)
    assert read_verse(poem["content"]).startswith("a rose")
    labels = [each["label"] for row in poem["components"] for each in row["components"]]
    assert labels == ["Ещё раз", "Дальше", "Удалить"]
    await discord.press(poem, "Ещё раз")
    await discord.until(lambda: len(discord.answers) > 1)


async def test_discord_is_told_the_names_of_commands_in_each_language(
    discord: FakeDiscord, app: App
) -> None:
    sonnet = next(each for each in discord.commands if each["name"] == "sonnet")
    assert sonnet["name_localizations"]["ru"] == "сонет"
    assert sonnet["name_localizations"]["es-419"] == sonnet["name_localizations"]["es-ES"]
    assert "ja" not in sonnet["name_localizations"]
    form = next(each for each in sonnet["options"] if each["name"] == "form")
    assert form["choices"][0]["name_localizations"]["pt-BR"] == "soneto"
    menu = next(each for each in discord.commands if each.get("type") == 3)
    assert menu["name_localizations"]["de"] == "Sonett daraus"


# Messages, which say nothing of a language


async def test_a_message_is_answered_in_the_language_of_its_server(simulation: Simulation) -> None:
    guild = simulation.env.create_guild("Чтецы", preferred_locale="ru")
    channel = guild.create_text_channel("verse")
    ann = guild.add_member(simulation.env.create_user("anna"))
    await ann.send(channel, "!sonnet --form nothing rose")
    last = channel.last_message
    assert last is not None
    assert "а нужно: sonnet, quatrain" in last.content
    await simulation.ann.send(simulation.channel, "!sonnet --form nothing rose")
    assert "it must be one of sonnet" in simulation.answers[-1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_told_at_length_fits_a_message(language: str) -> None:
    with speaking(language):
        ids = dict.fromkeys(("sonnet", "book", "settings", "privacy"), 2**63)
        told = help_text("Sonneteer" * 3, "!", ["model" * 12] * 9, ids)
        assert measure(told) <= MAX_MESSAGE
        assert measure(format_privacy(NOBODY_NAMED)) <= MAX_MESSAGE - 100


@pytest.mark.parametrize("language", LANGUAGES)
def test_forms_panels_and_buttons_are_within_discords_limits(language: str) -> None:
    """https://discord.com/developers/docs/components/reference has them."""
    most = {"label": 100, "description": 100, "title": 45, "placeholder": 100}
    with speaking(language):
        panel = settings_panel(
            PanelState(GuildSettings(channels=("1",) * 50), Defaults(), (SONNETS,), None, None)
        )
        forms = [settings_form(what, GuildSettings()) for what in ("numbers", "daily")]
        sent = [form.to_dict() for form in (*forms, book_form(BookEntry()))]
        views: list[Any] = [panel, examples_view()]
        sent += [{"components": view.to_components()} for view in views]
    for part in walk_all(sent):
        if part.get("type") == 18:  # a label around a field
            assert len(part["label"]) <= 45, part["label"]
        if part.get("type") == 2:
            assert len(part["label"]) <= 80, part["label"]
        for name, limit in most.items():
            assert len(part.get(name) or "") <= limit, part[name]


def walk_all(part: object) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from walk_all(each)


def client_of(fixed: str | None = None, locale: str = "fr") -> Any:
    cog = SimpleNamespace(fixed_language=lambda _: fixed)
    guild = SimpleNamespace(preferred_locale=locale)
    return SimpleNamespace(get_cog=lambda _: cog, get_guild=lambda _: guild)


def test_what_is_said_to_a_server_is_in_its_language() -> None:
    assert server_language(client_of(), 1) == "fr"
    assert server_language(client_of("ru"), 1) == "ru"
    assert server_language(client_of(locale="ja"), 1) == "en"
    assert server_language(client_of(), None) == "en"


def test_a_bot_that_does_not_know_the_server_speaks_the_members_language() -> None:
    client = SimpleNamespace(get_cog=lambda _: None, get_guild=lambda _: None)
    asked: Any = SimpleNamespace(guild_id=7, locale="de")
    assert language_for(client, asked) == "de"


def test_every_cog_speaks_to_who_asked(simcord_bot: SonneteerBot) -> None:
    for cog in AnsweringCog.__subclasses__():
        assert cog.interaction_check is AnsweringCog.interaction_check
