"""The catalogues: whole, in step with the code, and within Discord's limits; and the sentences."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Message as Entry
from discord import Locale, app_commands

from bot.core.jobs import ENDINGS
from bot.core.languages import (
    ENGLISH,
    LANGUAGES,
    counted,
    known_language,
    pack_sentence,
    page_messages,
    recognise,
    say,
    sentence,
    speaking,
    translate,
    unpack_sentence,
    write_number,
)
from bot.discord_app.languages import CommandTranslator
from tests.catalogue import NAME, PAGE, PYTHON, ROOT, read, slash_commands, template, texts_of

OTHERS = [code for code in LANGUAGES if code != ENGLISH]
FIELD = re.compile(r"\{(\w+)(?::[^{}]*)?\}")
COMMAND = re.compile(r"(?<![\w/<>.:])/([^\W\d][\w-]*(?: [\w-]+)?)")


def entries(language: str) -> list[Entry]:
    return [each for each in read(language) if each.id]


def fields_of(text: str) -> set[str]:
    assert not re.search(r"[{}]", FIELD.sub("", text)), text
    return set(FIELD.findall(text))


def numbers_of(text: str) -> list[str]:
    """Return the numbers of a text, however it groups thousands and writes fractions."""
    plain = re.sub(r"(?<=\d)[,.\s](?=\d)", "", FIELD.sub("", text))
    return sorted(re.findall(r"\d+", plain))


def pairs(language: str) -> Iterator[tuple[str, str]]:
    """Yield each text with its translation; for a count, the one for many with each form."""
    for entry in entries(language):
        for text in texts_of(entry.string):
            yield texts_of(entry.id)[-1], text


@pytest.mark.parametrize("language", OTHERS)
def test_a_catalogue_has_what_can_be_said_and_nothing_else(language: str) -> None:
    said = {(each.context, each.id) for each in template() if each.id}
    assert {(each.context, each.id) for each in entries(language)} == said, "run: make catalogue"


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_translated_and_no_translation_is_a_guess(language: str) -> None:
    for entry in entries(language):
        assert not entry.fuzzy, entry.id
        assert all(text.strip() for text in texts_of(entry.string)), entry.id
        forms = 3 if language == "ru" else 2
        assert len(texts_of(entry.string)) == (forms if entry.pluralizable else 1), entry.id


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_has_the_fields_and_the_numbers_of_its_text(language: str) -> None:
    for entry in entries(language):
        one, many = texts_of(entry.id)[0], texts_of(entry.id)[-1]
        forms = texts_of(entry.string)
        for number, text in enumerate(forms):
            lone = entry.pluralizable and number == 0 and language != "ru"
            wanted = fields_of(one if lone else many)
            assert (
                fields_of(text) | {"count"} == wanted | {"count"}
                if lone
                else (fields_of(text) == wanted)
            ), text
            assert numbers_of(text) == numbers_of(many), text


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_keeps_marks_and_ends_as_its_text_does(language: str) -> None:
    for text, translated in pairs(language):
        for mark in ("**", "`", "-# ", "⚠"):
            assert translated.count(mark) == text.count(mark), translated
        for mark in (".", "…", ":", "?"):
            assert translated.rstrip().endswith(mark) == text.endswith(mark), translated
        assert translated == translated.strip(), translated


@pytest.mark.parametrize("language", OTHERS)
def test_commands_are_called_in_sentences_as_they_are_in_the_list(language: str) -> None:
    names = {str(each.id): str(each.string) for each in entries(language) if each.context == NAME}
    known = {name for each in slash_commands() for name in qualified_names(each)}
    for text, translated in pairs(language):
        wanted = []
        for found in COMMAND.findall(text):
            name = found if found in known else found.split()[0]
            if name in known:
                wanted.append("/" + " ".join(names[word] for word in name.split()))
        for name in wanted:
            assert name in translated, (name, translated)


def qualified_names(command: Any) -> Iterator[str]:
    yield command.qualified_name
    for child in getattr(command, "commands", ()):
        yield from qualified_names(child)


# Discord


@pytest.mark.parametrize("locale", list(Locale))
async def test_names_and_descriptions_are_within_discords_limits(locale: Locale) -> None:
    translator = CommandTranslator()
    for command in slash_commands():
        payload = await translated_payload(command, translator)
        for part in walk(payload):
            names = part.get("name_localizations") or {}
            for texts, most in ((names, 32), (part.get("description_localizations") or {}, 100)):
                text = texts.get(locale.value)
                assert text is None or 1 <= len(text) <= most, text
            if locale.value in names and "choices" in part:
                assert re.fullmatch(r"[-_'\w]{1,32}", names[locale.value]), names[locale.value]
                assert names[locale.value] == names[locale.value].lower()
        if known_language(locale.value) in OTHERS:
            assert locale.value in payload["description_localizations"]


async def test_no_two_commands_or_options_beside_each_other_have_one_name() -> None:
    payloads = [await translated_payload(each, CommandTranslator()) for each in slash_commands()]
    inner = [part.get("options", []) for each in payloads for part in walk(each)]
    for siblings in [payloads, *inner]:
        for language in ("de", "fr", "es-ES", "es-419", "pt-BR", "ru"):
            names = [
                (each["name_localizations"] or {}).get(language, each["name"]) for each in siblings
            ]
            assert len(set(names)) == len(names), names


async def translated_payload(command: Any, translator: CommandTranslator) -> dict[str, Any]:
    import discord

    client = discord.Client(intents=discord.Intents.none())
    tree: app_commands.CommandTree[Any] = app_commands.CommandTree(client)
    payload: dict[str, Any] = await command.get_translated_payload(tree, translator)
    return payload


def walk(payload: dict[str, Any]) -> Iterator[dict[str, Any]]:
    payload.setdefault("options", [])
    payload.setdefault("name_localizations", {})
    yield payload
    for option in payload["options"]:
        yield from walk(option)
    yield from payload.get("choices") or ()


# The code


CALLS = set(PYTHON)
SPOKEN = ("bot/discord_app", "bot/core", "bot/cluster", "bot/web/errors.py", "bot/web/lines.py")
# What only a host or a program reads: the log, the doctor, the command line, and OpenAI's API.
ENGLISH_ONLY = (
    "cluster/bus",
    "core/backup",
    "core/card",
    "core/fetching/routes",
    "core/installation",
    "core/metrics",
    "core/model_card",
    "core/model_files",
    "core/policies",
    "core/store",
    "discord_app/gateway",
    "discord_app/metrics",
    "discord_app/supervisor",
    "discord_app/retries",
)
WORDS = re.compile(r"[A-Za-z]{2,}[,:;]? [a-z]{2,}")
# Names, verse, words of commands, and what is translated where it is shown.
KEPT_ENGLISH = (
    *("the writing thread stopped", "the database is locked", "the bot was closed"),
    *("wrong code", "channel models", "the default model", "lines and characters", "no lines"),
    *("measuring and writing", "an address", "an attachment", "address or number", "not one of"),
    *("`{p}book add NAME`", "`{p}settings show`", "sonnet --form haiku", " at most every "),
    # The state of a room, which all its visitors get as one text.
    *("Something went wrong. The next", "No line was found that fits", "alone seconds"),
    *("ended with status ", "has ended, and was not ours"),  # for the log
    *("When winter nights", "An old silent pond", "Nobody told me", "training messages wait"),
)


def unsaid_strings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield strings that look like sentences and are in no call that makes them translatable."""
    tree = ast.parse(path.read_text("utf-8"))
    skipped: set[int] = set()
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_call = isinstance(node, ast.Call) and callee(node) in CALLS | IGNORED_CALLS
        is_check = isinstance(node, ast.Assert)
        if is_text or is_call or is_check:
            skipped |= {id(each) for each in ast.walk(node)}
        if isinstance(node, ast.keyword) and node.arg in ("description", "name"):
            skipped |= {id(each) for each in ast.walk(node)}  # of commands: see tests/catalogue.py
        if isinstance(node, ast.ClassDef) and node.name in HOSTS_ERRORS:
            skipped |= {id(each) for each in ast.walk(node)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in skipped:
            continue
        text = node.value
        if isinstance(text, str) and WORDS.search(text) and not text.startswith(KEPT_ENGLISH):
            yield node.lineno, text


IGNORED_CALLS = {
    *("debug", "info", "warning", "error", "exception", "warn", "describe", "compile", "search"),
    *("execute", "fetch", "create_task", "ThrottledLog", "FairThread", "BadConfig", "TimeoutError"),
    *("ValueError", "BadMessage"),
}
HOSTS_ERRORS = {
    *("BadConfig", "CannotWrite", "DataFolderUnusable", "DatabaseUnusable", "BackupUnusable"),
    "PathRefused",
    *("CannotListen", "UnknownHost", "ForeignOrigin", "NotOurAddress", "LocalOnly", "WrongKey"),
    *("NotJson", "Compressed", "BodyTooSlow", "HeadersTooSlow", "Malformed", "BadBody"),
}


def callee(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def test_no_sentence_of_the_code_is_left_out_of_the_catalogue() -> None:
    found = []
    for path in sorted((ROOT / "bot").rglob("*.py")):
        shown = path.relative_to(ROOT).as_posix()
        if not shown.startswith(SPOKEN) or any(part in shown for part in ENGLISH_ONLY):
            continue
        found += [f"{shown}:{line}: {text}" for line, text in unsaid_strings(path)]
    assert not found, "\n".join(found)


def test_what_is_said_is_a_literal_that_can_be_found() -> None:
    for path in sorted((ROOT / "bot").rglob("*.py")):
        if path.name == "languages.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and callee(node) in CALLS and node.args:
                count = 2 if "counted" in callee(node) else 1
                for argument in node.args[:count]:
                    assert isinstance(argument, ast.Constant), f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("path", sorted(PAGE.glob("*.js")), ids=lambda path: path.name)
def test_no_sentence_of_a_script_is_left_out_of_the_catalogue(path: Path) -> None:
    if path.name.startswith("dashboard"):
        pytest.skip("for hosts alone")
    code = re.sub(r"(?m)//.*$", "", path.read_text("utf-8"))
    code = re.sub(r"(?:translate|counted)\((?:\s*(?:\"[^\"]*\"|`[^`]*`)[\s+,]*)+", "", code)
    code = re.sub(r"new Error\([^)]*\)", "", code)
    strings = re.findall(r"\"([^\"\n]*)\"|`([^`]*)`", code)
    found = [text for pair in strings for text in pair if re.match(r"[A-Z][a-z]+ [a-z]+ ", text)]
    assert not found


def test_every_language_of_the_bot_can_be_chosen_on_the_page() -> None:
    page = (PAGE / "index.html").read_text("utf-8")
    options = re.findall(r'<option value="([\w-]+)" lang="([\w-]+)" translate="no">([^<]+)<', page)
    assert {code: name for code, lang, name in options if code == lang} == LANGUAGES
    known = (PAGE / "language.js").read_text("utf-8").partition("KNOWN = [")[2].partition("]")[0]
    assert re.findall(r'"([\w-]+)"', known) == list(LANGUAGES)


@pytest.mark.parametrize("language", OTHERS)
def test_the_page_gets_what_it_says_and_no_more(language: str) -> None:
    messages = page_messages(language)
    assert messages["Write"]
    assert "Manage the books that poems come from" not in messages
    assert isinstance(messages["Finished: {count} line."], list)


# Sentences

HOSTILE_FIELDS = (
    *("{x.__class__}", "{x[0]}", "{x!r}", "{x:>999999999}", "{x:{x}}", "{0}", "{}", "{", "}", "{{"),
    *("{x:.999999999f}", "{x:999999999}", "{x:%Y}", "{x:s}"),
)


def nested(depth: int) -> dict[str, object]:
    """Return a sentence in a sentence, `depth` of them."""
    value: object = "y"
    for _ in range(depth):
        value = {"messages": ["{x}"], "values": {"x": value}}
    assert isinstance(value, dict)
    return value


def test_a_sentence_is_english_text_until_somebody_reads_it_in_another_language() -> None:
    told = sentence("The model {name} was deleted.", name="rose")
    assert told == "The model rose was deleted."
    assert translate(told, "de") == "Das Modell rose wurde gelöscht."
    with speaking("fr"):
        assert translate(told) == "Le modèle rose a été supprimé."
        assert say("No") == "Non"
    assert translate(told) == told
    assert translate("plain text", "de") == "plain text"


@pytest.mark.parametrize(
    "value",
    ["{name}", "{0}", "{x.__class__}", "{", "}}", "%s %(name)s", "\\N{BULLET}", "{name!r:>9}"],
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_stranger_typed_is_never_read_as_a_message(value: str, language: str) -> None:
    shown = translate(sentence("The model {name} was deleted.", name=value), language)
    assert value in shown
    inner = sentence("The model {name} was deleted.", name=value)
    assert value in translate(sentence("The training failed. {reason}", reason=inner), language)


def test_a_message_reaches_values_by_name_alone() -> None:
    with pytest.raises((KeyError, ValueError)):
        sentence("{name.__class__}", name="x")
    with pytest.raises((KeyError, ValueError)):
        sentence("{name[0]}", name="x")


@pytest.mark.parametrize(
    ("count", "russian"),
    [(1, "1 строка"), (3, "3 строки"), (5, "5 строк"), (11, "11 строк"), (21, "21 строка")],
)
def test_a_count_has_the_form_that_its_language_wants(count: int, russian: str) -> None:
    told = counted("{count} line", "{count} lines", count)
    assert translate(told, "ru") == russian
    assert translate(told, "de") == f"{count} Zeile" + "n" * (count != 1)


def test_numbers_and_dates_are_written_as_a_language_writes_them() -> None:
    from datetime import date

    told = sentence(
        "{characters:,} characters · {epochs} epochs · {facts}",
        characters=12345,
        epochs=3,
        facts=sentence("loss {loss:.3f}", loss=1.5),
    )
    assert translate(told, "de") == "12.345 Zeichen · 3 Epochen · Verlust 1,500"
    with speaking("fr"):
        assert write_number(0.25, ".0%") == "25\N{NARROW NO-BREAK SPACE}%"
    day = sentence("Poem of the day, {date}", date=date(2026, 3, 1))
    assert day == "Poem of the day, 1 March 2026"
    assert translate(day, "pt-BR") == "Poema do dia, 1 de março de 2026"


def test_a_sentence_of_another_process_can_be_translated() -> None:
    told = sentence(
        "{note} Together that is {share:.0%} of the file. If text of the book is missing, delete "
        "the lines about Project Gutenberg from the file and add it again.",
        note=counted(
            "Credits and notes were left out ({characters:,} characters).",
            "{count} blocks of credits and notes were left out ({characters:,} characters).",
            3,
            characters=1234,
        ),
        share=0.5,
    )
    again = unpack_sentence(json.loads(json.dumps(pack_sentence(told))))
    assert again == told
    for language in LANGUAGES:
        assert translate(again, language) == translate(told, language)


@pytest.mark.parametrize(
    "told",
    [
        *(7, None, [], {}, {"messages": ["x"]}, {"values": {}}),
        {"messages": "x", "values": {}},
        {"messages": ["x"], "values": {}, "more": 1},
        {"messages": [], "values": {}},
        {"messages": ["x", "x", "x"], "values": {"count": 1}},
        {"messages": ["x", "y"], "values": {}},
        {"messages": ["x", "y"], "values": {"count": 1.5}},
        {"messages": ["x", "{y}"], "values": {"count": 1}},
        {"messages": [7], "values": {}},
        {"messages": ["{x}"], "values": {}},
        {"messages": ["{x}"], "values": {"x": None}},
        {"messages": ["{x}"], "values": {"x": 1e300}},
        {"messages": ["{x}"], "values": {"x": float("nan")}},
        {"messages": ["{x:g}"], "values": {"x": 10**400}},
        {"messages": ["{x:,}"], "values": {"x": "y"}},
        *({"messages": [field], "values": {"x": "y"}} for field in HOSTILE_FIELDS),
        {"messages": ["x" * 2_001], "values": {}},
        {"messages": ["{x}" * 3], "values": {"x": "y" * 1_000}},
        {"messages": ["{x}"], "values": {"x": {"messages": ["{y.z}"], "values": {"y": "z"}}}},
        nested(4),
    ],
)
def test_a_process_that_was_taken_over_can_say_no_more_than_a_sentence(told: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        unpack_sentence(told)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_known_message_without_its_values_stays_english(language: str) -> None:
    one = "Project Gutenberg's header was left out ({characters:,} characters)."  # Russian counts
    told = unpack_sentence({"messages": [one], "values": {"characters": 7}})
    assert "7" in translate(told, language)


def test_text_of_another_process_is_cut() -> None:
    assert unpack_sentence("x" * 9_999) == "x" * 2_000
    assert unpack_sentence("{x.y}") == "{x.y}"


def test_the_ways_in_which_trainings_end_are_known_again() -> None:
    for ending in ENDINGS:
        values = {name: "x" if value == "" else value for name, value in ending.values.items()}
        kept = str(sentence(ending.messages[0], **values))
        assert translate(recognise(kept, ENDINGS), "de") != kept
