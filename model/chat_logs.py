"""Recognises chat logs, which are no books: their authors did not write them to be learnt from.

Discord forbids training on its members' messages; the logs of other chats are as private.
"""

from __future__ import annotations

import re

MIN_MESSAGES = 8  # fewer may be quoted in a book
MIN_SHARE = 0.15  # of the lines that are not blank; a message has often several
LOOKED_AT = 400_000  # characters at the beginning, in the middle and at the end

_CLOCK = r"\d{1,2}[:.]\d{2}(?:[:.]\d{2})?(?:\s?[AaPp]\.?[Mm]\.?)?"
_DATE = r"(?:\d{1,4}[-./]\d{1,2}[-./]\d{2,4}|\d{1,2}[-. ][A-Za-z]{3}[-. ]\d{2,4})"
_WHEN = rf"(?:{_DATE},?[ T]\s?)?{_CLOCK}"
_NAME = r"[^\s:<>\[\]][^:<>\[\]\n]{0,39}"
# Each begins a message. A time alone does not count: diaries and ship's logs have those.
_MESSAGE = re.compile(
    "|".join(
        (
            rf"\[{_DATE},?[ T]\s?{_CLOCK}\]\s?[^\n]{{1,60}}$",  # [11/29/2026 1:10 PM] ann
            rf"\[?{_DATE},?[ T]\s?{_CLOCK}\]?(?: -)? {_NAME}: ",  # 29/11/2026, 13:10 - Ann: hello
            rf"\[?{_WHEN}\]?\s+<[^<>\n]{{1,40}}> ",  # 13:10 <ann> hello
            rf"\[?{_WHEN}\]?\s+(?:-!-|\*\*\*|-->|<--) ",  # 13:10 -!- ann has joined
            rf"\[{_CLOCK}\]\s+{_NAME}: ",  # [13:10] ann: hello
            rf"{_NAME} — (?:(?:Today|Yesterday) at |{_DATE},? ){_CLOCK}$",  # copied from a window
        )
    )
)
_CONTENT = re.compile(r'"(?:content|contents|text|body|message)"\s*:', re.IGNORECASE)
_SPEAKER = re.compile(
    r'"(?:author|author_?id|user|user_?id|username|sender|sender_name|from|from_id|'
    r'timestamp|timestamp_ms|ts|date|created_at)"\s*:',
    re.IGNORECASE,
)
_TABLE = re.compile(
    r'"?(?:id|author_?id|timestamp|date)"?[,;\t][^\n]{0,200}?"?(?:contents?|message|text)"?(?:[,;\t]|$)',
    re.IGNORECASE,
)
_MARKUP = re.compile(r'class="?[^">\n]{0,40}(?:chatlog__message|message--default|from_name)')


def is_chat_log(text: str) -> bool:
    """Whether a text looks like an export or a copy of a chat: lines, a table, JSON or HTML.

    >>> is_chat_log("13:10 <ann> is anybody here?\\n13:11 <ben> no\\n" * 10)
    True
    >>> is_chat_log("Shall I compare thee to a summer's day?\\n" * 20)
    False
    """
    sample = _sample(text)
    if sample.lstrip()[:1] in ("{", "[") and not sample.lstrip().startswith("[Illustration"):
        fewest = min(len(_CONTENT.findall(sample)), len(_SPEAKER.findall(sample)))
        if fewest >= MIN_MESSAGES:
            return True
    if len(_MARKUP.findall(sample)) >= MIN_MESSAGES:
        return True
    lines = [line.strip() for line in sample.split("\n") if line.strip()]
    if lines and _TABLE.match(lines[0]):
        return True
    messages = sum(_MESSAGE.match(line) is not None for line in lines)
    return messages >= max(MIN_MESSAGES, MIN_SHARE * len(lines))


def _sample(text: str) -> str:
    """Return a text, or three parts of a long one."""
    if len(text) <= LOOKED_AT:
        return text
    part, middle = LOOKED_AT // 3, len(text) // 2
    return "\n".join((text[:part], text[middle : middle + part], text[-part:]))
