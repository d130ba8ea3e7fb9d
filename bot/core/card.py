"""A poem as a picture to share: set on a leaf, title above, signature below."""

from __future__ import annotations

import io
import math
from bisect import bisect_right
from functools import cache, lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from bot.core.records import Poem

FONTS = Path(__file__).with_name("fonts")  # EB Garamond, see OFL.txt there
WIDTH = 1200  # pixels
MARGIN = 110
LINE, TITLE, SMALL = 44, 64, 26  # sizes of type in pixels
MIN_LINE = 18  # a longer line is broken
LEADING = 1.38  # a line's height, in sizes of its type
MAX_LINES = 60  # what is longer ends in an ellipsis
PAPER, INK, FAINT, ACCENT, RULE = "#fffcf5", "#2a211c", "#6a5b4f", "#7c2430", "#d9cbb4"
MAX_KNOWN = 4_096  # characters that are remembered whether the font has them; it has 1,949
ORNAMENT = "❦"

Font = ImageFont.FreeTypeFont


def draw_card(poem: Poem) -> bytes:
    """Return a PNG of a poem; what its font lacks is left out."""
    lines = [_printable(line) for line in poem.text.strip().split("\n")]
    if len(lines) > MAX_LINES:
        lines = [*lines[:MAX_LINES], "…"]
    title = _printable(poem.looks.title) or "Untitled"
    signature = _printable(f"Sonneteer · {poem.model} · random seed {poem.random_seed}")
    size, lines = _fit(lines)
    body, small = _font("Regular", size), _font("Italic", SMALL)
    title_font = _font("Italic", _title_size(title))
    leading = round(size * LEADING)
    height = 2 * MARGIN + round(TITLE * 2.3) + len(lines) * leading + round(SMALL * 4.6)
    image = Image.new("RGB", (WIDTH, height), PAPER)
    draw = ImageDraw.Draw(image)
    for inset, width in ((36, 3), (46, 1)):
        draw.rectangle((inset, inset, WIDTH - inset, height - inset), outline=RULE, width=width)
    y = MARGIN
    draw.text((WIDTH / 2, y), title, ACCENT, title_font, anchor="ma")
    y += round(TITLE * 2.3)
    longest = max(body.getlength(line) for line in lines)
    x = (WIDTH - longest) / 2
    for line in lines:
        draw.text((x, y), line, INK, body)
        y += leading
    draw.text((WIDTH / 2, y + SMALL), ORNAMENT, ACCENT, _font("Regular", LINE), anchor="ma")
    draw.text((WIDTH / 2, height - MARGIN + 8), signature, FAINT, small, anchor="ms")
    file = io.BytesIO()
    image.save(file, "PNG")  # with `optimize`, 6 % smaller, it would take three times as long
    return file.getvalue()


def _fit(lines: list[str]) -> tuple[int, list[str]]:
    """Return a size of type in which every line fits; at the smallest, lines are broken."""
    room = WIDTH - 2 * MARGIN
    longest = max(map(len, lines))
    for size in range(LINE, MIN_LINE - 1, -2):
        if longest * size > 8 * room:  # far too long, without a closer look
            continue
        font = _font("Regular", size)
        if max(font.getlength(line) for line in lines) <= room:
            return size, lines
    font = _font("Regular", MIN_LINE)
    broken: list[str] = []
    for line in lines:
        while font.getlength(line) > room:
            # The narrowest letters are a fifth of the type's size, so that is all there is to try.
            ends = range(1, min(len(line), 5 * room // MIN_LINE) + 1)
            cut = max(
                bisect_right(ends, room, key=lambda end: math.ceil(font.getlength(line[:end]))), 1
            )
            space = line.rfind(" ", 1, cut)
            cut = space if space > 0 else cut
            broken.append(line[:cut])
            line = line[cut:].lstrip()
        broken.append(line)
    return MIN_LINE, broken[: 2 * MAX_LINES]


def _title_size(title: str) -> int:
    room = WIDTH - 2 * MARGIN
    sizes = range(TITLE, MIN_LINE, -2)
    return next((s for s in sizes if _font("Italic", s).getlength(title) <= room), MIN_LINE)


@cache
def _font(style: str, size: int) -> Font:
    return ImageFont.truetype(str(FONTS / f"EBGaramond12-{style}.otf"), size)


@lru_cache(MAX_KNOWN)
def _has(character: str) -> bool:
    """Whether the font draws `character` as anything but its box for what it lacks.

    What is no letter, mark or sign (controls, separators, what turns text around) it need not
    draw; some of these end a paragraph, and with them no line can be laid out.
    """
    if character == " ":
        return True
    if not character.isprintable():
        return False
    font = _font("Regular", 24)
    box = font.getmask("\U0010fffe")
    drawn = font.getmask(character)
    return drawn.size != box.size or bytes(drawn) != bytes(box)


def _printable(line: str) -> str:
    line = "".join(" " if character.isspace() else character for character in line)
    line = line.replace("'", "’")
    return "".join(character for character in line if _has(character)).strip()
