"""Prompts as vectors: by hand, and as open_clip and the server have them."""

from types import SimpleNamespace

import numpy as np
import open_clip
import pytest
import torch
from torch.nn.functional import normalize

from components.data.transforms.preprocess import Preprocess
from components.evaluation.embedding import Embedder
from components.evaluation.prompts import Asked, asked_by, one_prompt
from components.serving.classification import label_vectors, ranked

AXES = {"a cat": (1, 0, 0), "a dog": (0, 1, 0), "bread": (0, 0, 1), "food": (0, 0, -1)}
PROMPTS = {"Animals": ("a cat", "a dog"), "Food": ("bread",)}


def encode(texts):
    return np.array([AXES[text] for text in texts], np.float32)


def test_the_mean_of_prompts_has_unit_length():
    asked = asked_by(PROMPTS, encode, "mean")
    np.testing.assert_allclose(asked.vectors, [[0.5**0.5, 0.5**0.5, 0], [0, 0, 1]], rtol=1e-6)
    assert (asked.vectors.dtype, asked.counts) == (np.float32, (1, 1))


def test_prompts_for_themselves_keep_their_vectors():
    asked = asked_by(PROMPTS, encode, "sum")
    np.testing.assert_array_equal(asked.vectors, np.eye(3))
    assert asked.counts == (2, 1)


def test_shares_by_hand():
    """At scale log 2 a cosine of 1 counts twice as much as one of 0."""
    image = np.array([[1, 0, 0], [0, 0, 1]], np.float32)
    asked = asked_by(PROMPTS, encode, "sum")
    np.testing.assert_allclose(asked.shares(image, np.log(2)), [[3 / 4, 1 / 4], [2 / 4, 2 / 4]], rtol=1e-6)
    plain = Asked(vectors=np.eye(3, dtype=np.float32), counts=(1, 1, 1))
    np.testing.assert_allclose(plain.shares(image, np.log(2))[0], [2 / 4, 1 / 4, 1 / 4], rtol=1e-6)


def test_a_label_alone_is_its_own_text():
    asked = one_prompt({"loaf": "bread", "cat": "a cat"}, encode)
    np.testing.assert_array_equal(asked.vectors, [[0, 0, 1], [1, 0, 0]])


def test_prompts_that_cancel_out_are_no_direction_but_a_number():
    asked = asked_by({"all": ("bread", "food")}, encode, "mean")
    assert np.isfinite(asked.vectors).all()


@pytest.fixture(scope="module")
def rows():
    draw = np.random.default_rng(0).normal(size=(40, 8))
    return (draw / np.linalg.norm(draw, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("join", ["mean", "sum"])
def test_the_server_gives_the_same_shares(rows, join):
    texts = [str(place) for place in range(30)]
    prompts = {"a": texts[:4], "b": texts[4:9], "c": texts[9:10], "d": texts[10:]}
    asked = asked_by(prompts, lambda texts: rows[[int(text) for text in texts]], join)
    shares = asked.shares(rows[30:], 22.0)
    np.testing.assert_allclose(shares.sum(1), 1)
    for image, own in zip(rows[30:], shares, strict=True):
        best, served = ranked(image, asked.vectors, 22.0, 4, asked.counts)
        np.testing.assert_allclose(served, own[best], rtol=1e-5)


def test_the_server_has_the_same_mean(rows):
    asked = asked_by({"a": "0123", "b": "4567"}, lambda texts: rows[[int(text) for text in texts]], "mean")
    np.testing.assert_allclose(asked.vectors, label_vectors(rows[:8], 4), rtol=1e-6)


def test_the_mean_is_open_clips(clip, vocabulary):
    """The real text tower, asked by open_clip's own zero-shot builder."""
    model = clip.model.eval()
    labels, templates = ["red", "green", "black"], ["a {} square", "{}", "a {} square at the left"]
    peer = open_clip.build_zero_shot_classifier(
        SimpleNamespace(
            encode_text=lambda tokens, normalize: _normalised(model.encode_text(tokens).pooled, normalize)
        ),
        lambda texts: vocabulary(texts), labels, [template.format for template in templates], num_classes_per_batch=2,
        device="cpu",
    )  # fmt: skip
    prompts = {label: [template.format(label) for template in templates] for label in labels}
    ours = asked_by(prompts, Embedder(model, vocabulary, Preprocess(size=32)).texts, "mean")
    np.testing.assert_allclose(ours.vectors, peer.T.detach().numpy(), rtol=1e-5, atol=1e-6)


def _normalised(pooled: torch.Tensor, wanted: bool) -> torch.Tensor:
    return normalize(pooled, dim=-1) if wanted else pooled
