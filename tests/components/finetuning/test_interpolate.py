"""Weights between two models: by hand, at both ends to the last bit, and equal to the authors' formula."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from components.contracts.errors import ConfigError
from components.finetuning.interpolate import interpolate

NUMBERS = st.floats(-1e3, 1e3, width=32)
PAIRS = st.integers(1, 12).flatmap(
    lambda size: st.tuples(arrays(np.float32, size, elements=NUMBERS), arrays(np.float32, size, elements=NUMBERS))
)


def test_a_quarter_of_the_way_by_hand():
    between = interpolate({"w": torch.tensor([0.0, 4.0])}, {"w": torch.tensor([8.0, 0.0])}, 0.25)
    assert between["w"].tolist() == [2.0, 3.0]


@given(PAIRS, st.sampled_from([torch.float32, torch.bfloat16, torch.float16]))
def test_the_ends_are_the_two_models_to_the_last_bit(pair, dtype):
    old, new = ({"w": torch.from_numpy(values).to(dtype)} for values in pair)
    assert bits(interpolate(old, new, 0.0)["w"]) == bits(old["w"])
    assert bits(interpolate(old, new, 1.0)["w"]) == bits(new["w"])


@given(PAIRS, st.floats(0, 1))
def test_it_is_the_formula_of_the_paper(pair, alpha):
    """As in wise-ft's own code, `(1 - alpha) * theta_0 + alpha * theta_1`; float32 rounds once, by half a unit."""
    old, new = pair
    wanted = (1 - alpha) * old.astype(np.float64) + alpha * new.astype(np.float64)
    between = interpolate({"w": torch.from_numpy(old)}, {"w": torch.from_numpy(new)}, alpha)["w"].numpy()
    np.testing.assert_allclose(between, wanted, rtol=1e-6, atol=1e-9)


@given(PAIRS, st.floats(0, 1))
def test_what_is_equal_stays_to_the_last_bit(pair, alpha):
    same = torch.from_numpy(np.concatenate([*pair, [-0.0, 1e-42, np.inf]]).astype(np.float32))
    assert bits(interpolate({"w": same}, {"w": same.clone()}, alpha)["w"]) == bits(same)


@given(PAIRS, st.floats(0, 1))
def test_the_way_there_is_the_way_back(pair, alpha):
    old, new = ({"w": torch.from_numpy(values)} for values in pair)
    there, back = interpolate(old, new, alpha)["w"], interpolate(new, old, 1 - alpha)["w"]
    torch.testing.assert_close(there, back, rtol=1e-5, atol=1e-4)


def test_of_a_linear_model_mixed_weights_are_mixed_outputs():
    """Where the paper says that mixing weights is mixing outputs."""
    torch.manual_seed(1)
    old, new, mixed, rows = nn.Linear(5, 3), nn.Linear(5, 3), nn.Linear(5, 3), torch.randn(7, 5)
    mixed.load_state_dict(interpolate(old.state_dict(), new.state_dict(), 0.3))
    torch.testing.assert_close(mixed(rows), 0.7 * old(rows) + 0.3 * new(rows))


@pytest.mark.parametrize(("alpha", "count"), [(0.0, 3), (0.49, 3), (0.5, 9), (1.0, 9)])
def test_whole_numbers_come_from_the_nearer_end(alpha, count):
    between = interpolate({"batches": torch.tensor(3)}, {"batches": torch.tensor(9)}, alpha)["batches"]
    assert (int(between), between.dtype) == (count, torch.int64)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_what_it_returns_is_nobody_elses(alpha):
    old, new = {"w": torch.zeros(2), "b": torch.ones(1)}, {"w": torch.ones(2), "b": torch.ones(1)}
    for tensor in interpolate(old, new, alpha).values():
        tensor.fill_(7)
    assert (old["w"].sum(), new["w"].sum(), old["b"].item(), new["b"].item()) == (0, 2, 1, 1)


@pytest.mark.parametrize("alpha", [-0.1, 1.01, float("nan")])
def test_an_alpha_beyond_the_ends_is_refused(alpha):
    with pytest.raises(ConfigError, match=r"alpha is .*Give numbers from 0 to 1"):
        interpolate({}, {}, alpha)


@pytest.mark.parametrize(
    ("tuned", "says"),
    [
        ({}, r"w is \(\(2,\), torch.float32\) before tuning and missing after"),
        ({"w": torch.zeros(3)}, r"w is .*\(3,\)"),
        ({"w": torch.zeros(2).half()}, "float16"),
        ({"w": torch.zeros(2), "lora": torch.zeros(1)}, "lora is missing before.*merge"),
    ],
)
def test_models_of_different_tensors_have_nothing_between_them(tuned, says):
    with pytest.raises(ConfigError, match=says):
        interpolate({"w": torch.zeros(2)}, tuned, 0.5)


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().view(torch.uint8).numpy().tobytes()
