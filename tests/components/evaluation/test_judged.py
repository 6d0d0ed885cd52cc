"""Thumbs on a pool that can be seen through: four pictures at known angles to the texts."""

import pytest

from components.data.judged import Judged
from components.data.selection import Pool
from components.evaluation.judged import JudgedPairs
from tests.subjects import Told, subject_of

ANGLES = {"a": (1.0, 0.0), "b": (0.8, 0.6), "c": (0.6, 0.8), "d": (0.0, 1.0)}
POOL = Pool(
    keys=("train", *ANGLES), pictures=(b"train", *(key.encode() for key in ANGLES)), captions=(("none",),) * 5,
    concepts=("train", *ANGLES), sources=("",) * 5,
)  # fmt: skip


def measured(*said: tuple[str, str, str], ks=(1, 2)):
    told = Told(
        {b"train": (1, 1)} | {key.encode(): at for key, at in ANGLES.items()},
        {"east": (1.0, 0.1), "north": (0.1, 1.0), "none": (1.0, 1.0)},
    )
    subject = subject_of(POOL, told, told, {"train": [0], "val": [1, 2, 3, 4]})
    pairs = [Judged(text=text, key=key, vote=vote) for text, key, vote in said]
    return JudgedPairs(pairs, ks).measure(subject)


def values(found):
    return {one.name.removeprefix("judged.val."): one.value for one in found.metrics}


def test_ranks_are_those_seen_by_eye_and_what_also_fits_is_not_in_the_way():
    """Towards east the order is a b c d, towards north d c b a."""
    found = measured(("east", "a", "up"), ("east", "c", "up"), ("east", "b", "down"), ("north", "a", "down"))
    rows = {(row["query"], row["vote"]): row["rank"] for row in found.rows["judged.val"].to_pylist()}
    assert rows == {("east → a", "up"): 1, ("east → c", "up"): 2, ("east → b", "down"): 2, ("north → a", "down"): 4}
    assert values(found) == {
        "fits.recall_at_1": 0.5, "fits.recall_at_2": 1.0, "misfits.within_1": 0.0, "misfits.within_2": 0.5,
        "preferred": 0.5,  # a stands before b, and c behind it
    }  # fmt: skip
    assert {one.name.removeprefix("judged.val."): one.better for one in found.metrics}["misfits.within_1"] == "down"
    assert {one.chance for one in found.metrics if one.name.endswith("at_1")} == {0.25}


def test_the_same_thumb_twice_counts_once_and_a_picture_that_people_differ_about_is_not_held_against_itself():
    found = measured(("east", "a", "up"), ("east", "a", "up"), ("east", "a", "down"))
    assert found.rows["judged.val"].num_rows == 2
    assert "preferred" not in values(found)
    assert "no text has both" in found.without["judged.val.preferred"]


@pytest.mark.parametrize("said", [(), (("east", "train", "up"), ("east", "nobody", "down"))])
def test_thumbs_of_other_pictures_measure_nothing_and_it_is_said(said):
    found = measured(*said)
    assert found.metrics == ()
    assert f"none of {len(said)} thumbs is of a picture of val" in found.without["judged.val"]


def test_a_tie_counts_as_lost():
    told = Told({b"train": (1, 1), **{key.encode(): (1, 0) for key in ANGLES}}, {"east": (1.0, 0.0)})
    subject = subject_of(POOL, told, told, {"train": [0], "val": [1, 2, 3, 4]})
    pairs = [Judged(text="east", key="a", vote="up"), Judged(text="east", key="b", vote="down")]
    found = JudgedPairs(pairs, (1,)).measure(subject)
    assert values(found) == {"fits.recall_at_1": 0.0, "misfits.within_1": 0.0, "preferred": 0.0}
