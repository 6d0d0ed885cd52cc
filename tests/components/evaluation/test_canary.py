"""The canary is what it was when it was frozen, whatever model is measured, and is another where the evaluation is."""

import numpy as np
import pytest
from PIL import Image

from components.data.transforms.preprocess import Preprocess
from components.evaluation import canary
from components.evaluation.canary import Canary
from tests.subjects import Told, subject_of


@pytest.fixture
def measured(squares):
    never_asked = Told({}, {})
    subject = subject_of(squares, never_asked, never_asked, {"train": range(4), "val": range(4, 8)})

    def values():
        canary.frozen.cache_clear()
        return {metric.name: (metric.value, metric.baseline) for metric in Canary().measure(subject).metrics}

    yield values
    canary.frozen.cache_clear()


def test_it_is_what_it_was(measured):
    assert measured() == {
        "canary.image_to_text.recall_at_1": (97 / 192, 97 / 192), "canary.text_to_image.recall_at_1": (0.75, 0.75),
        "canary.distance": (0.9042, 0.9042),
    }  # fmt: skip


def test_another_way_to_resize_shows(measured, monkeypatch):
    bicubic = Image.Image.resize
    monkeypatch.setattr(
        Image.Image,
        "resize",
        lambda self, size, resample=None, *rest, **how: bicubic(self, size, Image.Resampling.BOX, *rest, **how),
    )
    value, was = measured()["canary.distance"]
    assert value != was


def test_another_way_to_read_pixels_shows(measured, monkeypatch):
    plain = Preprocess.__call__
    monkeypatch.setattr(Preprocess, "__call__", lambda self, data: plain(self, data)[::-1])  # blue before red
    monkeypatch.setattr(canary, "_picture", lambda number, drawn=canary._picture: np.roll(drawn(number), 1, 2))
    assert measured()["canary.distance"][0] != measured()["canary.distance"][1]


def test_ranks_taken_in_smaller_blocks_are_the_same(measured, monkeypatch):
    monkeypatch.setattr("components.evaluation.ranking.BLOCK_BYTES", 4096)
    assert measured()["canary.image_to_text.recall_at_1"] == (97 / 192, 97 / 192)
