"""What stands beside adapting: a linear map that can be checked by hand, and how the best arm is held against it."""

import numpy as np
import pytest

from tests.benchmarks.adapt import PICTURES, write_drawn, write_mine
from tests.benchmarks.adapt_beside import against_best, mapped, row_of, verdict
from tests.own_pictures import KINDS


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
    alone = against_best(runs[:1])["gain"]
    assert (alone["mean"], alone["low"], alone["high"], alone["verdict"]) == (0.1, None, None, "underpowered")


def test_what_is_claimed_is_shown_by_the_interval_or_is_not():
    assert [verdict({"low": low, "high": high}, 0.03) for low, high in ((0.03, 0.1), (0.02, 0.1), (-0.1, 0.02))] == [
        "holds",
        "underpowered",
        "does not hold",
    ]
    assert verdict({"low": None, "high": None}, 0.03) == "underpowered", "of one seed there is no interval"
    runs = [run(0.60 + seed / 1000, 0.495, start=0.30, linear_probe=0.50, plain_tuning=0.40) for seed in range(3)]
    found = against_best(runs)
    assert (found["gain"]["verdict"], found["emoji"]["verdict"]) == ("holds", "holds")
    runs[0]["beside"]["plain tuning"]["emoji"] = 0.2
    said = {"mine": "designer", "pictures": 1000, "tested": 914, "against_best": found, "runs": runs}
    assert row_of(said) == (
        "| `designer` | 1,000 | 914 | 30.0 | 50.0 | 40.0 | 60.1 | +10.1 (+9.8 to +10.3), *holds* | -0.5 (-0.5 to -0.5), *holds* | -10.0 |"
    )


def test_what_is_tested_on_is_what_the_draw_left_and_every_kind_is_painted_once(tmp_path):
    (tmp_path / "own").mkdir()
    left = write_mine("shapes", tmp_path, tmp_path / "own", 0, PICTURES["shapes"])
    learnt = {path.read_bytes() for path in (tmp_path / "own/mine").glob("*.png")}
    said = {path.read_text() for path in (tmp_path / "own/mine").glob("*.txt")}
    assert len(learnt) == len(said) == PICTURES["shapes"] == len(left)
    assert learnt.isdisjoint(left.pictures)
    assert said.isdisjoint(texts[0] for texts in left.captions)
    assert len(set(KINDS)) == len(KINDS) == 1_800
    again = write_drawn([(bytes([place]), f"{place}") for place in range(10)], tmp_path / "again", 1, 6)
    assert len(again) == 4
    assert {path.read_bytes() for path in (tmp_path / "again").glob("*.png")}.isdisjoint(again.pictures)
