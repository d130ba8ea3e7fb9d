"""The tutorial's own ways: its table and its writing."""

from __future__ import annotations

import torch

from model.config import NetworkConfig
from model.training.network import StackedLSTM
from model.training.recipes import TUTORIAL
from model.training.tutorial import summarise_network, write_by_window
from model.vocabulary import Vocabulary


def test_the_table_has_the_tutorials_figures() -> None:
    table = summarise_network(StackedLSTM(TUTORIAL.network_config(48)), 100)
    rows = [line.split("  ")[0] + " " + line.split()[-1] for line in table.splitlines()]
    assert rows == [
        "Layer Parameters",
        "LSTM 1 264,192",
        "Dropout 1 0",
        "LSTM 2 525,312",
        "Dropout 2 0",
        "LSTM 3 525,312",
        "Dropout 3 0",
        "LSTM 4 525,312",
        "Dropout 4 0",
        "Dense softmax 12,336",
        "Total 1,852,464",
    ]
    assert "(N, 100, 256)" in table.splitlines()[1]
    assert "(N, 256)" in table.splitlines()[7]
    assert "(N, 48)" in table.splitlines()[9]


def test_the_input_is_the_id_as_a_share_of_the_alphabet() -> None:
    network = StackedLSTM(NetworkConfig(vocabulary_size=4, input="scalar", hidden_size=3))
    assert network.inputs(torch.tensor([[0, 1, 3]])).tolist() == [[[0.0], [0.25], [0.75]]]


def test_each_character_is_the_likeliest_after_the_last_window() -> None:
    torch.manual_seed(0)
    vocabulary = Vocabulary("abcde")
    network = StackedLSTM(NetworkConfig(vocabulary_size=5, input="scalar", hidden_size=8)).eval()
    window = torch.tensor([0, 3, 1, 4], dtype=torch.uint8)
    written = "".join(write_by_window(network, vocabulary, window, 20))
    text = vocabulary.decode(window.tolist()) + written
    assert len(written) == 20
    for place, character in enumerate(written):
        ids = torch.tensor([vocabulary.encode(text[place : place + 4])])
        assert vocabulary.characters[int(network(ids)[0][0, -1].argmax())] == character


def test_characters_come_one_by_one() -> None:
    network = StackedLSTM(NetworkConfig(vocabulary_size=2, input="scalar", hidden_size=2)).eval()
    letters = write_by_window(network, Vocabulary("ab"), torch.zeros(3), 10**9)
    assert next(letters) in "ab"
