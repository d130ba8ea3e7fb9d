"""What a model's weights become is the same on every processor."""

import numpy as np

from model.kernel.quantization import in_steps, on_grid
from model.kernel.tiles import BIAS_STEP


def test_sums_of_products_are_the_same_in_whatever_order_they_are_added() -> None:
    random = np.random.default_rng(0)
    for inputs in (1, 5, 512, 1024):
        first, second = (
            (random.standard_normal((64, inputs)) * scale).astype(np.float32) for scale in (3, 0.1)
        )
        a, b = on_grid(first), on_grid(second)
        order = random.permutation(inputs)
        sums = a @ b.T  # (64, K) @ (K, 64)
        assert (sums == a[:, order] @ b[:, order].T).all()
        assert (sums == np.cumsum(a[:, None] * b, axis=2)[:, :, -1]).all()  # one after the other
        assert np.abs(sums - first.astype(np.float64) @ second.T).max() < 1e-4


def test_nothing_but_zeros_stays_so() -> None:
    assert not on_grid(np.zeros((2, 3), np.float32)).any()


def test_inputs_are_kept_to_half_a_step_and_within_what_fits() -> None:
    inputs = np.array([0.0, 1.5, -7.123456, 31.9, -31.9])
    assert np.abs(in_steps(inputs) * BIAS_STEP - inputs).max() <= BIAS_STEP / 2
    assert (in_steps(np.array([1e9, -1e9])) == [32767, -32768]).all()
