"""Model files: what is saved comes back and what is not ours is refused."""

from __future__ import annotations

import io
import json
import pickle
import struct
from collections.abc import Callable
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.book import MAX_ALPHABET
from model.checkpoint import (
    FORMAT_VERSION,
    MAX_GUILD_MODEL_BYTES,
    MAX_GUILD_TABLE_BYTES,
    METADATA_KEY,
    expected_shapes,
    load_model,
    read_card,
    save_model,
)
from model.config import NetworkConfig
from model.errors import (
    CheckpointError,
    CheckpointForeign,
    CheckpointMissing,
    CheckpointNotFinite,
    CheckpointShape,
    CheckpointTooLarge,
    CheckpointTruncated,
    CheckpointVersion,
)
from model.kernel.quantization import input_table_bytes
from model.training.network import BASE_MODEL, StackedLSTM, network_of, tensors_of
from model.verse import Lexicon, make_lexicon
from tests.conftest import write_header
from tests.model.small_model import CARD, SMALL, VOCABULARY, make_network, save


def rewrite(
    path: Path,
    *,
    contents: Callable[[dict[str, object]], object] = lambda value: None,
    tensors: Callable[[dict[str, torch.Tensor]], object] = lambda value: None,
) -> None:
    """Change a good file's JSON or tensors in place, as a stranger might."""
    with safetensors.safe_open(path, framework="pt") as file:
        parsed = json.loads(file.metadata()[METADATA_KEY])
    loaded = dict(safetensors.torch.load(path.read_bytes()))
    contents(parsed)
    tensors(loaded)
    metadata = {METADATA_KEY: json.dumps(parsed)}
    path.write_bytes(safetensors.torch.save(loaded, metadata))


def rewrite_header(path: Path, change: Callable[[dict[str, dict[str, object]]], object]) -> None:
    """Change a good file's header and leave the rest as it is."""
    raw = path.read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + length :])


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        NetworkConfig(vocabulary_size=5, input="scalar", hidden_size=3, layers=4),
        NetworkConfig(vocabulary_size=5, hidden_size=4, layers=3, residual=True, dropout=0.3),
    ],
)
def test_a_model_comes_back_as_it_was(config: NetworkConfig, tmp_path: Path) -> None:
    network, path = make_network(config), tmp_path / "deep" / "er" / "m.safetensors"
    save(path, network)
    model = load_model(path)
    ids = torch.tensor([[0, 1, 2, 3, 4, 2]])
    again, rounded = network_of(model), network.half().float()
    assert torch.equal(again(ids)[0], rounded(ids)[0])
    assert (model.card, model.vocabulary, model.network) == (CARD, VOCABULARY, config)
    assert again.parameter_count == network.parameter_count
    assert not again.training


def test_the_card_can_be_read_alone(good: Path) -> None:
    assert read_card(good) == CARD


def test_the_same_model_gives_the_same_bytes(good: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.safetensors"
    save(again, make_network())
    assert again.read_bytes() == good.read_bytes()
    assert load_model(again).sha256 == load_model(good).sha256


def test_the_expected_shapes_are_those_of_a_network_without_its_frozen_bias() -> None:
    network = make_network()
    trained = {name: tuple(p.shape) for name, p in network.named_parameters() if p.requires_grad}
    assert expected_shapes(SMALL) == trained


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CheckpointMissing, match="No such file"):
        load_model(tmp_path / "nowhere.safetensors")


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        load_model(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(good: Path, share: float) -> None:
    raw = good.read_bytes()
    good.write_bytes(raw[: int(len(raw) * share)])
    with pytest.raises(CheckpointTruncated):
        load_model(good)


@pytest.mark.parametrize(
    "raw",
    [
        b"shall i compare thee to a summer's day? " * 10,
        pickle.dumps({"weights": [1.0] * 100}),
        b"PK\x03\x04" + b"\0" * 100,
        struct.pack("<Q", 2**31) + b"{" * 100,  # a header of 2 GB
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 100_000) + b"[" * 100_000,
        struct.pack("<Q", 13) + b'{"a":{"b":1}}',
    ],
    ids=["text", "pickle", "zip", "2 GB", "list", "empty", "deep", "no offsets"],
)
def test_what_is_not_ours_is_foreign(raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "thing.safetensors"
    path.write_bytes(raw)
    with pytest.raises(CheckpointForeign):
        load_model(path)


def test_somebody_elses_safetensors_file_is_foreign(tmp_path: Path) -> None:
    path = tmp_path / "thing.safetensors"
    path.write_bytes(safetensors.torch.save({"weight": torch.zeros(3)}, {"format": "pt"}))
    with pytest.raises(CheckpointForeign, match="sonneteer"):
        load_model(path)


def test_what_follows_the_end_is_not_read(good: Path) -> None:
    with good.open("ab") as file:
        file.write(b"more")
    with pytest.raises(CheckpointForeign, match="4 bytes"):
        load_model(good)


@pytest.mark.parametrize("version", [FORMAT_VERSION + 1, 10**30])
def test_a_future_format_is_refused_whatever_else_it_holds(good: Path, version: int) -> None:
    def change(contents: dict[str, object]) -> None:
        contents["card"] = {"format_version": version, "news": True}

    rewrite(good, contents=change)
    with pytest.raises(CheckpointVersion, match=f"format version {version}"):
        load_model(good)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("alphabet", "ba\n é"),
        ("alphabet", "\n aab"),
        ("alphabet", "\n ab"),
        ("alphabet", 5),
        ("network", {"vocabulary_size": 5, "hidden_size": 10**9}),
        ("network", {"vocabulary_size": 5, "hidden_size": 4.0}),
        ("network", None),
        ("card", {"format_version": 1}),
        ("card", {"format_version": True}),
        ("card", {"format_version": "1"}),
        ("card", {}),
        ("card", []),
        ("surprise", 1),
    ],
)
def test_contents_that_make_no_sense_are_foreign(good: Path, field: str, value: object) -> None:
    rewrite(good, contents=lambda contents: contents.__setitem__(field, value))
    with pytest.raises(CheckpointForeign):
        load_model(good)


def test_a_loss_that_is_no_number_is_foreign(good: Path) -> None:
    def change(contents: dict[str, object]) -> None:
        card = contents["card"]
        assert isinstance(card, dict)
        card["loss"] = float("nan")

    rewrite(good, contents=change)
    with pytest.raises(CheckpointForeign, match="loss"):
        load_model(good)


def test_weights_of_the_wrong_shape_are_refused(good: Path) -> None:
    rewrite(good, tensors=lambda t: t.update({"head.bias": torch.zeros(6)}))
    with pytest.raises(CheckpointShape, match=r"head\.bias"):
        load_model(good)


def test_a_file_in_single_precision_is_read_as_version_1_had_it(good: Path) -> None:
    single = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5])  # none of them is a half-precision number
    rewrite(good, tensors=lambda t: t.update({"head.bias": single}))
    assert torch.equal(torch.from_numpy(load_model(good).tensors["head.bias"]), single)


def test_a_weight_too_large_for_the_file_is_found_out_on_reading(tmp_path: Path) -> None:
    network, path = make_network(), tmp_path / "m.safetensors"
    network.head.bias.data[2] = 70_000.0
    save(path, network)
    with pytest.raises(CheckpointNotFinite, match=r"head\.bias"):
        load_model(path)


def test_weights_of_another_type_are_refused(good: Path) -> None:
    rewrite(good, tensors=lambda t: t.update({"head.bias": torch.zeros(5, dtype=torch.int32)}))
    with pytest.raises(CheckpointShape, match="I32"):
        load_model(good)


def test_missing_and_unknown_weights_are_refused(good: Path) -> None:
    rewrite(good, tensors=lambda t: t.pop("head.bias"))
    with pytest.raises(CheckpointShape, match=r"head\.bias is missing"):
        load_model(good)
    rewrite(good, tensors=lambda t: t.update({"head.bias": torch.zeros(5), "x": torch.ones(1)}))
    with pytest.raises(CheckpointShape, match="x is not known"):
        load_model(good)


def test_a_network_larger_than_its_file_is_refused_before_it_is_made(
    good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four thousand by four thousand, eight layers deep: 4 GB if anybody believed it."""

    def made(*_: object, **__: object) -> None:
        raise AssertionError("the tensors were read")

    monkeypatch.setattr("model.checkpoint.safetensors.numpy.load", made)
    big = {"vocabulary_size": 5, "embedding_size": 3, "hidden_size": 4096, "layers": 8}
    rewrite(good, contents=lambda contents: contents.__setitem__("network", big))
    with pytest.raises(CheckpointShape):
        load_model(good)


def test_tensors_that_overlap_are_refused(good: Path) -> None:
    rewrite_header(good, lambda header: header["head.bias"].update({"data_offsets": [0, 20]}))
    with pytest.raises(CheckpointError):
        load_model(good)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_refused(good: Path, value: float) -> None:
    rewrite(good, tensors=lambda t: t["lstms.1.weight_hh_l0"].fill_(value))
    with pytest.raises(CheckpointNotFinite, match=r"lstms\.1\.weight_hh_l0"):
        load_model(good)


@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255), cut=st.booleans())
def test_a_mutated_file_loads_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, place: float, byte: int, cut: bool
) -> None:
    path = tmp_path_factory.mktemp("mutated") / "m.safetensors"
    save(path, make_network())
    raw = bytearray(path.read_bytes())
    at = int(place * len(raw))
    raw[at] = byte
    path.write_bytes(raw[:at] if cut else raw)
    with suppress(CheckpointError):  # anything else fails
        load_model(path)


# Words and runs of the book


@pytest.fixture
def versed(good: Path) -> Path:
    model = load_model(good)
    save_model(
        good,
        model.network,
        model.tensors,
        model.vocabulary,
        model.card,
        lexicon=make_lexicon("a bee and a bad bed\n"),
        grams=np.array([3, 7, 11], np.uint32),
    )
    return good


def test_words_and_hashes_come_back(versed: Path) -> None:
    model = load_model(versed)
    assert {entry.word for entry in model.lexicon.entries} == {"a", "bee", "and", "bad", "bed"}
    assert model.grams.tolist() == [3, 7, 11]


def test_a_model_may_have_neither(good: Path) -> None:
    model = load_model(good)
    assert model.lexicon == Lexicon()
    assert len(model.grams) == 0


def test_hashes_that_are_not_sorted_are_sorted(versed: Path) -> None:
    raw = versed.read_bytes()
    hashes = struct.pack("<3I", 3, 7, 11)
    assert raw.count(hashes) == 1
    versed.write_bytes(raw.replace(hashes, struct.pack("<3I", 11, 3, 7)))
    assert load_model(versed).grams.tolist() == [3, 7, 11]


@pytest.mark.parametrize(("kind", "shape"), [("F16", "[6]"), ("U32", "[3,1]"), ("U32", "[]")])
def test_hashes_of_another_kind_are_refused(versed: Path, kind: str, shape: str) -> None:
    raw = versed.read_bytes()
    old = b'"book.grams":{"dtype":"U32","shape":[3]'
    assert old in raw
    new = f'"book.grams":{{"dtype":"{kind}","shape":{shape}'.encode()
    length = struct.unpack("<Q", raw[:8])[0]
    header = raw[8 : 8 + length].replace(old, new)
    versed.write_bytes(struct.pack("<Q", len(header)) + header + raw[8 + length :])
    with pytest.raises(CheckpointShape):
        load_model(versed)


def test_words_that_are_none_are_refused(versed: Path) -> None:
    raw = versed.read_bytes()
    versed.write_bytes(raw.replace(b"bee 1 1", b"bee x 1"))
    with pytest.raises(CheckpointForeign, match="the lexicon has a line"):
        load_model(versed)


class ChangedMeanwhile(type(Path())):  # type: ignore[misc]
    """A file that somebody else changes as soon as its header has been read."""

    changed: bytes

    def open(self, *_: Any, **__: Any) -> Any:
        file = io.FileIO(self)
        read = file.read

        def read_and_change(size: int) -> bytes:
            content = read(size)
            if size > 8:
                Path(self).write_bytes(self.changed)
            return content

        return Reading(file, read_and_change)


class Reading:
    """A file with another way to read."""

    def __init__(self, file: io.FileIO, read: Callable[[int], bytes]) -> None:
        self._file, self.read = file, read
        self.fileno, self.seek = file.fileno, file.seek

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def test_the_header_that_was_checked_is_the_one_that_is_used(good: Path) -> None:
    path = ChangedMeanwhile(good)
    path.changed = good.read_bytes().replace(b'"shape":[5,3]', b'"shape":[3,5]')
    assert path.changed != good.read_bytes()
    model = load_model(path)
    shapes = {name: tensor.shape for name, tensor in model.tensors.items()}
    assert shapes == expected_shapes(SMALL)


def test_a_card_commands_no_terminal(tmp_path: Path) -> None:
    title = "\x1b]0;mine\x07 \u202eA Walk"
    path = tmp_path / "walks.safetensors"
    card = CARD.model_copy(update={"book_title": title, "recipe": "\x9b2J"})
    save_model(path, SMALL, tensors_of(StackedLSTM(SMALL)), VOCABULARY, card)
    read = read_card(path)
    assert (read.book_title, read.recipe) == ("�]0;mine� �A Walk", "�2J")


def test_of_an_own_model_no_more_is_read_than_what_says_that_it_is_too_large(
    tmp_path: Path,
) -> None:
    wide = NetworkConfig(vocabulary_size=20_000, hidden_size=256)
    path = write_header(tmp_path / "wide.safetensors", wide)
    with pytest.raises(CheckpointTooLarge, match=r"40,960,000 bytes for its 20,000 tokens"):
        load_model(path, for_guild=True)
    with pytest.raises(CheckpointShape):  # where weights are missing: anybody else's may be wide
        load_model(path)


def test_the_largest_model_that_a_book_can_make_may_be_a_servers_own() -> None:
    base = load_model(BASE_MODEL)
    wide = base.network.model_copy(update={"vocabulary_size": MAX_ALPHABET})
    assert input_table_bytes(wide) <= MAX_GUILD_TABLE_BYTES
    size = MAX_ALPHABET + len(base.vocabulary.pieces)
    largest = base.network.model_copy(update={"vocabulary_size": size})
    assert 2 * sum(map(prod, expected_shapes(largest).values())) <= 0.75 * MAX_GUILD_MODEL_BYTES


def test_what_a_model_takes_in_memory_counts_what_each_character_says_to_the_network(
    good: Path,
) -> None:
    # 4 units are padded to 16, which have 4 gates of 2 bytes.
    assert load_model(good).memory_bytes == good.stat().st_size + 5 * 16 * 4 * 2
