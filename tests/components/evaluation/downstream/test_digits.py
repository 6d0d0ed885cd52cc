"""The digits are scikit-learn's, their parts never change, and no part lacks a class."""

import hashlib
import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from components.evaluation.downstream.digits import Digits, parts_of


@pytest.fixture(scope="module")
def digits():
    return Digits().read()


def test_pictures_are_those_of_scikit_learn_as_dark_ink(digits):
    peer = load_digits()
    assert digits.labels == tuple(str(one) for one in peer.target)
    for place in (0, 1, 900, 1796):
        grey = np.asarray(Image.open(io.BytesIO(digits.pictures[place])))
        assert (grey.shape, grey.dtype) == ((32, 32), np.uint8)
        np.testing.assert_allclose(grey[::4, ::4], 255 * (1 - peer.images[place] / 16), atol=0.5)


def test_parts_are_stratified_and_disjoint(digits):
    counts = Counter(zip(digits.labels, digits.parts, strict=True))
    for label, all_of_it in Counter(digits.labels).items():
        assert counts[label, "train"] == round(0.6 * all_of_it)
        assert counts[label, "val"] == round(0.2 * all_of_it)
        assert counts[label, "test"] == all_of_it - counts[label, "train"] - counts[label, "val"]
    assert len(set(digits.keys)) == len(digits.keys) == len(digits.parts) == 1797
    assert Counter(digits.parts)["test"] == 360


def test_the_part_of_a_picture_is_the_same_at_every_call(digits):
    assert Digits().read() == digits
    digest = hashlib.sha256(" ".join(digits.parts).encode()).hexdigest()
    assert digest == "c459f24af894e672e2e08d3ba857167c3481f09a9c67ecf5cf3bd2d4f2cf4012"


def test_a_picture_changes_its_part_with_no_neighbour():
    """Which part a key is of follows from the keys of its class alone."""
    keys, labels = tuple(f"k{i}" for i in range(40)), ("a", "b") * 20
    whole = dict(zip(keys, parts_of(keys, labels), strict=True))
    alone = dict(zip(keys[::2], parts_of(keys[::2], labels[::2]), strict=True))
    assert alone == {key: whole[key] for key in keys[::2]}


def test_it_says_whose_it_is():
    assert Digits.name == "digits"
    assert "CC-BY-4.0" in Digits.about
