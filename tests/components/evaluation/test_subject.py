"""What several evaluators ask for is computed once, and the untrained model only when somebody asks."""

import numpy as np
import pytest

from components.evaluation.neighbour import Lent, describe
from components.evaluation.subject import TrainedModel
from tests.subjects import Told, part_of


class Counting(Told):
    """Says how often it was asked."""

    asked = 0

    def pictures(self, *arguments):
        self.asked += 1
        return super().pictures(*arguments)


@pytest.fixture
def encoder(squares) -> Counting:
    return Counting(dict.fromkeys(squares.pictures, (3.0, 4.0)), {})


@pytest.fixture
def subject(squares, encoder) -> TrainedModel:
    made = []

    def untrained():
        made.append(1)
        return encoder

    subject = TrainedModel(
        encoder=encoder, untrained=untrained, train=part_of(squares, range(20)),
        pools={"val": part_of(squares, range(20, 30))},
    )  # fmt: skip
    subject.made = made
    return subject


def test_pictures_are_embedded_once(subject, encoder):
    first = subject.embedded("val")
    np.testing.assert_allclose(first, [[0.6, 0.8]] * 10, rtol=1e-6)
    assert subject.embedded("val") is first
    assert encoder.asked == 1


def test_the_untrained_model_is_made_when_asked_for_and_once(subject, encoder):
    subject.embedded("val")
    assert subject.made == []
    assert subject.untrained is encoder is subject.untrained
    assert subject.made == [1]


def test_the_baseline_is_lent_by_the_training_pictures(subject, squares):
    names = [squares.captions[0][0], squares.captions[-1][0]]
    shown, known = describe(squares.pictures[20:30]), describe(squares.pictures[:20])
    wanted = Lent.of(shown, known, squares.captions[:20], names)
    np.testing.assert_array_equal(subject.nearest("val", subject.train.captions, names)[:], wanted[:])


def test_progress_is_told_of_every_split_by_name(squares, encoder):
    told = []
    subject = TrainedModel(
        encoder=encoder, untrained=lambda: encoder, train=squares, pools={"val": squares},
        progress=lambda doing, done, total: told.append((doing, done, total)),
    )  # fmt: skip
    subject.nearest("val", squares.captions, ["a red square"])
    assert told[-1] == ("describing for the baseline", 50, 50)
