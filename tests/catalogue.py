"""Every sentence that the bot and its page can say, and the catalogues of translations.

    python -m tests.catalogue    bring the catalogues up to date: `make catalogue`

Sentences of the Python code and of the page's scripts are the literals in calls such as `say`;
those of the page are its texts; names and descriptions of commands are what discord.py has.
"""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import discord
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po
from discord import app_commands
from discord.ext import commands

from bot.core.languages import ENGLISH, LANGUAGES, catalogue_path
from bot.discord_app.cogs.books import Books
from bot.discord_app.cogs.help import Help
from bot.discord_app.cogs.poems import Poems
from bot.discord_app.cogs.privacy import Privacy
from bot.discord_app.cogs.settings import Settings
from bot.discord_app.cogs.together import Together

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "bot" / "web" / "page"
PAGES = ("index.html", "kiosk.html", "room.html")
COGS = (Books, Help, Poems, Privacy, Settings, Together)
NAME = "name"  # the context of what a member types: names of commands and of options
PYTHON = {"sentence": 1, "say": 1, "counted": 2, "say_counted": 2}  # how many texts each takes
SCRIPTS: dict[str, Any] = {"translate": None, "counted": (1, 2)}
OPTIONS = {"parse_template_string": True}  # of scripts
ATTRIBUTES = ("aria-label", "placeholder", "alt", "title")
VOID = ("meta", "link", "img", "input", "br", "hr")
# Which form of a text goes with a count. Of CLDR's rules, that for millions is left out.
PLURALS = {
    "de": "nplurals=2; plural=(n != 1);",
    "fr": "nplurals=2; plural=(n > 1);",
    "es": "nplurals=2; plural=(n != 1);",
    "pt-BR": "nplurals=2; plural=(n > 1);",
    "ru": "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && "
    "(n%100<12 || n%100>14) ? 1 : 2);",
}
HEADER = """msgid ""
msgstr ""
"Language: {language}\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: {plural}\\n"

"""


@dataclass(frozen=True)
class Message:
    """What can be said: one text, or the texts for one and for many."""

    texts: tuple[str, ...]
    path: str
    context: str | None = None


def messages() -> Iterator[Message]:
    """Yield all that can be said, in the order of the files."""
    for path in sorted((ROOT / "bot").rglob("*.py")):
        yield from _in_code(path)
    for path in sorted(PAGE.glob("*.js")):
        yield from _in_script(path)
    for name in PAGES:
        shown = str((PAGE / name).relative_to(ROOT))
        for text in page_texts((PAGE / name).read_text("utf-8")):
            yield Message((text,), shown)
    for payload in payloads():
        yield from _in_command(payload)


def _in_code(path: Path) -> Iterator[Message]:
    """Yield what a module says, also in f-strings, where Babel does not look."""
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        count = PYTHON.get(call.func.id, 0) if isinstance(call.func, ast.Name) else 0
        texts = [each.value for each in call.args[:count] if isinstance(each, ast.Constant)]
        if texts:
            yield Message(tuple(map(str, texts)), str(path.relative_to(ROOT)))


def _in_script(path: Path) -> Iterator[Message]:
    shown = str(path.relative_to(ROOT))
    for _, texts, _, _ in extract_from_file("javascript", path, SCRIPTS, options=OPTIONS):
        kept = (texts,) if isinstance(texts, str) else tuple(texts)
        yield Message(kept, shown)


class _Texts(HTMLParser):
    """Collects the texts of a page: of each element that has no other within it than keys."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._open: list[tuple[str, bool]] = []  # elements, and whether they are translated
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "kbd":
            self._text += "["
            return
        self._text = ""
        outer = self._open[-1][1] if self._open else True
        is_translated = outer and given.get("translate") != "no"
        if is_translated:
            self.found += [given[name] or "" for name in ATTRIBUTES if given.get(name)]
        if tag not in VOID:
            self._open.append((tag, is_translated and tag not in ("script", "noscript", "head")))

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "kbd":
            self._text += "]"
            return
        _, is_translated = self._open.pop()
        text = " ".join(self._text.split())
        if is_translated and re.search("[A-Za-z]{2}", text):
            self.found.append(text)
        self._text = ""


def page_texts(page: str) -> list[str]:
    """Return the texts of a page's elements, with keys in brackets.

    >>> page_texts('<p>Press <kbd>Esc</kbd>.</p><b translate="no">Ann</b>')
    ['Press [Esc].']
    """
    texts = _Texts()
    texts.feed(page)
    return texts.found


def payloads(translator: app_commands.Translator | None = None) -> list[dict[str, Any]]:
    """Return the commands as Discord gets them, without translations."""
    client = discord.Client(intents=discord.Intents.none())
    tree: app_commands.CommandTree[Any] = app_commands.CommandTree(client)
    return [command.to_dict(tree) for command in slash_commands()]


def slash_commands() -> list[Any]:
    """Return the slash commands of all cogs, the groups as one each."""
    found: list[Any] = []
    for cog in COGS:
        own = [each for each in cog.__cog_app_commands__ if each.parent is None]
        hybrid = (commands.HybridCommand, commands.HybridGroup)
        mixed = [
            each.app_command
            for each in cog.__cog_commands__
            if isinstance(each, hybrid) and each.parent is None
        ]
        found += [*own, *mixed]
    return found


def _in_command(payload: dict[str, Any]) -> Iterator[Message]:
    path = "bot/discord_app/cogs"
    yield Message((payload["name"],), path, NAME)
    if payload["description"] != "…":  # discord.py's, where there is none
        yield Message((payload["description"],), path)
    for choice in payload.get("choices") or ():
        if choice["name"] not in LANGUAGES.values():  # languages are named in themselves
            yield Message((choice["name"],), path)
    for option in payload.get("options") or ():
        yield from _in_command(option)


def template() -> Catalog:
    """Return a catalogue of all that can be said, without translations."""
    made = Catalog(fuzzy=False)
    for message in messages():
        texts = message.texts[0] if len(message.texts) == 1 else message.texts
        made.add(texts, locations=[(message.path, 0)], context=message.context)
    return made


def read(language: str) -> Catalog:
    locale = language.replace("-", "_")
    path = catalogue_path(language)
    start = HEADER.format(language=language, plural=PLURALS[language])
    return read_po(io.BytesIO(path.read_bytes() if path.exists() else start.encode()), locale)


def update(language: str) -> int:
    """Write the catalogue of a language anew; return how many of its texts lack a translation."""
    catalogue = read(language)
    catalogue.update(template(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    out = io.BytesIO()
    write_po(out, catalogue, width=100, omit_header=True, sort_by_file=True, include_lineno=False)
    header = HEADER.format(language=language, plural=PLURALS[language])
    catalogue_path(language).write_bytes(header.encode() + out.getvalue().lstrip())
    return sum(not all(texts_of(each.string)) for each in catalogue if each.id)


def texts_of(text: Any) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text or ("",))


if __name__ == "__main__":
    for code in LANGUAGES:
        if code != ENGLISH:
            print(f"{code}: {update(code)} texts to translate")  # noqa: T201
