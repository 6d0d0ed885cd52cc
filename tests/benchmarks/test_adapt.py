"""What stands beside adapting: a linear map that can be checked by hand, and how the best arm is held against it."""

import numpy as np
import pytest

from tests.benchmarks.adapt_beside import against_best, mapped


def test_a_map_is_what_turns_pictures_into_texts_and_the_identity_where_it_must_not_move():
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    images = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    np.testing.assert_allclose(mapped(images, images @ turn, 1e-9), turn, atol=1e-6)
    np.testing.assert_allclose(mapped(images, images @ turn, 1e9), np.eye(2), atol=1e-6)


def run(adapted, emoji, **beside):
    arms = {name.replace("_", " "): {"own": value, "emoji": 0.5} for name, value in beside.items()}
    return {"adapted": {"own": adapted, "emoji": emoji}, "beside": arms}


def test_adapted_is_held_against_the_best_arm_of_each_seed():
    runs = [
        run(0.60, 0.49, start=0.30, linear_probe=0.50, plain_tuning=0.40), run(0.62, 0.50, start=0.30, linear_probe=0.50, plain_tuning=0.56),
    ]  # fmt: skip
    found = against_best(runs)
    assert found["gain"]["mean"] == pytest.approx(0.08)
    assert found["gain"]["high"] == pytest.approx(0.08 + 12.706 * 0.02, abs=1e-3), "Student's, of two seeds"
    assert found["emoji"]["mean"] == pytest.approx(-0.005)
    assert against_best(runs[:1])["gain"] == {"mean": 0.1, "low": None, "high": None}
