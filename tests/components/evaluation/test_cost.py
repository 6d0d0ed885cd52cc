"""What a model costs, counted by hand."""

import pytest
import torch

from components.contracts.errors import ConfigError
from components.data.transforms.preprocess import Preprocess
from components.evaluation.cost import Cost, taken
from components.evaluation.embedding import Embedder
from components.methods.lightclip import LightClip
from tests.components.training.flat import flat_clip
from tests.subjects import Told, subject_of

CONTEXT, WIDTH = 12, 16
PICTURE = {  # a convolution of 8 x 8 pixels at nine places to 8 features, a linear map of these to 16, and the projection
    "parameters": (3 * 64 + 1) * 8 + 2 * 8 + (72 + 1) * WIDTH + WIDTH**2,
    "flops": 2 * (9 * 8 * 3 * 64 + 72 * WIDTH + WIDTH**2),
}
BLOCK = {  # query, key, value, out and a feed-forward of four times the width; two norms; all pairs of tokens twice
    "parameters": 12 * WIDTH**2 + (3 + 1 + 4 + 1 + 4) * WIDTH,
    "flops": 2 * (12 * WIDTH**2 * CONTEXT + 2 * CONTEXT**2 * WIDTH),
}


def of(squares, embedder, untrained=None) -> dict[str, float]:
    found = Cost().measure(subject_of(squares, embedder, untrained or embedder, {"train": range(4), "val": range(4)}))
    assert all(metric.baseline == metric.value for metric in found.metrics)
    return {metric.name: metric.value for metric in found.metrics}


def test_parameters_and_operations_are_those_counted_by_hand(vocabulary, squares):
    assert vocabulary.context == CONTEXT
    found = of(squares, Embedder(flat_clip(vocabulary).model, vocabulary, Preprocess(size=24)))
    assert {what: found[f"cost.image.{what}"] for what in PICTURE} == PICTURE
    rows = len(vocabulary) + CONTEXT
    assert found["cost.text.parameters"] == rows * WIDTH + BLOCK["parameters"] + 2 * WIDTH + WIDTH**2
    assert found["cost.text.flops"] == BLOCK["flops"] + 2 * WIDTH**2


def test_bytes_are_of_the_parameters_as_they_lie_in_memory(vocabulary, squares):
    model = flat_clip(vocabulary).model
    found = of(squares, Embedder(model, vocabulary, Preprocess(size=24)))
    assert found["cost.image.bytes"] == 4 * PICTURE["parameters"]
    assert found["cost.text.bytes"] == 4 * found["cost.text.parameters"]


def test_time_is_measured_where_it_is_asked_for_and_nowhere_else(vocabulary, squares):
    embedder = Embedder(flat_clip(vocabulary).model, vocabulary, Preprocess(size=24))
    assert not any(name.endswith(".ms") for name in of(squares, embedder))
    subject = subject_of(squares, embedder, embedder, {"train": range(4), "val": range(4)})
    timed = {metric.name: metric for metric in Cost(times=3).measure(subject).metrics if metric.name.endswith(".ms")}
    assert set(timed) == {"cost.image.ms", "cost.text.ms"}
    for metric in timed.values():
        assert metric.value > 0
        assert metric.baseline > 0
        assert (metric.unit, metric.n) == ("milliseconds", 3)
        assert "one at a time" in str(metric.method)


def test_the_median_of_the_calls_is_taken_and_the_first_is_not_counted():
    calls = []
    assert taken(lambda: calls.append(1), 5) >= 0
    assert len(calls) == 6


def test_fewer_times_than_none_are_refused():
    with pytest.raises(ConfigError, match="times is -1"):
        Cost(times=-1)


def test_what_a_method_has_for_its_training_alone_costs_nothing(vocabulary, squares):
    model, preprocess = flat_clip(vocabulary).model, Preprocess(size=24)
    plain = of(squares, Embedder(model, vocabulary, preprocess))
    method = LightClip(model, token=0.0)
    assert sum(p.numel() for p in method.parameters()) > sum(p.numel() for p in model.parameters())
    assert of(squares, Embedder(method.model, vocabulary, preprocess)) == plain


def test_a_model_that_does_not_say_is_left_out(squares):
    told = Told({}, {})
    found = Cost().measure(subject_of(squares, told, told, {"train": range(4), "val": range(4)}))
    assert not found.metrics
    assert "cost" in found.without
    assert torch.is_grad_enabled()
