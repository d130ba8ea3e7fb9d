"""How often a verb does not agree with its subject, by a parser that shares nothing with us.

    python -m bench.agreement --people sonnets.txt --people verse/valid --poems ours.jsonl
                              [--count 120] [--seed 0] [--show 20]

--people and --poems as in `bench.sense`. Verbs in the present and forms of *be* are put into their
other number, and link-grammar parses the line both ways. Where it leaves fewer words over with the
other number, the line as it stands counts as a break; where it leaves more, as right; else the
parser cannot tell. Asked are forms of *be*, *have* and *do*, and verbs right after a pronoun: of
other words nobody knows without a parser which are verbs. It errs in verse, so what counts is the
distance to people's lines. It knows no *thou*, so lines are read with *you*, *has* and *loves* for
*thou*, *hath* and *loveth*.
"""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from bench.sense_measures import read_people, read_poems, without_seed, words_only
from bench.sense_models import parse_lines
from bench.tables import number, table
from model.next_line import Poem, sample

LISTS = Path("/usr/share/link-grammar/en/words")  # of the parser's verbs: words.v.KIND.FORM
PLURAL, SINGULAR = "1", "2"  # FORM
AUXILIARIES = "are is,were was,have has,do does"  # plural and singular
# Those that its dictionary treats one by one.
FREQUENT = (
    f"{AUXILIARIES},go goes,come comes,see sees,know knows,think thinks,"
    "make makes,take takes,give gives,find finds,tell tells,feel feels,seem seems,keep keeps,"
    "let lets,begin begins,say says,get gets,lie lies,bring brings,grow grows,hold holds,"
    "hear hears,live lives,love loves,look looks,stand stands,fall falls,turn turns,call calls"
)
PRONOUNS = "i you he she it we they".split()
MODERN = dict(
    pair.split()
    for pair in (
        "thou you,thee you,thy your,thine your,ye you,hast have,hath has,dost do,doth does,"
        "wilt will,shalt shall,wert were,wast were,canst can,didst did,hadst had,wouldst would,"
        "couldst could,shouldst should,mayst may,mightst might,saith says"
    ).split(",")
)

Parse = Callable[[Sequence[str]], Sequence[tuple[int, float]]]


def read_verbs(folder: Path = LISTS) -> dict[str, str]:
    """Return each verb of the present in its other number: "loves" of "love", and the reverse."""
    pairs = [pair.split() for pair in FREQUENT.split(",")]
    for path in sorted(folder.glob(f"words.v.*.{PLURAL}")):
        plurals = _entries(path)
        singulars = set(_entries(path.with_suffix(f".{SINGULAR}")))
        for verb in plurals:
            pairs += [[verb, form] for form in singular_forms(verb) if form in singulars]
    return {word: other for one, two in pairs for word, other in ((one, two), (two, one))}


def _entries(path: Path) -> list[str]:
    words = path.read_text("utf-8").split() if path.exists() else []
    return [word.partition(".")[0] for word in words]


def singular_forms(verb: str) -> tuple[str, ...]:
    """Return how the third person singular of a verb may be spelt.

    >>> singular_forms("carry")
    ('carrys', 'carryes', 'carries')
    """
    return (f"{verb}s", f"{verb}es", f"{verb[:-1]}ies")


def modernize(words: Sequence[str], verbs: Mapping[str, str]) -> list[str]:
    """Return words with the archaic forms of verbs and pronouns in modern spelling.

    >>> modernize("thou art what beauty loveth".split(), {"loves": "love", "love": "loves"})
    ['you', 'are', 'what', 'beauty', 'loves']
    """
    spelt = [MODERN.get(word, word) for word in words]
    for at, word in enumerate(words):
        beside = words[max(at - 1, 0) : at + 2]
        if word == "art" and "thou" in beside:
            spelt[at] = "are"
        stem = re.fullmatch("(.+?)(e?th|e?st)", word)
        if stem is None or word in verbs:
            continue
        plural = next((base for base in (stem[1], f"{stem[1]}e") if base in verbs), None)
        if plural and stem[2].endswith("th"):
            spelt[at] = verbs[plural]
        elif plural and "thou" in words:
            spelt[at] = plural
    return spelt


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb of a line, and how many words are left over with it and in its other number."""

    line: str
    word: str
    other: str
    left_over: int
    left_over_with_other: int

    @property
    def is_right(self) -> bool:
        return self.left_over < self.left_over_with_other

    @property
    def is_break(self) -> bool:
        return self.left_over > self.left_over_with_other


def judge(lines: Sequence[str], verbs: Mapping[str, str], parse: Parse) -> list[Verb]:
    """Judge the verbs in lines of plain words."""
    auxiliaries = AUXILIARIES.replace(",", " ").split()
    found: list[tuple[str, str, str]] = []  # line, verb, its other number
    texts: list[str] = []
    for line in lines:
        words = modernize(line.split(), verbs)
        for at, word in enumerate(words):
            other = verbs.get(word)
            if other and (word in auxiliaries or (at and words[at - 1] in PRONOUNS)):
                found.append((line, word, other))
                texts += [" ".join(words), " ".join([*words[:at], other, *words[at + 1 :]])]
    left_over = [words for words, _ in parse(texts)]
    return [
        Verb(*what, *counts)
        for what, *counts in zip(found, left_over[::2], left_over[1::2], strict=True)
    ]


def row(name: str, lines: Sequence[str], found: Sequence[Verb]) -> tuple[str, ...]:
    """Return a line of the table: what was found in `lines`."""
    breaks = sum(verb.is_break for verb in found)
    right = sum(verb.is_right for verb in found)
    share = breaks / max(breaks + right, 1)
    error = (share * (1 - share) / max(breaks + right, 1)) ** 0.5
    return (
        name,
        f"{len(lines):,}",
        f"{len(found):,}",
        f"{right:,}",
        f"{breaks:,}",
        f"{number(100 * share)} ± {number(100 * error)} %",
        number(100 * breaks / max(len(lines), 1), 1),
    )


def lines_of(poems: Sequence[Poem]) -> list[str]:
    """Return the lines of poems as plain words, those of the seed left out."""
    return [line for poem in without_seed(map(words_only, poems)) for line in poem.lines]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    option = partial(parser.add_argument, type=Path, metavar="PATH")
    option("--people", action="append", default=[])
    option("--poems", nargs="*", default=[])
    parser.add_argument("--count", type=int, default=120, metavar="N", help="poems of people")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of their choice")
    parser.add_argument("--show", type=int, default=0, metavar="N", help="breaks of each")
    asked = parser.parse_args()
    if shutil.which("link-parser") is None:
        parser.error("link-parser is missing: apt install link-grammar")
    verbs = read_verbs()
    rows = []
    for path in [*asked.people, *asked.poems]:
        if path in asked.people:
            poems = sample(read_people(path), asked.count, Random(f"{asked.seed} sample"))
        else:
            poems = read_poems(path)
        lines = lines_of(poems)
        found = judge(lines, verbs, parse_lines)
        rows.append(row(path.stem, lines, found))
        breaks = [verb for verb in found if verb.is_break]
        for verb in breaks[: asked.show]:
            print(f"{path.stem}: {verb.line} ({verb.word}: {verb.other})")
    head = ("poems", "lines", "verbs", "right", "breaks", "of those decided", "per 100 lines")
    print(table(head, rows))


if __name__ == "__main__":
    main()
