"""A small reader of Discord's Markdown, written from how its clients behave, not from `escape`.

It asks only what a message would show as anything but its own characters. Where clients differ,
what any of them makes something of counts.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

# What a rule sees begins at the place under the eye; a backslash before has made it text already.
INLINE = {
    "member": r"<@!?\d+>",
    "role": r"<@&\d+>",
    "channel": r"<#\d+>",
    "everyone": r"@(?:everyone|here)",
    "command": r"</[^:>]{1,100}:\d+>",
    "emoji": r"<a?:\w{1,32}:\d+>|:\w{1,32}:",
    "time": r"<t:-?\d+(?::[a-zA-Z])?>",
    "part of the server": r"<id:\w+>",
    "bare link": r"(?:https?|steam|discord|mailto)://?\S",
    "link in brackets": r"<[a-z]+:[^ >]+>|<[^ @>]+@[^ >]+>|<\+\d[\d -]+>",
    "masked link": r"\[[^\]]*\]\([^)]*\)",
    "invite": r"(?:www\.)?discord(?:app)?\.(?:gg|com/invite)/[\w-]",
    "code": r"(`+)[\s\S]*?[^`]\1(?!`)",
    "bold": r"\*\*[\s\S]+?\*\*",
    "italics": r"\*(?=\S)[\s\S]+?\*|_[\s\S]+?_",
    "struck": r"~~[\s\S]+?~~",
    "spoiler": r"\|\|[\s\S]+?\|\|",
}
AT_LINE_START = {
    "heading": r" *#{1,3}[^\S\n]+\S",
    "small print": r" *-#[^\S\n]+\S",
    "quote": r" *>(?:>>)? ",
    "item": r" *(?:[-*+]|\d{1,10}[.])[^\S\n]+\S",
}
INLINE_RULES = {name: re.compile(rule, re.IGNORECASE) for name, rule in INLINE.items()}
LINE_RULES = {name: re.compile(rule) for name, rule in AT_LINE_START.items()}
# What a client or Discord's own servers may look for in a message as it was sent, backslashes and
# all, without minding Markdown.
RAW_RULES = [
    re.compile(rule, re.IGNORECASE)
    for rule in (
        r"discord(?:app)?\.(?:gg|com/invite)/[\w-]",
        r"https?://\S",
        r"<@[!&]?\d+>",
        r"<#\d+>",
        r"<a?:\w+:\d+>",
        r"<t:-?\d+",
    )
]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a message shows, and the names of the rules that made something of it."""

    shown: str
    live: tuple[str, ...]


def read(content: str) -> Reading:
    """Read a message as a client does."""
    shown: list[str] = []
    live: list[str] = []
    at = 0
    while at < len(content):
        if at == 0 or content[at - 1] == "\n":
            live += [name for name, rule in LINE_RULES.items() if rule.match(content, at)]
        following = content[at + 1 : at + 2]
        # github.com/ariabuckles/simple-markdown: what is escaped is neither letter nor space
        if content[at] == "\\" and following and not re.match(r"[0-9A-Za-z\s]", following):
            shown.append(following)
            at += 2
            continue
        live += [name for name, rule in INLINE_RULES.items() if rule.match(content, at)]
        shown.append(content[at])
        at += 1
    live += ["raw" for rule in RAW_RULES if rule.search(content)]
    return Reading("".join(shown), tuple(live))


def folded(content: str) -> str:
    """Return a message as a client might that knows no difference between wide and narrow signs,
    and sees no invisible ones.
    """
    visible = (c for c in content if unicodedata.category(c) not in ("Cf", "Cc") or c == "\n")
    return unicodedata.normalize("NFKC", "".join(visible))
