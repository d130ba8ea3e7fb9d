"""The words of WordNet's definitions, for seeds whose own words the base model does not know.

    python -m tests.definitions [FOLDER]    write model/verse/definitions.txt.gz: `make definitions`

FOLDER is the `dict` of WordNet 3.0, as Debian's package `wordnet-base` has it. Of each word that
can be pronounced the file has synonyms and words of its definition, as far as verse knows them:
from its most frequent sense, and from the next ones where that has few.
"""

from __future__ import annotations

import gzip
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from model import load_model
from model.verse.pronunciation import look_up_cmudict
from model.verse.related import DEFINITIONS, MAX_RELATED
from model.verse.words import KnownWords, is_content_word, words_of
from tests.locks import ROOT

BASE = ROOT / "model" / "pretrained" / "base" / "verse.safetensors"
WORDNET = Path("/usr/share/wordnet")
KINDS = {"noun": "1", "verb": "2", "adj": "35", "adv": "4"}  # digits of the counts' keys
FEW = 3  # words of a definition

# What definitions are made of, and what tells nothing of their subject.
IDIOM = frozenset(
    """act action act amount any anything area based become being belonging body capable cause
    caused causes certain characteristic characterized class common concerned condition consisting
    contain containing degree done during especially event expressed fact family few form formed
    former found general genus give given group happening having held including individual intended
    involving kind lacking large made main make making manner marked means measure member number
    object often order part particular people performed person persons place position process
    produced property pertaining put quality region related relating resembling result resulting
    set several similar small some someone something sometimes sort state states strong substance
    system take taken thing things together treat two type unit united usage use used using usually
    various way whose without""".split()
)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else WORDNET
    known = KnownWords({word for word in load_model(BASE).lexicon.numbers if is_content_word(word)})
    lines = sorted(
        " ".join([word, *near])
        for word, senses in read_senses(folder).items()
        if is_content_word(word)
        and look_up_cmudict(word)
        and (near := nearest(word, senses, known))
    )
    packed = gzip.compress("".join(f"{line}\n" for line in lines).encode("ascii"), mtime=0)
    DEFINITIONS.write_bytes(packed)
    sys.stdout.write(f"{len(lines)} words, {len(packed):,} bytes\n")


def nearest(word: str, senses: Iterable[list[str]], known: KnownWords) -> list[str]:
    """Return the words of the senses, of which the first has enough or more are taken."""
    near: dict[str, None] = {}
    for sense in senses:
        if len(near) >= FEW:
            break
        forms = (known.form_of(each) for each in sense if each not in IDIOM)
        near |= dict.fromkeys(each for each in forms if each and each != word)
    return list(near)[:MAX_RELATED]


def read_senses(folder: Path) -> dict[str, list[list[str]]]:
    """Return for each word its senses, the most frequent first: synonyms, then the definition."""
    counts = Counter(dict(read_counts(folder)))
    ranked: dict[str, list[tuple[int, int, list[str]]]] = defaultdict(list)
    for kind, digits in KINDS.items():
        definitions = dict(read_definitions(folder / f"data.{kind}"))
        for fields in read_lines(folder / f"index.{kind}"):
            word, count = fields[0], int(fields[2])
            if word.isascii() and word.isalpha():
                for number, offset in enumerate(fields[-count:], 1):
                    often = sum(counts[word, digit, number] for digit in digits)
                    ranked[word].append((-often, number, definitions[offset]))
    return {
        word: [sense for *_, sense in sorted(found, key=lambda each: each[:2])]
        for word, found in ranked.items()
    }


def read_counts(folder: Path) -> Iterator[tuple[tuple[str, str, int], int]]:
    """Yield how often a word was seen in a sense: of a word, the digit of a kind, the sense."""
    for line in (folder / "cntlist.rev").read_text("ascii").splitlines():
        key, sense, count = line.split()
        word, _, rest = key.partition("%")
        yield (word, rest[0], int(sense)), int(count)


def read_definitions(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the offset of each sense, and what says something of its words and definition."""
    for fields in read_lines(path):
        line = " ".join(fields)
        definition = re.split(r'; "|"', line.partition(" | ")[2])[0]
        bare = re.sub(r"\(.*?\)", "", definition)
        synonyms = [x.lower() for x in fields[4 : 4 + 2 * int(fields[3], 16) : 2] if x.isalpha()]
        words = synonyms + words_of(bare if bare.strip() else definition)
        yield fields[0], [word for word in dict.fromkeys(words) if is_content_word(word)]


def read_lines(path: Path) -> Iterator[list[str]]:
    """Yield the fields of each line; the licence at the beginning is indented."""
    for line in path.read_text("ascii").splitlines():
        if not line.startswith(" "):
            yield line.split()


if __name__ == "__main__":
    main()
