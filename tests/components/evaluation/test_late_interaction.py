"""Retrieval by tokens: by hand where one patch and one word decide, and bad numbers refused."""

import numpy as np
import pytest

from components.contracts.errors import ConfigError
from components.evaluation.late_interaction import LateInteraction


class Tokens:
    """Two pictures of two patches, whose means say nothing and whose patches say all."""

    patches = np.array([[[1, 0, 0], [-1, 0, 0.1]], [[0, 1, 0], [0, -1, 0.1]]], np.float32)
    words = np.array([[[1, 0, 0], [9, 9, 9]], [[0, 1, 0], [9, 9, 9]]], np.float32)
    real = np.array([[True, False], [True, False]])

    def picture_tokens(self, pictures, progress, doing):
        return self.patches

    def text_tokens(self, texts):
        return self.words, self.real

    def texts(self, texts):
        return np.array([[0, 0, 1], [0, 0, 1]], np.float32)


class Pool:
    keys, captions, concepts = ("a", "b"), (("one",), ("two",)), ("one", "two")
    pictures = (b"", b"")


class Subject:
    encoder, pools, seed = Tokens(), {"val": Pool()}, 0

    def progress(self, *said):
        pass

    def embedded(self, split):
        return np.array([[0, 0, 1], [0, 0, 1]], np.float32)


def test_what_one_patch_shows_is_found_where_the_mean_of_all_finds_nothing():
    found = LateInteraction(ks=(1,)).measure(Subject()).metrics
    assert [(metric.value, metric.baseline, metric.chance, metric.n) for metric in found] == [(1.0, 0.0, 0.5, 2)] * 2
    assert found[1].name == "late_interaction.val.text_to_image.recall_at_1"


@pytest.mark.parametrize("numbers", [{"ks": ()}, {"ks": (0,)}, {"chunk": 0}])
def test_numbers_that_mean_nothing_are_refused(numbers):
    with pytest.raises(ConfigError, match="each must be 1 or more"):
        LateInteraction(**numbers)


def test_a_model_without_tokens_is_not_measured_and_that_is_said():
    class Plain(Subject):
        encoder = object()

    found = LateInteraction().measure(Plain())
    assert found.metrics == ()
    assert "no tokens" in found.without["late_interaction"]
