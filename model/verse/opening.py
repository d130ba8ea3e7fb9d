"""The reader's own words: laid out as lines, and what the poem may come back to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from model.errors import ModelError
from model.verse.forms import Form
from model.verse.prosody import Prosody
from model.verse.spoken import SIGNS
from model.verse.words import CANNOT_END_LINE, is_content_word, words_of

MAX_THEME = 12  # words
LONGER = 2  # syllables that a line of the reader's own may have too many


@dataclass(frozen=True, slots=True)
class Theme:
    """Words of the seed that say something, and other forms of them."""

    words: tuple[str, ...] = ()

    def answers(self, words: Sequence[str], prosody: Prosody) -> int:
        """Return how many of `words` are the seed's, or rhyme with it at the line's end."""
        found = sum(word in self.words for word in set(words))
        if not found and words and any(prosody.rhymes(word, words[-1]) for word in self.words):
            found = 1
        return found


@dataclass(frozen=True, slots=True)
class Opening:
    """A seed laid out: whole lines of a form, and the beginning of the next.

    Of free text, which has no lines to lay out, all is `rest`.
    """

    lines: tuple[str, ...] = ()  # on the model's alphabet, as `rest`
    rest: str = ""
    shown: str = ""  # the same as it was typed, but for line breaks and their capitals
    theme: Theme = Theme()
    spoken: str = ""  # what is said of `rest`: what the alphabet lacks, a number say, has syllables
    line_by_line: bool = False  # `lines` were chosen or written one by one, the first is the seed

    @property
    def text(self) -> str:
        """What the network reads."""
        return "\n".join([*self.lines, self.rest])


@dataclass(frozen=True, slots=True)
class _Word:
    typed: str
    folded: str  # "": nothing that the model knows

    @property
    def spoken(self) -> str:
        """What is said: of an alphabet without digits and capitals nobody hears a number or BBC."""
        has_number = any((not c.isalpha() and c.isalnum()) or c in SIGNS for c in self.typed)
        is_short = sum(map(str.isupper, self.typed)) > 1
        return self.typed if has_number or is_short else self.folded


class SeedTooLong(ModelError):
    """The seed leaves nothing of the form to be written."""

    def __init__(self, lines: int, form: Form) -> None:
        self.lines = lines
        super().__init__(f"The seed fills {lines} lines, and a {form.name} has {len(form)}.")


def lay_out_seed(seed: str, form: Form, prosody: Prosody, fold: Callable[[str], str]) -> Opening:
    """Break a seed into lines as it scans; `fold` puts a word onto the model's alphabet.

    A line of the reader's own stays one; a longer one breaks where the form's syllables are had,
    or before the word that would be too many. Raises SeedTooLong where nothing is left to write.
    """
    lines: list[list[_Word]] = []
    *ended, _ = typed_lines = seed.split("\n")
    for number, typed in enumerate(typed_lines):
        words = [_Word(word, fold(word).strip()) for word in typed.split()]
        if not any(word.folded for word in words):
            continue
        whole = form.syllables[min(len(lines) + 1, len(form)) - 1]
        if number < len(ended) and _syllables(words, prosody) & _up_to(whole + LONGER):
            lines.append(words)
        else:
            lines += _break(words, form, len(lines), prosody)
    if not lines:  # what the model knows nothing of stands before the first line all the same
        typed = " ".join(seed.split())
        return Opening(shown=f"{typed} " if typed else "")
    whole = form.syllables[min(len(lines), len(form)) - 1]
    if not seed.endswith("\n") and _is_full(lines[-1], whole, prosody):
        leaning = _leaning(lines[-1])
        lines += [leaning] if leaning else []
    closed = seed.endswith("\n") or _is_full(lines[-1], whole, prosody)
    if len(lines) - (not closed) >= len(form):
        raise SeedTooLong(len(lines), form)
    folded = [" ".join(word.folded for word in line if word.folded) for line in lines]
    shown = ""
    for number, line in enumerate(lines):
        typed = " ".join(word.typed for word in line)
        shown += typed[:1].upper() + typed[1:]
        if closed or number < len(lines) - 1:
            shown += form.break_after(number)
    rest, spoken = ("", "") if closed else (folded.pop(), _spoken(lines[-1]))
    theme = theme_of("\n".join([*folded, rest]), prosody)
    return Opening(tuple(folded), rest, shown, theme, spoken)


def take_lines(
    lines: Sequence[str],
    seed: str,
    form: Form,
    prosody: Prosody,
    fold: Callable[[str], str],
    beginning: str = "",
) -> Opening:
    """Take whole lines as they are, at least one: what a poem has so far.

    `seed` has the words that the poem is about; where it is empty, the first line has them. The
    line after them begins with the words of `beginning`.
    """
    begun = [_Word(word, fold(word).strip()) for word in beginning.split()]
    folded = [
        " ".join(filter(None, (fold(word).strip() for word in line.split()))) for line in lines
    ]
    shown = "".join(line + form.break_after(number) for number, line in enumerate(lines))
    return Opening(
        tuple(folded),
        rest=" ".join(word.folded for word in begun if word.folded),
        shown=shown + beginning if len(lines) < len(form) else shown.rstrip("\n"),
        theme=theme_of(fold(seed) or folded[0], prosody),
        spoken=_spoken(begun),
        line_by_line=True,
    )


def _break(words: Sequence[_Word], form: Form, first: int, prosody: Prosody) -> list[list[_Word]]:
    lines: list[list[_Word]] = [[]]
    for word in words:
        whole = form.syllables[min(first + len(lines), len(form)) - 1]
        longer = [*lines[-1], word]
        if lines[-1] and (
            _is_full(lines[-1], whole, prosody) or not _syllables(longer, prosody) & _up_to(whole)
        ):
            lines.append([*_leaning(lines[-1]), word])
        else:
            lines[-1] = longer
    return lines


def _leaning(line: list[_Word]) -> list[_Word]:
    """Take from the end of a line up to two words that lean on what follows: "in the"."""
    taken: list[_Word] = []
    while len(taken) < 2 < len(line) and CANNOT_END_LINE.issuperset(words_of(line[-1].folded)):
        taken.insert(0, line.pop())
    return taken


def _is_full(line: Sequence[_Word], whole: int, prosody: Prosody) -> bool:
    """Whether a line has all its syllables, or more."""
    numbers = _syllables(line, prosody)
    return bool(numbers >> whole & 1) or not numbers & _up_to(whole)


def _syllables(line: Sequence[_Word], prosody: Prosody) -> int:
    return prosody.scan(_spoken(line))


def _spoken(line: Sequence[_Word]) -> str:
    return " ".join(word.spoken for word in line)


def _up_to(whole: int) -> int:
    return (1 << whole + 1) - 1


def theme_of(seed: str, prosody: Prosody) -> Theme:
    """Return the seed's content words, the last ones if many, with other forms of them."""
    own = [word for word in dict.fromkeys(words_of(seed)) if is_content_word(word)][-6:]
    found = dict.fromkeys(word for word in own if prosody.can_write(word))
    for word in list(found):
        found |= dict.fromkeys(prosody.words.forms_of(word))
    return Theme(tuple(found)[:MAX_THEME])
