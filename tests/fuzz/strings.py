"""Strings as strangers send them: of any script, turned around, piled up, and full of marks."""

from __future__ import annotations

from hypothesis import strategies as st

MARKS = "\u0300\u0316\u0334\u05b0\u0f73\u3099\u20dd"  # of different classes, one that has two in it
TRICKS = (
    "\u202e\u202d\u2066\u2067\u2069\u200e\u200f"  # directions
    "\u200b\u200c\u200d\u2060\ufeff\xad\u034f"  # invisible
    "\x00\x07\x1b\x7f\x85\u2028\u2029\v\f\r\t\n"  # controls and line ends
    "\ud800\udfff\ufffd\uffff\ufdd0\U0010ffff"  # halves, and what is no character
    "\uff9e\uff9f\ufdfa\ufb01\u1e9e\u0130\u0131\u01c5\u2460\u00b2\u0661\U0001d7d8"  # compatible
)
MARKDOWN = "*_~|`<>@#:/\\[](){}!-+.=&;\"'"
PIECES = (
    *("<@1>", "<@!1>", "<@&1>", "<#1>", "@everyone", "@here", "<t:1:R>", "<id:guide>"),
    *("</cmd:1>", "http://a.example", "HTTPS://a.example/(b)", "discord.gg/abc"),
    *("discord.com/invite/x", "discordapp.com/invite/x", "www.a.example", "[a](https://b.example)"),
    *("<https://a.example>", "||s||", "`c`", "```\nc\n```", "**b**", "# h", "> q", ">>> q", "-# s"),
    *("- l", "1. l", ":rose:", "<:n:1>", "<a:n:1>", "a@b.example", "<+4930123>", "\\", "\n"),
    *(
        "ｈttps：／／a.example",
        "disc\u200bord.gg/abc",
        "discord．gg／abc",
        "\u202egg.drocsid\u202c",
    ),
    *("--form", "--lines", "--temperature=", "--random-seed", "nan", "inf", "-1", "1e309", "_1"),
    *("o'er", "'tis", "self-love", "un'yes", "whene'er'st", "shall i", "day", "the", "rose"),
)

anything = st.text(st.characters(), max_size=60)  # halves of characters among them
tricky = st.text(st.sampled_from(TRICKS + MARKS + MARKDOWN + "aeé 1🌹"), max_size=120)
pieces = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=20).map("".join)
lines = st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join)
piled = st.builds(
    lambda base, marks, times: base + marks * times,
    anything,
    st.text(st.sampled_from(MARKS), min_size=1, max_size=4),
    st.integers(1, 300),
)
hostile = st.one_of(anything, tricky, pieces, lines, piled)
sendable = hostile.map(lambda text: text.encode("utf-8", "ignore").decode())  # by Discord

numbers = st.one_of(
    st.integers(-5, 20),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.sampled_from([2**53, 2**63, 2**64, 10**400, True, False]),
)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | hostile,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(hostile, inner, max_size=4),
    max_leaves=8,
)
