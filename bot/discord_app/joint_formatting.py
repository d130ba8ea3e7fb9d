"""A joint poem as a message: its verse, one line of small print, and the lines to choose from.

Pure. There is one line of small print, so that `read_verse` finds the verse after a restart.
"""

from __future__ import annotations

from itertools import groupby

from bot.core.languages import say, say_counted, sentence, translate
from bot.core.records import VerseLine
from bot.discord_app.joint_poem import BOT, JointLine, JointPoem, Phase
from bot.discord_app.poem_formatting import (
    FOOTER_MARK,
    MAX_MESSAGE,
    MAX_VERSE,
    escape,
    measure,
    read_verse,
)

MAX_RHYME = 30  # characters of the word that the next line rhymes with
LEAST_TOLD = 120  # UTF-16 units kept below the lines to choose from
SHORTENINGS = (100, 60, 40, 25, 12)  # characters of an option, the first that fits
RESTARTED = sentence("I was restarted, so this poem ends here. Run /together to write another.")


def format_joint(poem: JointPoem, ends_at: float | None = None) -> str:
    """Show a joint poem; `ends_at` is when its vote ends, in seconds since 1970 by Discord."""
    verse = _shown(poem.verse)
    head = f"{verse}\n{FOOTER_MARK}{_status(poem, ends_at)}".lstrip("\n")
    told = _told(poem)
    room = MAX_MESSAGE - measure(head) - 2
    options = _options(poem, room - min(measure(told), LEAST_TOLD))
    told = _cut(told, room - measure(options))
    return "\n".join(filter(None, (head, options, told)))


def format_ended(verse: str, sentence: str) -> str:
    """Show what there is of a poem that ends.

    >>> format_ended("Shall I", "Stopped here.")
    'Shall I\\n-# Stopped here.'
    """
    return f"{_shown(verse)}\n{FOOTER_MARK}{sentence}".lstrip("\n")


def format_interrupted(content: str) -> str:
    """Show what a message has of a poem that a restart has ended; `content` may be ""."""
    return format_ended(read_verse(content), translate(RESTARTED))


def format_lost(verse: str, sentence: str) -> str:
    """Tell a member the lines of a poem whose message is gone."""
    return f"{sentence}\n{_shown(verse)}" if verse else sentence


def format_look(line: VerseLine) -> str:
    """Say a line's rhyme, show its beats in bold, and say what does not fit its form."""
    notes = [escape(translate(note)) for note in line.notes]
    beats = _beats(line)
    if line.looks.rhyme:
        beats = say("rhyme {rhyme}: {line}", rhyme=line.looks.rhyme, line=beats)
    return " ".join([beats, *notes])


def wish_for_next(poem: JointPoem, separator: str) -> str:
    """Say what the form wants of the next line, as the bot's first one has it; "" if not known."""
    if not poem.candidates:
        return ""
    looks = poem.candidates[0].looks
    others = [line for line in poem.lines if looks.rhyme and line.line.looks.rhyme == looks.rhyme]
    rhyme = say("rhyme {rhyme}", rhyme=looks.rhyme) if looks.rhyme else say("no rhyme")
    if others:
        word = _last_word(others[-1])
        rhyme = say("rhyme {rhyme} with “{word}”", rhyme=looks.rhyme, word=word)
    syllables = [text for text, _ in looks.syllables if any(map(str.isalnum, text))]
    beats = sum(beat for _, beat in looks.syllables) if looks.rhyme else 0  # a haiku has no metre
    size = (
        say_counted("{count} syllable", "{count} syllables", len(syllables)),
        say_counted("{count} beat", "{count} beats", beats) if beats else "",
    )
    return separator.join(filter(None, (rhyme, *size)))


def _last_word(line: JointLine) -> str:
    words = [word.strip(".,;:!?") for word in line.text.split()]
    return ([word for word in words if word] or [""])[-1][:MAX_RHYME]


def _shown(verse: str) -> str:
    """Escape a verse; of one that is too long for a message, the last lines."""
    lines = [escape(line) for line in verse.split("\n")]
    while len(lines) > 1 and measure("\n".join(lines)) > MAX_VERSE:
        lines = ["…", *lines[2 if lines[0] == "…" else 1 :]]
    return "\n".join(lines)


def _status(poem: JointPoem, ends_at: float | None) -> str:
    if poem.is_whole:
        place = say_counted(
            "The only line is written", "All {count} lines are written", poem.length
        )
    else:
        place = _place(len(poem.lines) + 1, poem.length)
    match poem.phase:
        case Phase.LOOKING:
            return " · ".join((place, say("I am looking for the next line…")))
        case Phase.FINISHING:
            return " · ".join((place, say("I am finishing the poem…")))
        case Phase.PAUSED:
            return " · ".join((place, say("paused")))
    parts = [part for part in (place, escape(wish_for_next(poem, " · "))) if part]
    if poem.vote is not None and ends_at is not None:
        moment = f"<t:{round(ends_at)}:R>"
        parts.append(say("the vote ends {time}", time=moment))
    return " · ".join(parts)


def _place(number: int, length: int) -> str:
    if not length:
        return say("Line {number}", number=number)
    return say("Line {number} of {count}", number=number, count=length)


def _options(poem: JointPoem, room: int) -> str:
    """List the lines to choose from, each cut as far as the message needs it."""
    if poem.vote is not None:
        counts = poem.vote.counts
        lines = poem.vote.options
        votes = [counts[number] for number in range(1, len(lines) + 1)]
    else:
        lines, votes = [JointLine(line) for line in poem.candidates], []
    text = ""
    for most in SHORTENINGS:
        rows = []
        for number, line in enumerate(lines, 1):
            shown = line.text if len(line.text) <= most else f"{line.text[: most - 1]}…"
            author = f" (<@{line.author}>)" if line.author != BOT else ""
            count = votes[number - 1] if votes else 0
            cast = f" · {say_counted('{count} vote', '{count} votes', count)}" if count else ""
            rows.append(f"**{number}** {escape(shown)}{author}{cast}")
        text = "\n".join(rows)
        if measure(text) <= room:
            return text
    return ""  # the buttons are there all the same


def _told(poem: JointPoem) -> str:
    """Say how a member's line fits, and what else there is to say."""
    told = [translate(poem.notice)] if poem.notice else []
    last = poem.lines[-1] if poem.lines else None
    if last is not None and last.author != BOT and not poem.is_busy:
        told.append(
            say("Line {number}: {look}", number=len(poem.lines), look=format_look(last.line))
        )
    return "\n".join(told)


def _cut(text: str, most: int) -> str:
    """Cut text to so many UTF-16 units; no half of an escape is left."""
    if measure(text) <= most:
        return text
    while text and measure(text) >= most:
        text = text[:-1]
    return f"{text.rstrip(chr(92))}…" if text else ""


def _beats(line: VerseLine) -> str:
    """Show a line with its beats in bold; beats next to each other are one piece of bold."""
    pieces = []
    for beat, group in groupby(line.looks.syllables, key=lambda part: part[1]):
        text = "".join(part for part, _ in group)
        bare = text.strip()
        if beat and bare:
            before, after = text[: text.index(bare)], text[text.index(bare) + len(bare) :]
            pieces.append(f"{before}**{escape(bare)}**{after}")
        else:
            pieces.append(escape(text))
    return "".join(pieces)
