"""The digits are scikit-learn's, each with its name, and none of them is to train on."""

import io
from itertools import islice

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from components.contracts.errors import ConfigError
from components.contracts.progress import silent
from components.data.sources.digits import NAMES, DigitsSource


def test_pictures_are_those_of_scikit_learn_with_their_names():
    peer = load_digits()
    samples = list(DigitsSource(every=3).samples(0, silent))
    assert len(samples) == 599
    assert [one.labels["category"] for one in samples] == [NAMES[digit] for digit in peer.target[::3]]
    assert {one.split for one in samples} == {"pair"}
    assert len({one.labels["concept"] for one in samples}) == len(samples), "each is a thing of its own"
    last = np.asarray(Image.open(io.BytesIO(samples[-1].media[0].data)))
    np.testing.assert_allclose(last[::4, ::4], 255 * (1 - peer.images[::3][-1] / 16), atol=0.5)
    assert samples[5].texts[0].text == f"a handwritten {NAMES[peer.target[15]]}"


def test_nothing_depends_on_the_seed():
    first, other = ([one.media[0].data for one in islice(DigitsSource().samples(seed, silent), 20)] for seed in (0, 1))
    assert first == other


@pytest.mark.parametrize("every", [0, True])
def test_a_share_that_there_is_not_is_said(every):
    with pytest.raises(ConfigError, match=r"source\.every is"):
        DigitsSource(every=every)
