"""The methods that are compared do the same thing, each in its arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from bench.generation import BOUND, accuracy, measure
from bench.generation_methods import METHODS, Stepwise, Window, upper_bound
from bench.networks import random_tensors, tutorial_model
from model import Model, NetworkConfig
from model.training import network_of

TEXT = "the evening lays its hand upon the quiet water and every lamp grows softer"


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def small(*, residual: bool = False, scalar: bool = False) -> Model:
    whole = tutorial_model()
    config = NetworkConfig(
        vocabulary_size=len(whole.vocabulary),
        input="scalar" if scalar else "embedding",
        embedding_size=1 if scalar else 8,
        hidden_size=32,
        layers=3,
        residual=residual,
    )
    card = whole.card.model_copy(update={"openings": ("the sea",)})
    return replace(whole, network=config, tensors=random_tensors(config), card=card)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("scalar", [False, True])
@pytest.mark.parametrize("name", [n for n in METHODS if METHODS[n] not in (Window, Stepwise)])
def test_each_method_expects_what_the_network_does(name: str, scalar: bool, residual: bool) -> None:
    model = small(residual=residual, scalar=scalar)
    divergence, change = accuracy(model, METHODS[name](model, 3), TEXT)
    exact = accuracy(model, METHODS["float32, one GEMM per layer"](model, 1), TEXT)
    assert exact == pytest.approx((0.0, 0.0), abs=1e-6)
    assert -1e-9 < divergence < 2e-3
    assert abs(change) < 0.02


@pytest.mark.parametrize("make", [Window, Stepwise])
def test_methods_of_the_network_itself_have_no_accuracy_of_their_own(
    make: type[Window] | type[Stepwise],
) -> None:
    model = small()
    assert all(map(math.isnan, accuracy(model, make(model, 1), TEXT)))


def test_a_wrong_network_is_told_from_a_right_one() -> None:
    model = small()
    other = replace(model, tensors=random_tensors(model.network, seed=1))
    divergence, _ = accuracy(model, METHODS["ours, the kernel alone"](other, 1), TEXT)
    assert divergence > 0.01


def test_random_weights_have_no_loss() -> None:
    model = small()
    model = replace(model, card=model.card.model_copy(update={"openings": ()}))
    divergence, change = accuracy(model, METHODS["int8, torch._int_mm"](model, 1), TEXT)
    assert divergence < 2e-3
    assert math.isnan(change)


def test_a_window_writes_what_the_network_finds_likeliest() -> None:
    model = small()
    window = Window(model, 2)
    window.write()
    ids = window._window[0].tolist()
    logits, _ = network_of(model)(torch.tensor([[0, *ids[:-1]]]))
    seen = logits[0].argmax(dim=-1)[-1].item()
    assert len(ids) == 100
    assert seen == ids[-1]


def test_all_methods_and_the_bound_are_measured_at_every_width() -> None:
    model = small()
    figures = measure(model, "here", [1, 5], rounds=1, seconds=0.001, text=TEXT)
    assert {figure.method for figure in figures if figure.rows == 1} == {*METHODS, BOUND}
    assert {figure.method for figure in figures if figure.rows == 5} == {
        name for name in (*METHODS, BOUND) if name != "whole window per character"
    }
    for figure in figures:
        assert figure.lowest <= figure.characters_per_second <= figure.highest
        assert figure.ms_per_step == pytest.approx(
            1000 * figure.rows / figure.characters_per_second
        )
        assert figure.of_bound == 1.0 or figure.method != BOUND


def test_without_avx2_ours_alone_is_measured() -> None:
    figures = measure(small(), "sse4", [1], rounds=1, seconds=0.001, text=TEXT)
    assert all(figure.method.startswith(("ours", "bound")) for figure in figures)


def test_the_bound_is_the_quicker_of_two_methods() -> None:
    rate, name = upper_bound(small(), 2, 0.005)
    assert rate > 0.0
    assert name in ("tiles", "_int_mm")
