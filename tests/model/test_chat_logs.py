"""Chat logs are recognised in every shape in which people have them, and books are not."""

from __future__ import annotations

import json

import pytest

from model.book import read_book
from model.chat_logs import is_chat_log
from model.errors import BookIsChat

SAID = "is anybody reading what I wrote here last night"
MESSAGES = [
    {"id": n, "timestamp": "2026-11-29", "author": "ann", "content": SAID} for n in range(60)
]
HEADS = {
    "an exporter of Discord": "[29-Nov-26 01:10 PM] ann#1234\n{}\n",
    "an exporter with another date": "[11/29/2026 1:10 PM] ann\n{}\n",
    "copied from Discord": "ann — Today at 1:10 PM\n{}\n",
    "copied from Discord later": "ann — 11/29/2026 1:10 PM\n{}\n",
    "WhatsApp": "29/11/2026, 13:10 - Ann Lee: {}\n",
    "WhatsApp on a phone with brackets": "[29/11/2026, 13:10:22] Ann: {}\n",
    "WhatsApp in American": "11/29/26, 1:10\u202fPM - Ann: {}\n",
    "Telegram": "[29.11.26 13:10] Ann: {}\n",
    "IRC": "13:10 <ann> {}\n",
    "IRC with days": "2026-11-29T13:10:22 <@ann> {}\n",
    "IRC, who came and went": "[13:10] <ann> {}\n13:11 -!- ben has joined\n",
    "HTML": '<div class="chatlog__message-group">{}</div>\n',
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_chat_is_refused_as_a_book(head: str) -> None:
    with pytest.raises(BookIsChat, match="'talk' looks like a chat log"):
        read_book((head.format(SAID) * 60).encode(), "talk")


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"guild": {"id": 1}, "messages": MESSAGES}),
        json.dumps(MESSAGES, indent=2),
        "\n".join(map(json.dumps, MESSAGES)),
        "ID,Timestamp,Contents,Attachments\n" + f"1,2026-11-29,{SAID},\n" * 60,
        "AuthorID,Author,Date,Content,Attachments,Reactions\n" + f"1,ann,x,{SAID},,\n" * 60,
    ],
    ids=[
        "an export as JSON",
        "a list of messages",
        "a message a line",
        "a data package",
        "a table",
    ],
)
def test_a_dump_of_messages_is_refused_as_a_book(text: str) -> None:
    with pytest.raises(BookIsChat):
        read_book(text.encode(), "dump")


@pytest.mark.parametrize(
    "text",
    [
        "HAMLET: To be, or not to be\nHORATIO: My lord?\n",
        "Monday, 3 May 1891\nAt 8:30 we rose. Weather: fine.\n8:45 Wind: north, and cold.\n",
        "[Illustration: a rose]\n[Sidenote: 1:20] and then the King went home\n",
        "1:1 In the beginning was the word\n1:2 and the word was new\n",
        '{"name": "roses", "colours": ["red", "white"], "text": "a book of roses"}\n',
        "import json\ntext = json.loads(content)\nuser: str = text[0]\n",
        "He wrote: [13:10] ann: hello, and no more.\n",
    ],
    ids=["a play", "a log of a ship", "notes", "chapters", "settings", "a program", "a quotation"],
)
def test_a_book_that_looks_a_little_like_one_is_read(text: str) -> None:
    assert not is_chat_log(text * 60)


def test_a_novel_may_quote_some_messages() -> None:
    novel = "She read what they had written, and laid the letter by.\n" * 200
    assert not is_chat_log(novel + HEADS["IRC"].format(SAID) * 20)


@pytest.mark.parametrize("text", ['class="', "id,", "[1/1/11 1:11] ", "a" * 39 + " ", "<1:11> "])
def test_it_takes_no_time_whatever_the_text(text: str) -> None:
    assert not is_chat_log(text * (2_000_000 // len(text)))
