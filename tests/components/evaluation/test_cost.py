"""What a model costs, counted by hand."""

import torch

from components.data.transforms.preprocess import Preprocess
from components.evaluation.cost import Cost
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
