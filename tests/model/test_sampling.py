import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from model.config import SamplingConfig
from model.sampling import RowSettings, greedy, min_p, sample, temperature, top_k, top_p

# Few distinct values, so that ties are common; many sizes, so that vector tails differ.
LOGITS = st.lists(
    st.sampled_from([-30.0, -2.0, -1.0, 0.0, 0.5, 1.0, 30.0]) | st.floats(-50, 50),
    min_size=1,
    max_size=40,
)
UNIFORMS = st.floats(0, 1, exclude_max=True)
SETTINGS = st.builds(
    SamplingConfig,
    greedy=st.booleans(),
    temperature=st.floats(0.05, 2.0),
    top_k=st.integers(0, 45),
    top_p=st.floats(0, 1, exclude_min=True),
    min_p=st.floats(0, 1, exclude_max=True),
)
PLAIN = SamplingConfig(temperature=1.0)


def row(values: list[float]) -> Tensor:
    return torch.tensor([values], dtype=torch.float64)


def kept(logits: Tensor) -> list[int]:
    return logits[0].isfinite().nonzero().flatten().tolist()


def choose(values: list[float], config: SamplingConfig, uniform: float) -> int:
    uniforms = torch.tensor([uniform], dtype=torch.float64)
    return int(sample(row(values), RowSettings.of([config]), uniforms))


def by_rank(values: list[float]) -> list[int]:
    return sorted(range(len(values)), key=lambda place: (-values[place], place))


def test_greedy_takes_the_lowest_of_equals() -> None:
    assert greedy(torch.tensor([[0.0, 2.0, 2.0], [3.0, 3.0, 1.0]])).tolist() == [1, 0]


@given(LOGITS)
def test_greedy_takes_the_likeliest_and_the_lowest_of_equals(values: list[float]) -> None:
    assert int(greedy(row(values))) == by_rank(values)[0]


@given(LOGITS, st.integers(0, 45))
def test_top_k_keeps_exactly_the_k_likeliest_and_the_lowest_of_equals(
    values: list[float], k: int
) -> None:
    filtered = top_k(row(values), torch.tensor([[k]]))
    assert kept(filtered) == sorted(by_rank(values)[: k or None])


@given(LOGITS, st.floats(0, 1, exclude_min=True))
def test_top_p_keeps_the_fewest_that_reach_p(values: list[float], p: float) -> None:
    filtered = top_p(row(values), torch.tensor([[p]], dtype=torch.float64))
    probabilities = row(values).softmax(-1)[0].tolist()
    ranked = by_rank(values)
    left = len(kept(filtered))
    assert left >= 1
    assert kept(filtered) == sorted(ranked[:left])
    if p < 1.0:
        assert math.fsum(probabilities[place] for place in ranked[: left - 1]) < p + 1e-9
        assert math.fsum(probabilities[place] for place in ranked[:left]) > p - 1e-9
    else:
        assert left == len(values)


@given(LOGITS, st.floats(0, 1, exclude_max=True))
def test_min_p_keeps_what_is_p_times_as_probable_as_the_likeliest(
    values: list[float], p: float
) -> None:
    filtered = min_p(row(values), torch.tensor([[p]], dtype=torch.float64))
    for place, value in enumerate(values):
        share = math.exp(value - max(values))
        if abs(share - p) > 1e-9:
            assert (place in kept(filtered)) == (share > p)
    assert by_rank(values)[0] in kept(filtered)


def test_zero_min_p_keeps_even_the_impossible() -> None:
    filtered = min_p(row([0.0, -800.0]), torch.tensor([[0.0]]))
    assert kept(filtered) == [0, 1]


@given(LOGITS)
def test_filters_that_are_off_change_nothing(values: list[float]) -> None:
    logits = row(values)
    assert torch.equal(top_k(logits, torch.tensor([[0]])), logits)
    assert torch.equal(top_p(logits, torch.tensor([[1.0]])), logits)
    assert torch.equal(min_p(logits, torch.tensor([[0.0]])), logits)
    assert torch.equal(temperature(logits, torch.tensor([[1.0]])), logits)


@given(LOGITS)
def test_filters_keep_the_logits_that_they_keep(values: list[float]) -> None:
    logits = row(values)
    for filtered in (
        top_k(logits, torch.tensor([[3]])),
        top_p(logits, torch.tensor([[0.7]])),
        min_p(logits, torch.tensor([[0.1]])),
    ):
        finite = filtered.isfinite()
        assert torch.equal(filtered[finite], logits[finite])


@given(LOGITS, SETTINGS, UNIFORMS)
def test_a_choice_is_always_one_that_the_filters_keep(
    values: list[float], config: SamplingConfig, uniform: float
) -> None:
    chosen = choose(values, config, uniform)
    logits = temperature(row(values), torch.tensor([[config.temperature]], dtype=torch.float64))
    logits = top_k(logits, torch.tensor([[config.top_k]]))
    logits = top_p(logits, torch.tensor([[config.top_p]], dtype=torch.float64))
    logits = min_p(logits, torch.tensor([[config.min_p]], dtype=torch.float64))
    assert chosen in kept(logits)
    if config.greedy:
        assert chosen == by_rank(values)[0]


@given(st.lists(st.tuples(SETTINGS, UNIFORMS), min_size=1, max_size=20), st.integers(0, 2**31))
def test_a_row_chooses_the_same_alone_as_beside_others(
    rows: list[tuple[SamplingConfig, float]], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(len(rows), 19, generator=generator) * 4
    together = sample(
        logits,
        RowSettings.of([config for config, _ in rows]),
        torch.tensor([uniform for _, uniform in rows], dtype=torch.float64),
    )
    alone = [
        choose(logits[place].tolist(), config, uniform)
        for place, (config, uniform) in enumerate(rows)
    ]
    assert together.tolist() == alone


@pytest.mark.parametrize(
    ("uniform", "chosen"),
    [(0.0, 0), (0.249, 0), (0.251, 2), (0.749, 2), (0.751, 3), (math.nextafter(1, 0), 3)],
)
def test_a_uniform_number_falls_into_the_cumulative_distribution(
    uniform: float, chosen: int
) -> None:
    quarters = [math.log(0.25), -math.inf, math.log(0.5), math.log(0.25)]
    assert choose(quarters, PLAIN, uniform) == chosen


def test_frequencies_follow_the_probabilities_at_the_temperature() -> None:
    values = [0.0, 1.0, 2.0]
    expected = (row(values) / 0.5).softmax(-1)[0]
    count = 20_000
    uniforms = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    settings = RowSettings.of([SamplingConfig(temperature=0.5)] * count)
    chosen = sample(row(values).expand(count, 3), settings, uniforms)
    shares = chosen.bincount(minlength=3) / count
    torch.testing.assert_close(shares.double(), expected, rtol=0, atol=2 / count)


def test_filters_come_in_the_order_temperature_top_k_top_p_min_p() -> None:
    values = [math.log(share) for share in (0.4, 0.25, 0.2, 0.15)]
    hundred = [place / 100 for place in range(100)]
    both = SamplingConfig(temperature=1.0, top_k=2, top_p=0.6)
    alone = SamplingConfig(temperature=1.0, top_p=0.6)
    # Of four the two likeliest stay, and among these two the first alone has more than 0.6.
    assert {choose(values, both, uniform) for uniform in hundred} == {0}
    assert {choose(values, alone, uniform) for uniform in hundred} == {0, 1}
