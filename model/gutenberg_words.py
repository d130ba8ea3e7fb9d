"""The words by which publishers of free books, Project Gutenberg above all, are recognised."""

from __future__ import annotations

import re

# Every marker line contains one of these; looking for them first is fast.
HINT = re.compile(
    r"gutenberg|small print|proofreaders canada|this digital edition|hours of hard work",
    re.IGNORECASE,
)
_OF = (
    r"(?:(?:of|the|this|de|di|du|del|della|dieses|diese|des|von|do|da|het|van|på|av|af|copyrighted)"
    r"[ ]|l['’]|dell['’]|(?:e-?book|e-?text)[ ])*+"
)
# Project, Projekt, Projet, Progetto, Proyecto, Projecto, Projeto, Prosjekt
_NAME = rf"{_OF}(?:pro[jgy]e[ck]?t\w{{0,4}}|prosjekt\w{{0,2}})[ -]?gutenberg"
_TAIL = r"(?:['’]s\b|\W+(?:\w+ )?e-?(?:book|text)|\W+edition|\W+collection|\W*$)"
_STARS = r"[ \t]*+[*\[]{0,4}[ \t]*+"
_START = r"(?:start|beginning|begin|anfang|beginn|début|debut|inizio|comienzo|início|inicio|alku)"
_END = r"(?:end|ende|fin|fine|fim|einde|slut|slutt|loppu|koniec|konec|vége)"
_E_BOOK = r"(?:e-?book|e-?text)"
_HEAD = r"\W{0,4}(?:this is )?(?:the |a copyrighted )?project gutenberg"


def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


# By kind: "small" opens the small print, "small_end" ends it; "head" is the first line of a
# book's header, "banner" that of publishers who mark it by nothing else.
MARKERS = (
    ("small_end", _compile(r".{0,10}END[ *]*THE SMALL PRINT")),
    ("small", _compile(r"\W{0,10}(?:START\W{1,4}(?:THE )?|\*(?:THE )?)SMALL PRINT\W")),
    ("start", _compile(rf"{_STARS}{_START} {_NAME}{_TAIL}")),
    ("end", _compile(rf"{_STARS}(?:the )?{_END} {_NAME}{_TAIL}")),
    ("end", _compile(r"[ \t]*+Project Gutenbergin? .{0,150}\bloppu\W*$")),
    ("end", _compile(r"This site is full of FREE e-?books")),
    ("end", _compile(r"About this digital edition\W*$")),
    ("end", _compile(r"This e-?book is the product of many hours of hard work by volunteers")),
    ("banner", _compile(rf"\W{{0,4}}A Project Gutenberg(?: of)? (?:Australia|Canada) {_E_BOOK}")),
    ("banner", _compile(rf"\W{{0,4}}A Distributed Proofreaders Canada {_E_BOOK}")),
    ("banner", _compile(r"Project Gutenberg(?: of)? Australia\W*$")),
    ("head", _compile(rf"{_HEAD}(?:['’]s)? {_E_BOOK}\b")),
    ("head", _compile(r"\W{0,4}Project Gutenberg['’]s .{1,150}(?:,|\bby\b)")),
)  # fmt: skip

# A paragraph with one of these reads like a publisher's.
PUBLISHING = re.compile(
    r"gutenberg|\be-?texts?\b|\be-?books?\b|electronic (?:work|text|version)|public domain|donat"
    r"|copyright|licen[cs]e|small print|proofread|give it away|https?:|\bwww\.|\bftp\b|\w@\w"
    r"|disclaim|refund|warrant(?:y|ies)\b|\bliab(?:le|ility)|trademark|royalt|volunteer|\bascii\b"
    r"|wikisource|plain vanilla|archive foundation|tax.deductible|important information in"
    r"|^(?:title|author|editor|translator|illustrator|(?:release|posting|creation) date|edition"
    r"|(?:last|most recently) updated|language|character set|credits|original publication"
    r"|produced by|date (?:first )?posted)\b.{0,20}:|^[ \t]*\*{3,}[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
# What a header has, and a book about such books hardly.
METADATA = re.compile(
    r"^(?:title|author|language|release date|posting date)\b.{0,20}:|\[e-?(?:text|book) ?#"
    rf"|^{_HEAD}(?:['’]s)? {_E_BOOK}\b"
    r"|^\W{0,4}project gutenberg['’]s .{1,150}(?:,|\bby\b)",
    re.IGNORECASE | re.MULTILINE,
)
FIELDS = re.compile(
    r"^(?:title|author|language|release date|posting date)\b.{0,20}:|\[e-?(?:text|book) ?#",
    re.IGNORECASE | re.MULTILINE,
)
LICENCE = re.compile(
    r"full (?:project gutenberg(?:-tm)? )?licen[cs]e|updated editions will replace"
    r"|give it away|files? should be named|public domain print editions|this and all associated"
    r"|associated files of various formats|small print|terms of use part|section 1\. general terms",
    re.IGNORECASE,
)
CREDIT = re.compile(
    rf"\W{{0,3}}(?:(?:{_E_BOOK} )?(?:produced|prepared|transcribed|scanned|typed|proofed"
    rf"|proofread|digiti[sz]ed) (?:and \w+ )?by|(?:this|the) (?:project gutenberg )?{_E_BOOK}"
    r"(?: edition)? was|this file was (?:produced|made)|html version by"
    r"|note: (?:project gutenberg|images of))\b",
    re.IGNORECASE,
)
NOTE = re.compile(r"\W{0,6}transcriber(?:['’]?s?['’]?)? (?:end)?notes?\b", re.IGNORECASE)
END_OF_TITLE = re.compile(r"[ \t]*\[?(?:the )?end of .{1,150}\]$", re.IGNORECASE)
TITLE = re.compile(r"^Title:[ \t]*(\S.{0,300})((?:\n[ \t]+\S.{0,200}){0,4})", re.MULTILINE)
HEAD_TITLE = re.compile(
    rf"project gutenberg(?:['’]s)?(?: {_E_BOOK})?(?: edition)?(?: of)? (.{{1,150}}?)"
    r"(?:,? (?:by|edited)\b.*|\W*)$",
    re.IGNORECASE | re.MULTILINE,
)
