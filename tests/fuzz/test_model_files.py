"""A model file is hostile until it has proved otherwise."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from model import (
    LengthConfig,
    Model,
    ModelError,
    Request,
    Sampling,
    load_model,
    make_engine,
)
from model.checkpoint import METADATA_KEY
from model.verse import FORMS, Lexicon, Opening, Prosody
from model.vocabulary import Vocabulary
from tests.bot.core.hostile_files import HOSTILE
from tests.fuzz.mutants import dump, good_files, join, mutant, split, trap

MANY, FEW = 10_000, 300
MOST_STEPS = 2_000  # of a poem of 24 characters and of one in two lines
ROOT = Path(__file__).resolve().parents[2]


def write_something(model: Model) -> None:
    """Write a few characters, and two lines of verse where the model can, to their end."""
    engine = make_engine(model, max_rows=2)
    sampling = Sampling(min_p=0.05, repetition_guard=12)
    avoided = frozenset({"the", "rose"})
    opening = model.vocabulary.fold(model.card.openings[-1] if model.card.openings else "").text
    length = LengthConfig(characters=len(opening) + 24)
    engine.add(Request(Opening(rest=opening), sampling, 1, length, avoided=avoided))
    if engine.prosody is not None:
        couplet = FORMS["couplet"]
        engine.add(Request(Opening(), sampling, 1, LengthConfig(), couplet, avoided=avoided))
    for _ in range(MOST_STEPS):
        if not engine.has_work:
            return
        for piece in engine.step():
            piece.text.encode("utf-8")
    raise AssertionError("the poems have no end")


def prove(folder: Path, numbers: range) -> Counter[str]:
    """Load mutants and write with what loads; return how it went, by the refusals' names."""
    goods, path = good_files(folder), folder / "mutant.safetensors"
    outcomes: Counter[str] = Counter()
    sentences: list[str] = []
    for number in numbers:
        path.write_bytes(mutant(goods, number))
        try:
            model = load_model(path)
        except ModelError as error:
            sentences.append(str(error))
            outcomes[type(error).__name__] += 1
            continue
        except Exception as error:
            raise AssertionError(f"mutant {number}") from error
        try:
            write_something(model)
        except Exception as error:
            raise AssertionError(f"mutant {number} loads and does not write") from error
        outcomes["writes"] += 1
    assert all(len(sentence) < 1_000 and sentence.isprintable() for sentence in sentences)
    return outcomes


def alike(count: int) -> list[str]:
    """Return so many words of three letters, sorted."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return sorted(letters[n % 26] + letters[n // 26 % 26] + letters[n // 676] for n in range(count))


def test_the_files_that_are_mutated_are_good(tmp_path: Path) -> None:
    path = tmp_path / "good.safetensors"
    for raw in good_files(tmp_path):
        path.write_bytes(raw)
        write_something(load_model(path))


def test_hundreds_of_mutants_load_and_write_or_are_refused(tmp_path: Path) -> None:
    outcomes = prove(tmp_path, range(FEW))
    assert outcomes.total() == FEW
    assert outcomes["writes"] > FEW // 10  # or nothing would be known of those that load
    assert len(outcomes) >= 5  # and they are refused for many reasons


@pytest.mark.slow
def test_ten_thousand_mutants_load_and_write_or_are_refused(tmp_path: Path) -> None:
    outcomes = prove(tmp_path, range(FEW, FEW + MANY))
    assert outcomes.total() == MANY


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_book_is_no_model_either(tmp_path: Path, name: str) -> None:
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(ModelError):
        load_model(path)


@pytest.mark.parametrize("alphabet", ["a", "ab", " a", "\n", "abcdefgh"])
def test_a_model_that_may_write_no_letter_writes_one_all_the_same(alphabet: str) -> None:
    """Every one of them completed a run of its book: the search for another had no end."""
    engine = make_engine(trap(Vocabulary(alphabet)), max_rows=1)
    engine.add(Request(Opening(), Sampling(), 1, LengthConfig(characters=60)))
    text = ""
    while engine.has_work:
        text += "".join(piece.text for piece in engine.step())
    assert len(text) == 60


def test_an_entry_for_hashes_may_say_anything(tmp_path: Path) -> None:
    """A shape of ["x"] was compared with a number."""
    header, rest = split(good_files(tmp_path)[0])
    shapes: list[object] = [["x"], [None], [[]], [-1], [1.0], [True], {}, "x", 7, [2**70]]
    for shape in shapes:
        parsed = json.loads(header)
        parsed["book.grams"]["shape"] = shape
        path = tmp_path / "odd.safetensors"
        path.write_bytes(join(dump(parsed), rest))
        with pytest.raises(ModelError):
            load_model(path)


def test_weights_that_single_precision_alone_can_hold_are_refused(tmp_path: Path) -> None:
    """Their sums were infinite, and what is drawn from such odds is nothing."""
    header, rest = split(good_files(tmp_path)[1])
    parsed = json.loads(header)
    begin, parts = 0, []
    order = sorted((e["data_offsets"][0], n) for n, e in parsed.items() if n != "__metadata__")
    for _, name in order:
        entry = parsed[name]
        values = np.frombuffer(rest[slice(*entry["data_offsets"])], np.float16).astype(np.float32)
        parts.append((values * np.float32(1e30)).tobytes())
        entry["dtype"], entry["data_offsets"] = "F32", [begin, begin + len(parts[-1])]
        begin += len(parts[-1])
    path = tmp_path / "huge.safetensors"
    path.write_bytes(join(dump(parsed), b"".join(parts)))
    with pytest.raises(ModelError, match="not finite"):
        load_model(path)


def test_a_file_is_not_read_beyond_what_its_network_needs(tmp_path: Path) -> None:
    """A sparse file of a terabyte fits its own header, and would all be read."""
    header, rest = split(good_files(tmp_path)[1])
    parsed = json.loads(header)
    last = max(parsed, key=lambda name: (parsed[name].get("data_offsets") or [0, 0])[1])
    parsed[last]["data_offsets"][1] = 2**40
    path, whole = tmp_path / "sparse.safetensors", join(dump(parsed), rest)
    path.write_bytes(whole)
    with path.open("r+b") as file:
        file.truncate(len(whole) - len(rest) + 2**40)
    with pytest.raises(ModelError, match="bytes"):
        load_model(path)


def test_words_that_are_said_in_no_way_are_no_lexicon() -> None:
    """A rhyme of nothing but the sign between two sounds had no first letter."""
    for line in ("day 1 1/D/_", "day 1 1/_/EY", "day 1 1/D/EY_", "day 1 1/D__R/EY"):
        with pytest.raises(ValueError, match="a line"):
            Lexicon.read(line)


def test_words_that_all_end_alike_are_no_lexicon() -> None:
    words = alike(2_500)
    with pytest.raises(ValueError, match="end alike"):
        Lexicon.read("\n".join(f"{word} 1 1/B/AE" for word in words))


def test_a_family_of_rhymes_is_counted_once() -> None:
    """Each word was compared with each other one of its rhyme."""
    words = alike(1_900)
    lexicon = Lexicon.read(
        "\n".join(f"{word} 1 1/{'BDG'[n % 3]}/AE" for n, word in enumerate(words))
    )
    prosody = Prosody(lexicon, Vocabulary(" abcdefghijklmnopqrstuvwxyz"), 1.0)
    assert len(prosody.trie.token) > 1_900
    assert prosody._onsets == {"AE": Counter(B=634, D=633, G=633)}


HEADERS = """
import json, struct, sys
from pathlib import Path
from model import ModelError, load_model

def peak():
    line = next(l for l in open("/proc/self/status") if l.startswith("VmHWM"))
    return int(line.split()[1]) / 1024

def inner(text):
    return json.dumps({"__metadata__": {"sonneteer": text}}).encode()

folder, size = Path(sys.argv[1]), 2**22
card = '{"card":{"format_version":3,'
headers = [
    b'{"a":[' + b"[]," * (size // 3) + b"0]}",
    b'{"a":[' + b"{}," * (size // 3) + b"0]}",
    b'{' + b",".join(b'"%x":{}' % n for n in range(size // 12)) + b"}",
    inner(card[:-1] + '},"x":[' + "[]," * (size // 3) + "0]}"),
    inner(card + '"history":[' + "0," * (size // 2) + "0]}}"),
    inner(card + '"openings":[' + "0," * (size // 2) + "0]}}"),
    inner(card + ",".join(f'"{n:x}":0' for n in range(size // 12)) + "}}"),
    inner(card + '"training":{' + ",".join(f'"{n:x}":[]' for n in range(size // 12)) + "}}}"),
    inner(card[:-1] + '},"x":[' + ("[" * 150 + "]" * 150 + ",") * (size // 301) + "0]}"),
    inner(card[:-1] + '},"lexicon":"' + "\\\\n" * (size // 3) + '"}'),
    inner(card[:-1] + '},"alphabet":"' + "a" * size + '"}'),
    inner(card[:-1] + '},"' + "\\U0001f339" * (size // 5) + '":0}'),
    b"[" * size,
]
before = peak()
for number, header in enumerate(headers):
    path = folder / "header.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    try:
        load_model(path)
    except ModelError as error:
        assert len(str(error)) < 1000
    else:
        raise SystemExit(f"header {number} was taken for a model's")
print((peak() - before) / (size / 2**20))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no way to ask for the peak")
def test_a_header_takes_no_more_memory_than_some_copies_of_itself(tmp_path: Path) -> None:
    """Eight megabytes of zeros in the place of epochs took six gigabytes to be refused."""
    command = [sys.executable, "-c", HEADERS, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 16


def test_a_few_wrong_values_are_refused_by_the_first(tmp_path: Path) -> None:
    """Of a hundred thousand only one is told of, and only one is complained of."""
    header, rest = split(good_files(tmp_path)[1])
    parsed = json.loads(header)
    contents = json.loads(parsed["__metadata__"][METADATA_KEY])
    contents["card"]["history"] = [0] * 9_000
    parsed["__metadata__"][METADATA_KEY] = json.dumps(contents)
    path = tmp_path / "odd.safetensors"
    path.write_bytes(join(dump(parsed), rest))
    with pytest.raises(ModelError, match=r"card\.history\.0"):
        load_model(path)
