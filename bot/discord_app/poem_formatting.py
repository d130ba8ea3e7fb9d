"""Poems as messages: inert Markdown, parts within Discord's limits, and the way back.

Pure. What a message shows can be read back exactly, because a button that is pressed after a
restart has nothing but the message to go by.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.core.languages import say, sentence, translate
from bot.core.records import FORMS, FREE, RANGES, Ending, Poem, QueuePosition
from bot.discord_app.languages import command_name

MAX_MESSAGE = 2000  # Discord's limit for a bot, also for members who pay
MAX_FOOTER = 300
MAX_HEADING = 100
MAX_VERSE = (
    MAX_MESSAGE - MAX_FOOTER - MAX_HEADING
)  # the same for every part, so that a part never changes
MAX_PARTS = 5
MAX_OPENING = 600  # beside a file; a seed of 500 fits, and all of it escaped fits MAX_VERSE
MAX_LAST_LINE = 120
# Discord's small print and headings; escaped verse never has them at the start of a line.
CUT_SHORT = sentence("I was restarted before this poem was finished. Run /sonnet again.")
FOOTER_MARK = "-# "
HEADING_MARK = "### "

# At the start of a line: bullets, numbers, small print. Anywhere: emphasis, code, spoilers,
# quotes, mentions, timestamps, links, headings; a colon only where an emoji or a link could begin.
_LIVE = re.compile(r"^([^\S\n]*\d*)([-+.])|([\\*_~|`<>@#\[/]|:(?=\S))", re.MULTILINE)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_TOKEN = re.compile(r"<(@[!&]?|#)(\d{1,20})>|<a?(:\w{1,32}:)\d{1,20}>")


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file to attach."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class MessagePart:
    """One message of a reply."""

    content: str
    file: TextFile | None = None
    waits: bool = False  # it only shows a place in the queue


def escape(text: str) -> str:
    r"""Make every mark of Discord's Markdown show as itself.

    >>> escape("*so* be it: <@12> and\n# all")
    '\\*so\\* be it: \\<\\@12\\> and\n\\# all'
    """
    return _LIVE.sub(lambda m: f"{m[1]}\\{m[2]}" if m[2] else f"\\{m[3]}", text)


def unescape(text: str) -> str:
    """Undo `escape` exactly."""
    return _ESCAPED.sub(r"\1", text)


def measure(text: str) -> int:
    """Return the length as Discord may count it, in UTF-16 units.

    >>> measure("a rose 🌹")
    9
    """
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def plain_words(content: str, names: Mapping[str, str]) -> str:
    """Write mentions and custom emoji of a member's message as words.

    >>> plain_words("for <@12> and <:rose:34>", {"@12": "Ann"})
    'for @Ann and :rose:'
    """

    def words(match: re.Match[str]) -> str:
        kind, number, emoji = match.groups()
        if emoji:
            return str(emoji)
        key = f"{kind.replace('!', '')}{number}"
        return f"{key[0]}{names.get(key, 'somebody' if key[0] == '@' else 'somewhere')}"

    return _TOKEN.sub(words, content)


def split_verse(verse: str, *, keep: int = 0) -> list[str]:
    """Cut a poem into pieces that fit a message each, at a stanza or else at a line.

    The first `keep` characters (at most 500) stay together. Only line ends at a cut are lost.
    """
    pieces: list[str] = []
    rest = verse.strip("\n")
    while (end := _longest(rest)) < len(rest):
        cut = _cut(rest, end, end // 2 if pieces else max(keep, end // 2))
        pieces.append(rest[:cut])
        rest = rest[cut:].lstrip("\n ")
    return [piece for piece in [*pieces, rest] if piece.strip()] or [rest]


def _longest(text: str) -> int:
    """Return how many characters of `text` fit into a message."""
    ends = range(min(len(text), MAX_VERSE) + 1)
    return bisect_right(ends, MAX_VERSE, key=lambda end: measure(escape(text[:end]))) - 1


def _cut(text: str, end: int, least: int) -> int:
    for separator in ("\n\n", "\n", " "):
        found = text.rfind(separator, least, end + 1)
        if found > 0:
            return found
    return end


def format_growing(text: str, queue_position: QueuePosition) -> MessagePart:
    """Show a poem that is not finished: its first piece and its state."""
    verse = text.strip()
    first = split_verse(verse[: 2 * MAX_VERSE])[0]
    if queue_position.place:
        state = translate(queue_position.sentence)
    elif len(first) < len(verse):
        state = say("writing… {count:,} characters so far", count=len(text))
    else:
        state = say("writing…")
    return MessagePart(_with_footer(first, state), waits=queue_position.place > 0)


def format_unfinished(content: str) -> str:
    """Show what a message has of a poem that will not be finished; `content` may be "".

    >>> format_unfinished("Shall I\\n-# writing…").split("\\n")[0]
    'Shall I'
    """
    return _with_footer(read_verse(content), translate(CUT_SHORT)).lstrip("\n")


def format_finished(poem: Poem, *, may_attach: bool = True) -> list[MessagePart]:
    """Show a whole poem: one part, several, or its beginning, its last line and a file."""
    verse = poem.text.strip()
    pieces = split_verse(verse, keep=shown_seed_length(poem))
    signature = _signature(poem)
    if len(pieces) <= MAX_PARTS or not may_attach:
        contents = [escape(piece) for piece in pieces[:-1]]
        contents.append(_with_footer(pieces[-1], signature))
        return [
            MessagePart(heading + text)
            for heading, text in zip(_headings(poem), contents, strict=False)
        ]
    opening, last_line = pieces[0][:MAX_OPENING], verse.rsplit("\n", 1)[-1][-MAX_LAST_LINE:]
    opening = opening[: _cut(opening, len(opening), shown_seed_length(poem))]
    file = TextFile(f"poem-{poem.random_seed}.txt", f"{verse}\n\n{signature}\n")
    shown = f"{opening}\n\n[…]\n\n{last_line}"
    whole = say("all {count:,} characters are in the file", count=len(verse))
    notes = f"{whole} · {signature}"
    return [MessagePart(_with_footer(shown, notes), file)]


def shown_seed_length(poem: Poem) -> int:
    """Return how many characters of the shown poem are its seed."""
    return len(poem.seed.lstrip())


def _headings(poem: Poem) -> Iterator[str]:
    """Yield the line above each part: the title above the first."""
    title = " ".join(poem.looks.title.split())[: MAX_HEADING // 2 - len(HEADING_MARK)]
    yield f"{HEADING_MARK}{escape(title)}\n" if title else ""
    while True:
        yield ""


def _signature(poem: Poem) -> str:
    notes = [translate(note) for note in poem.notes]
    if poem.ending is Ending.CANCELLED:
        notes.append(say("Stopped early."))
    return " · ".join(
        [poem.model, say("random seed {number}", number=str(poem.random_seed)), *notes]
    )


def _with_footer(verse: str, footer: str) -> str:
    small = " ".join(footer.split())
    while measure(escape(small)) > MAX_FOOTER - len(FOOTER_MARK) - 1:
        small = f"{small[:-10]}…"
    return f"{escape(verse)}\n{FOOTER_MARK}{escape(small)}"


def read_verse(content: str) -> str:
    """Return the verse that a message shows, its footer left out."""
    verse, mark, _ = content.rpartition(f"\n{FOOTER_MARK}")
    if not mark:
        verse = "" if content.startswith(FOOTER_MARK) else content
    if verse.startswith(HEADING_MARK):
        verse = verse.partition("\n")[2]
    return unescape(verse)


def read_title(content: str) -> str:
    """Return the title above the verse, "" where there is none."""
    first = content.partition("\n")[0]
    return unescape(first.removeprefix(HEADING_MARK)) if first.startswith(HEADING_MARK) else ""


def read_seed(content: str, length: int) -> str:
    """Return the first `length` characters of the verse in a reply's first message."""
    return read_verse(content)[:length].rstrip()


def read_last_line(content: str) -> str:
    """Return the last line of the verse in a reply's last message."""
    lines = [line for line in read_verse(content).split("\n") if line.strip()]
    return lines[-1].strip() if lines else ""


def help_text(name: str, prefix: str | None, models: Sequence[str], ids: Mapping[str, int]) -> str:
    """Return how to ask; `prefix` is None where the bot cannot read plain messages.

    A command whose id is known is shown as a link that fills in the command.
    """

    def slash(command: str) -> str:
        number = ids.get(command.split()[0])
        return f"`/{command_name(command)}`" if number is None else f"</{command}:{number}>"

    name = escape(name)
    ways = [
        say("{command} with your opening words, a form, a model and more", command=slash("sonnet")),
        say("`@{name} your opening words`", name=name),
        say(
            "{command} to write a poem with me line by line, alone or by vote in a channel",
            command=slash("together"),
        ),
        say("your opening words in a direct message, or in a reply to a poem"),
        say("a message's menu: Apps, Sonnet from this"),
    ]
    if prefix is not None:
        ways.insert(1, say("`{prefix}sonnet your opening words`", prefix=prefix))
        options = f"`{prefix}sonnet --form haiku --temperature 0.9 rose`"
        ways.append(say("options with the prefix: {example}", example=options))
    lines = [
        say("**{name} writes poems.** Give me an opening, or none, and I continue it:", name=name),
        *(f"- {way}" for way in ways),
        say(
            "Buttons under a poem: **Again** writes another with the same opening, **Continue** "
            "carries on from its last line, **Card** makes an image, **Delete** removes it."
        ),
        say(
            "Books: see {list}. Admins add books with {add} and change settings with {settings}. "
            "What I store about you: {privacy}.",
            list=slash("book list"),
            add=slash("book add"),
            settings=slash("settings show"),
            privacy=slash("privacy"),
        ),
        say(
            "-# forms: {forms} · lines of free text {lines} · temperature {temperature} · models: "
            "{models}",
            forms=", ".join((*FORMS, FREE)),
            lines=RANGES["lines"].sentence,
            temperature=RANGES["temperature"].sentence,
            models=escape(", ".join(models)[:400]) or "–",
        ),
        say("Try one:"),
    ]
    return "\n".join(lines)
