"""What publishers of free books put around a text: found by its marker lines, and left out.

Project Gutenberg has used many layouts since 1991: a header with its "small print" before the
text, the small print after it, starred marker lines, and footers in the book's own language. A
file may hold several books. A marker line alone removes nothing: what stands between it and the
text must read like a publisher's words, paragraph by paragraph. So a book that quotes such a line
keeps its text. Only a bounded window at each marker is looked at: the time is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

MAX_WRAPPING = 60_000  # characters; the longest header ran to about 15,000, a licence to 20,000
MAX_MARKERS = 500  # a collection of a hundred books has some 400
MAX_HINTS = 20_000  # lines that may be markers; Project Gutenberg's own catalogues have more
MAX_MARKER, MAX_BEFORE_HINT = 300, 100  # characters of a marker line
MAX_CREDIT, MAX_NOTE = 1_000, 5_000
# What a header may have in a row that does not sound like one: a title, an author, an address.
GAP_PARAGRAPHS, GAP_CHARACTERS = 4, 800
BARE_HEADER = 500  # characters that may stand before a marker without any of a header's fields
FIELDS_WITHIN = 1_500  # characters after the head of a book: "Title: …", "[Etext #11]"
STRONG_WITHIN = 2_500  # characters after an end marker in which the licence names itself
UNKNOWN_LICENCE = 25_000  # characters that may follow the last end marker of a wrapped file
LARGE_SHARE = 1 / 3  # of a file
MAX_TITLES = 3

HEADER, CREDITS, FOOTER = "header", "credits", "licence"
NAMES = (
    (HEADER, "Project Gutenberg's header was", "{} headers of Project Gutenberg were"),
    (CREDITS, "Credits and notes were", "{} blocks of credits and notes were"),
    (
        FOOTER,
        "Project Gutenberg's licence at the end was",
        "{} licences of Project Gutenberg were",
    ),
)
TOO_MANY = (
    "It has too many lines about Project Gutenberg to tell its headers and licences from the text, "
    "so nothing was left out."
)
MISSING = (
    "If text of the book is missing, delete the lines about Project Gutenberg from the file "
    "and add it again."
)
OPENERS = ("start", "small_end")  # the text begins after these
HEADS = ("book", "banner", "head")  # a header may begin with these; "book" has a header's fields

# What marker lines and publishers' paragraphs look like

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
_FIELDS = r"^(?:title|author|language|release date|posting date)\b.{0,20}:|\[e-?(?:text|book) ?#"
FIELDS = re.compile(_FIELDS, re.IGNORECASE | re.MULTILINE)
# What a header has, and a book about such books hardly has.
METADATA = re.compile(
    rf"{_FIELDS}|^{_HEAD}(?:['’]s)? {_E_BOOK}\b"
    r"|^\W{0,4}project gutenberg['’]s .{1,150}(?:,|\bby\b)",
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


@dataclass(frozen=True, slots=True)
class Stripped:
    """A text without its publisher's words."""

    text: str
    notes: list[str]  # sentences on what was left out; none where nothing was
    title: str = ""  # as a header gives it


@dataclass(frozen=True, slots=True)
class _Marker:
    kind: str
    begin: int
    end: int  # of its lines, without the last line break


@dataclass(slots=True)
class _Cuts:
    """What is left out so far, in order: where from, where to, what."""

    spans: list[tuple[int, int, str]] = field(default_factory=list)

    @property
    def floor(self) -> int:
        """Where the last one ends."""
        return self.spans[-1][1] if self.spans else 0

    @property
    def in_book(self) -> bool:
        """Whether a header was the last one, credits aside: the book's own text goes on."""
        return any(what == HEADER for *_, what in self.spans[-2:]) and (self.spans[-1][2] != FOOTER)

    def add(self, begin: int, end: int, what: str) -> None:
        if end > begin:
            self.spans.append((begin, end, what))


def unwrap(text: str) -> Stripped:
    """Remove headers, credits and licences of Project Gutenberg and its kin; say what went."""
    hints = list(islice(HINT.finditer(text), MAX_HINTS + 1))
    markers = list(islice(_find_markers(text, hints), MAX_MARKERS + 1))
    if len(markers) > MAX_MARKERS or len(hints) > MAX_HINTS:
        return Stripped(text, [TOO_MANY])
    cuts = _Cuts()
    for place, marker in enumerate(markers):
        if marker.begin < cuts.floor:
            continue
        if marker.kind in OPENERS:
            _open(text, markers, place, cuts)
        elif marker.kind == "end" or (marker.kind == "small" and not _small_end(markers, place)):
            _close(text, markers, place, cuts)
        elif marker.kind == "banner":
            _cut_leading(text, [marker], cuts)
    if not cuts.spans:
        return Stripped(text, [])
    _cut_last_line(text, markers, cuts)
    return Stripped(_join(text, cuts), _notes(text, cuts), _title(text, cuts))


def _find_markers(text: str, hints: Sequence[re.Match[str]]) -> Iterator[_Marker]:
    last = -1
    for hint in hints:
        at = hint.start()
        low = max(at - MAX_BEFORE_HINT, 0)
        begin = text.rfind("\n", low, at) + 1
        if begin == last or (not begin and low):
            continue
        last = begin
        end = text.find("\n", at, at + MAX_MARKER)
        end = min(at + MAX_MARKER, len(text)) if end < 0 else end
        line = text[begin:end]
        kind = next((kind for kind, pattern in MARKERS if pattern.match(line)), None)
        if kind == "head" and FIELDS.search(text, end, end + FIELDS_WITHIN):
            kind = "book"
        if kind:
            yield _Marker(kind, begin, _end_of_stars(text, line, begin, end))


def _end_of_stars(text: str, line: str, begin: int, end: int) -> int:
    """Return where a marker ends that goes on in the next lines, up to its closing stars."""
    if line.count("***") != 1 or not line.lstrip().startswith("***"):
        return end
    rest = text[end : begin + MAX_MARKER].partition("\n\n")[0]
    closing = rest.find("***")
    return end if closing < 0 else end + closing + 3


def _paragraphs(text: str, begin: int, limit: int) -> Iterator[tuple[int, int]]:
    """Yield the spans of what stands between blank lines."""
    start = place = begin
    for line in text[begin:limit].split("\n"):
        if not line.strip():
            if place > start:
                yield start, place - 1
            start = place + len(line) + 1
        place += len(line) + 1
    if place > start:
        yield start, min(place - 1, limit)


def _run(text: str, begin: int, limit: int) -> tuple[int, bool]:
    """Return where a publisher's words end that begin at `begin`, and if they reach `limit`."""
    stop, gap, size = begin, 0, 0
    for start, end in _paragraphs(text, begin, limit):
        if PUBLISHING.search(text, start, end):
            stop, gap, size = end, 0, 0
        else:
            gap, size = gap + 1, size + end - start
            if gap > GAP_PARAGRAPHS or size > GAP_CHARACTERS:
                return stop, False
    return stop, True


def _small_end(markers: Sequence[_Marker], place: int) -> bool:
    """Whether the small print that begins here has its end."""
    begin = markers[place].begin
    return any(m.kind == "small_end" and m.begin - begin < MAX_WRAPPING for m in markers[place:])


def _open(text: str, markers: Sequence[_Marker], place: int, cuts: _Cuts) -> None:
    """Cut the header that ends here, or the small print that stands after a text."""
    opener, floor = markers[place], cuts.floor
    near = [
        m for m in markers[:place] if floor <= m.begin and opener.begin - m.begin < MAX_WRAPPING
    ]
    small = next((m for m in reversed(near) if m.kind == "small"), None)
    if opener.kind == "start":
        small = None
    before = small.begin if small else opener.begin
    heads = [m.begin for m in near if m.kind in HEADS and m.begin < before]
    for begin in (floor, *heads[:1], *heads[-1:]):
        if _is_header(text, begin, before, in_book=cuts.in_book and begin == floor):
            cuts.add(begin, opener.end, HEADER)
            _cut_credits(text, cuts)
            return
    if small and _run(text, small.end, opener.begin)[1]:
        _cut_leading(text, near, cuts)
        cuts.add(small.begin, max(_run(text, opener.end, _limit(text, markers, place))[0],
                                  opener.end), FOOTER)  # fmt: skip


def _is_header(text: str, begin: int, end: int, *, in_book: bool) -> bool:
    """Whether what stands between is a header; `in_book`: a further one of the same book."""
    size = end - begin
    if size > (BARE_HEADER if in_book else MAX_WRAPPING) or not _run(text, begin, end)[1]:
        return False
    return size <= BARE_HEADER or METADATA.search(text, begin, end) is not None


def _close(text: str, markers: Sequence[_Marker], place: int, cuts: _Cuts) -> None:
    """Cut the licence that begins here."""
    marker = markers[place]
    limit = _limit(text, markers, place)
    stop, reaches = _run(text, marker.end, min(limit, marker.end + MAX_WRAPPING))
    rest = limit - marker.end
    if not LICENCE.search(text, marker.end, min(limit, marker.end + STRONG_WITHIN)):
        is_last = not any(m.kind == "end" for m in markers[place + 1 :] if m.begin < limit)
        if reaches and rest <= MAX_NOTE and (stop > marker.end or not text[stop:limit].strip()):
            stop = limit
        elif cuts.spans and is_last and stop == marker.end and rest <= UNKNOWN_LICENCE:
            stop = limit  # a wrapped file ends so, be the licence in whatever language
        else:
            return  # it is quoted
    _cut_leading(text, [m for m in markers[:place] if m.begin >= cuts.floor], cuts)
    note = _tail_note(text, cuts.floor, marker.begin)
    cuts.add(note, marker.begin, CREDITS)
    cuts.add(marker.begin, max(stop, marker.end), FOOTER)


def _limit(text: str, markers: Sequence[_Marker], place: int) -> int:
    """Return where the next book's wrapping begins, the text's end if there is none."""
    head = None
    for marker in markers[place + 1 :]:
        if marker.kind == "head":
            head = head or marker
        elif marker.kind == "end":
            head = None
        else:
            return (head or marker).begin
    return len(text)


def _cut_leading(text: str, markers: Sequence[_Marker], cuts: _Cuts) -> None:
    """Cut a header that no marker ends: what sounds like one, from the head of a book on."""
    floor = cuts.floor
    for marker in markers:
        begin = marker.begin
        at_floor = not cuts.in_book and _is_header(text, floor, begin, in_book=True)
        if marker.kind == "book" or (marker.kind in HEADS and at_floor):
            begin = floor if at_floor else begin
            most = MAX_WRAPPING if at_floor else MAX_NOTE
            cuts.add(begin, _run(text, begin, begin + most)[0], HEADER)
            _cut_credits(text, cuts)
            return


def _cut_credits(text: str, cuts: _Cuts) -> None:
    """Cut credits and a transcriber's note that follow a header."""
    begin = end = cuts.floor
    while True:
        start = next((s for s, _ in _paragraphs(text, end, end + MAX_NOTE)), None)
        if start is None:
            break
        if CREDIT.match(text, start) is not None:
            size = _block(text, start, "\n\n", MAX_CREDIT)
        elif NOTE.match(text, start) is not None:
            size = _block(text, start, "\n\n\n", MAX_NOTE)
        else:
            break
        if not size:
            break
        end = start + size
    cuts.add(begin, end, CREDITS)


def _block(text: str, start: int, separator: str, most: int) -> int:
    """Return the length of what stands before `separator`, 0 where that is too much."""
    end = text.find(separator, start, start + most)
    return max(end - start, 0)


def _tail_note(text: str, floor: int, end: int) -> int:
    """Return where a transcriber's note begins that ends at `end`; `end` if there is none."""
    low = max(floor, end - MAX_NOTE)
    found = end
    for start, stop in _paragraphs(text, low, end):
        first, *_ = text[start:stop].split("\n", 1)
        is_bracketed = first.lstrip().startswith("[")
        if NOTE.match(first) and (len(first.strip()) < 40 or is_bracketed):
            is_last = not is_bracketed or not text[stop:end].strip()
            found = start if is_last else end
    return found


def _cut_last_line(text: str, markers: Sequence[_Marker], cuts: _Cuts) -> None:
    """Cut "[End of A Walk]" from the end of a book that Canada's proofreaders put out."""
    if not any(marker.kind == "banner" for marker in markers):
        return
    end = len(text.rstrip())
    begin = text.rfind("\n", max(end - MAX_MARKER, 0), end) + 1
    if begin >= cuts.floor and END_OF_TITLE.match(text[begin:end]):
        cuts.add(begin, end, FOOTER)


def _join(text: str, cuts: _Cuts) -> str:
    """Return what is kept, a blank line in each seam."""
    kept, place = [], 0
    for begin, end, _ in [*cuts.spans, (len(text), len(text), "")]:
        piece = text[place:begin].rstrip()
        kept.append(piece.lstrip("\n") if place else piece)
        place = end
    return "\n\n".join(piece for piece in kept if piece.strip()) + "\n"


def _notes(text: str, cuts: _Cuts) -> list[str]:
    notes = []
    for what, one, many in NAMES:
        sizes = [end - begin for begin, end, kind in cuts.spans if kind == what]
        if sizes:
            subject = one if len(sizes) == 1 else many.format(len(sizes))
            notes.append(f"{subject} left out ({sum(sizes):,} characters).")
    share = sum(end - begin for begin, end, _ in cuts.spans) / len(text)
    if share > LARGE_SHARE:
        notes[-1] += f" Together that is {share:.0%} of the file. {MISSING}"
    return notes


def _title(text: str, cuts: _Cuts) -> str:
    """Return the titles that the headers give, joined."""
    found: dict[str, None] = {}
    for begin, end, what in cuts.spans:
        if what == HEADER and (match := TITLE.search(text, begin, end)
                               or HEAD_TITLE.search(text, begin, end)):  # fmt: skip
            found[" ".join("".join(match.groups("")).split())] = None
    titles = list(found)
    more = [f"{len(titles) - MAX_TITLES} more"] if len(titles) > MAX_TITLES else []
    return " + ".join([*titles[:MAX_TITLES], *more])
