"""What is taken out of a text before anybody reads it, and what stays."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable

import pytest

from bot.core.redaction import HIDDEN, Redactor

# In the form of Discord's, and nobody's.
TOKEN = "MTA1MjM0NTY3ODkwMTIzNDU2.GhIjKl.0123456789abcdefghijklmnopqrstuv"
PLAIN = "a-wrong-token"  # with no form of its own
ENOUGH_SECONDS = 3.0  # a quadratic search of so long a text takes minutes


def percent(text: str) -> str:
    return "".join(f"%{ord(sign):02X}" for sign in text)


NOTATIONS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "capitals": str.upper,
    "small letters": str.lower,
    "case turned": str.swapcase,
    "backwards": lambda text: text[::-1],
    "percent": percent,
    "percent twice": lambda text: percent(percent(text)),
    "percent in part": lambda text: text.replace(".", "%2e").replace("-", "%2d"),
    "JSON": lambda text: "".join(f"\\u{ord(sign):04x}" for sign in text),
    "Python": lambda text: "".join(f"\\x{ord(sign):02x}" for sign in text),
    "escaped twice": lambda text: json.dumps(text.replace(".", "\\u002e"))[1:-1],
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for addresses": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 without an end": lambda text: base64.b64encode(text.encode()).decode().rstrip("="),
    "base64 after a name": lambda text: base64.b64encode(b"me:" + text.encode()).decode(),
    "base64 within": lambda text: base64.b64encode(f"ab {text} c".encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
}
SURROUNDINGS = ("{}", "to {}.", "x={}&y", '{{"a": "{}"}}', "line\\n{}\\n", "/path/{}/", "Bot {}")


@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize("around", SURROUNDINGS)
def test_a_token_is_taken_out_in_every_notation(notation: str, around: str) -> None:
    written = NOTATIONS[notation](TOKEN)
    for redact in (Redactor(), Redactor(TOKEN)):
        told = redact(around.format(written))
        assert HIDDEN in told
        assert not any(part in told for part in (written, written[4:28], written[-20:]))


@pytest.mark.parametrize("notation", NOTATIONS)
def test_the_bots_own_token_needs_no_form(notation: str) -> None:
    written = NOTATIONS[notation](PLAIN)
    assert written not in Redactor(PLAIN)(f"a line with {written} in it")


def test_a_part_of_the_bots_own_token_is_taken_out() -> None:
    """TOML takes the dots for its own: the parts are named one by one."""
    told = Redactor(TOKEN)(repr(tuple(TOKEN.split("."))))
    assert TOKEN.split(".")[2] not in told


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("https://me:hunter2@proxy:3128/x", "hunter2"),
        ("http://a@b:hunter2@host", "hunter2"),
        ("cannot reach socks5://me:hunter2@10.0.0.1", "hunter2"),
        ("//hunter2@host/", "hunter2"),
        ("https://host/book.txt?access_token=hunter2&a=1", "hunter2"),
        ("https://host/book.txt?a=1&X-Amz-Signature=hunter2", "hunter2"),
        ("https://host/b?a=1;apikey=hunter2#top", "hunter2"),
        ("<CIMultiDict('Host': 'h', 'Authorization': 'Bot hunter2')>", "hunter2"),
        ("(('Authorization', 'Bearer hunter2'),)", "hunter2"),
        ("(b'Proxy-Authorization', b'Basic hunter2')", "hunter2"),
        ("authorization: hunter2", "hunter2"),
        ("Set-Cookie: hunter2; Path=/", "hunter2"),
        ("unrecognized arguments: --token=hunter2", "hunter2"),
        ('{"client_secret": "hunter2"}', "hunter2"),
        ("DISCORD_TOKEN='hunter2'", "hunter2"),
        ("/webhooks/12/hunter2/messages", "hunter2"),
        ("/interactions/12/hunter2/callback", "hunter2"),
    ],
)
def test_whatever_lets_somebody_in_is_taken_out(text: str, secret: str) -> None:
    assert secret not in Redactor()(text)


@pytest.mark.parametrize(
    "text",
    [
        "the model sonnets (Shakespeare's Sonnets) is ready",
        "https://discord.com/oauth2/authorize?client_id=42&permissions=274877942784&scope=bot",
        "the page is at http://127.0.0.1:8080",
        "config.toml: web.port is 99999; it must be a whole number from 0 to 65,535.",
        "SHA-256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "/var/lib/sonneteer/data/guilds/1234567890123456789/a-model-of-theirs.safetensors",
        'File "/usr/lib/python3.11/asyncio/base_events.py", line 653, in run_until_complete',
        "Discord does not accept the bot's token. Copy it again from the Developer Portal",
        "100 % of 50%-off, c:\\new\\table\\x",
        "https://www.gutenberg.org/cache/epub/1041/pg1041.txt",
    ],
)
def test_all_else_stays(text: str) -> None:
    assert Redactor(PLAIN)(text) == text


@pytest.mark.parametrize(
    "piece",
    [
        *("a", "a.", "ab-", "%", "%41", "\\", "\\x41", "\\u0041", "/", "//a", "//a:", "//a@"),
        *("?a=", "&token", "token", "token=", "authorization", "authorization: ", "/webhooks/1"),
        *(f"{'A' * 20}.", f"{'A' * 20}.AAAA.", "QUJD", "=", "~", " "),
    ],
)
def test_a_long_text_takes_no_longer_than_it_is_long(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    started = time.monotonic()
    Redactor(TOKEN)(text)
    assert time.monotonic() - started < ENOUGH_SECONDS
