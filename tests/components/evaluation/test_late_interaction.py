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
    series = ()
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


@pytest.mark.parametrize("told", ["words", "patches"])
def test_what_is_the_same_to_the_model_is_a_tie_wherever_it_stands(told):
    """A product's edge is summed in another order, on some processors, and nobody wins by that; what padding holds is no difference."""
    draws = np.random.default_rng(0)
    for count in range(2, 20):
        every = {"patches": draws.normal(size=(count, 3, 64)), "words": draws.normal(size=(count, 2, 64))}
        every[told] = np.repeat(every[told][:1], count, axis=0)
        every["words"][:, 1] = draws.normal(size=(count, 64))

        class Same(Tokens):
            patches, words = (every[name].astype(np.float32) for name in ("patches", "words"))
            real = np.repeat([[True, False]], count, axis=0)

            def texts(self, texts):
                return np.eye(len(texts), dtype=np.float32)

        class Several(Pool):
            keys = concepts = tuple(map(str, range(count)))
            captions, pictures = tuple((name,) for name in keys), (b"",) * count

        class Asked(Subject):
            encoder, pools = Same(), {"val": Several()}

            def embedded(self, split):
                return np.eye(len(self.pools[split].keys), dtype=np.float32)

        to_text, to_image = LateInteraction(ks=(1,)).measure(Asked()).metrics
        assert (to_text if told == "words" else to_image).value == 0, count
        assert to_text.baseline == to_image.baseline == 1


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
