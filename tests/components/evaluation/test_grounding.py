"""The pointing game by hand: a grid of four patches a side, a model that is told what each shows, and what is cut off."""

import numpy as np
import pytest

from components.contracts.sample import Region
from components.data.masks import pack
from components.evaluation.grounding import Pointing
from tests.placed import Seer, pool_of, region, subject
from tests.subjects import Told

RIGHT = (("dog", "dog", "", ""), ("dog", "dog", "", ""), ("", "", "", ""), ("", "", "", "cat"))
DOG, CAT = region("dog", (0, 0, 4, 4), text="the dog"), region("cat", (6, 6, 8, 8), text="the cat")
WORDS = ("the", "dog", "cat", "big")


def by_name(found) -> dict[str, tuple[float, ...]]:
    return {one.name: (one.value, one.chance, one.baseline) for one in found.metrics}


def told(shown=RIGHT, **settings) -> Seer:
    return Seer(shown={b"0": shown}, words=WORDS, **settings)


@pytest.mark.parametrize("ask", ["word", "text"])
def test_a_model_that_sees_right_points_right(ask):
    found = by_name(Pointing(ask).measure(subject(told(), val=pool_of([DOG, CAT]))))
    assert set(found) == {f"pointing.val.{by}.{way}" for by in ("label", "text") for way in ("in_box", "in_mask")}
    # 4 of 16 patches and 1 of 16 are right; one of the four in the middle is the dog's, none the cat's
    assert set(found.values()) == {(1.0, (4 / 16 + 1 / 16) / 2, (1 / 4 + 0) / 2)}


def test_a_model_that_takes_one_for_the_other_points_wrong():
    wrong = tuple(tuple({"dog": "cat", "cat": "dog", "": ""}[word] for word in row) for row in RIGHT)
    assert {
        value for value, *_ in by_name(Pointing().measure(subject(told(wrong), val=pool_of([DOG, CAT])))).values()
    } == {0}


def test_a_model_that_sees_the_same_everywhere_gets_what_chance_gets():
    blind = (("big",) * 4,) * 4
    for value, chance, _ in by_name(Pointing().measure(subject(told(blind), val=pool_of([DOG, CAT])))).values():
        assert value == pytest.approx(chance)


def test_patches_in_random_order_point_as_well_as_chance():
    rng, flat, dogs = np.random.default_rng(0), [word for row in RIGHT for word in row], 2000
    shuffled = {str(i).encode(): np.array(flat)[rng.permutation(16)].reshape(4, 4).tolist() for i in range(dogs)}
    found = by_name(Pointing().measure(subject(Seer(shown=shuffled, words=WORDS), val=pool_of(*[[DOG]] * dogs))))
    value, chance, _ = found["pointing.val.label.in_box"]
    assert chance == 1 / 4
    assert value == pytest.approx(chance, abs=4 * (0.25 * 0.75 / dogs) ** 0.5)  # four deviations


def test_the_noun_is_asked_of_its_text_and_the_words_around_it_are_not():
    seer = told(shown=(("dog", "", "", ""), *RIGHT[1:]))
    dog = region("dog", (0, 0, 4, 4), text="the big dog")
    Pointing().measure(subject(seer, val=pool_of([dog])))
    assert seer.asked == [("dog",), ("dog",)]
    misled = told(shown=(("dog", "", "", ""), ("", "", "", ""), ("", "", "", ""), ("", "", "the", "the")))
    found = by_name(Pointing().measure(subject(misled, val=pool_of([dog]))))
    assert found["pointing.val.text.in_box"][0] == 1


def test_any_of_several_of_a_kind_is_right_by_label_and_only_its_own_by_text():
    other = region("dog", (6, 6, 8, 8), text="the big dog")
    seer = told(shown=(("dog", "", "", ""), *((("",) * 4),) * 3))
    found = Pointing().measure(subject(seer, val=pool_of([DOG, other])))
    numbers = {one.name: (one.value, one.n) for one in found.metrics}
    assert numbers["pointing.val.label.in_box"] == (1.0, 1)
    assert numbers["pointing.val.text.in_box"] == (0.5, 2)


def test_a_thing_smaller_than_a_patch_has_the_patch_that_holds_it():
    fly = region("cat", (0, 0, 1, 1), side=32)
    seer = told(shown=(("cat", "", "", ""), *((("",) * 4),) * 3))
    found = by_name(Pointing().measure(subject(seer, val=pool_of([fly]))))
    assert found["pointing.val.label.in_box"] == (1.0, 1 / 16, 0.0)
    assert found["pointing.val.label.in_mask"] == (1.0, 1 / 16, 0.0)


def test_a_mask_may_be_missed_where_its_box_is_hit():
    mask = np.zeros((8, 8), np.bool_)
    mask[:, :2] = mask[:, 6:] = True  # a ring's sides
    ring = Region(box=(0, 0, 1, 1), label="dog", of_px=(8, 8), mask=pack(mask))
    seer = told(shown=(("", "dog", "", ""), *((("",) * 4),) * 3))
    found = by_name(Pointing().measure(subject(seer, val=pool_of([ring]))))
    assert found["pointing.val.label.in_box"][:2] == (1.0, 1.0)
    assert found["pointing.val.label.in_mask"][:2] == (0.0, 0.5)


def test_regions_go_with_the_picture_and_what_is_cut_off_is_left_out_and_said():
    left = (0.0, 0.0, 0.5, 0.5)  # the model is shown the quarter that the dog fills
    seer = told(shown=(("dog",) * 4,) * 4, window=left)
    (box,) = [
        one
        for one in Pointing().measure(subject(seer, val=pool_of([DOG, CAT]))).metrics
        if one.name.endswith("label.in_box")
    ]
    assert (box.value, box.chance, box.n) == (1.0, 1.0, 1)
    assert "1 of 2 are cut off" in str(box.method)


def test_every_question_has_a_row_with_the_patch_that_was_pointed_at():
    found = Pointing().measure(subject(told(), val=pool_of([DOG, CAT])))
    rows = found.rows["pointing.val"].to_pylist()
    assert [(row["by"], row["text"], row["row"], row["column"], row["in_box"]) for row in rows] == [
        ("label", "dog", 0, 0, 1.0), ("label", "cat", 3, 3, 1.0), ("text", "the dog", 0, 0, 1.0), ("text", "the cat", 3, 3, 1.0),
    ]  # fmt: skip


def test_maps_that_are_kept_have_the_cosine_of_every_patch_and_their_highest_where_was_pointed():
    found = Pointing(maps=True).measure(subject(told(), val=pool_of([DOG, CAT])))
    dog, cat, *_ = found.rows["pointing.val"].to_pylist()
    right = np.array(RIGHT)
    np.testing.assert_allclose(dog["map"], right == "dog", atol=1e-6)
    np.testing.assert_allclose(cat["map"], right == "cat", atol=1e-6)
    assert np.argmax(cat["map"]) == 4 * cat["row"] + cat["column"]
    assert "map" not in Pointing().measure(subject(told(), val=pool_of([DOG, CAT]))).rows["pointing.val"].column_names


@pytest.mark.parametrize(
    ("encoder", "regions", "why"),
    [
        (told(), [[]], "says where its things are"),
        (Told({b"0": [1]}, {"dog": [1]}), [[DOG]], "no patches"),
        (told(), [[region("", (0, 0, 4, 4))]], "noun or words"),
    ],
    ids=["no regions", "no tokens", "no words"],
)
def test_what_cannot_be_measured_is_said(encoder, regions, why):
    found = Pointing().measure(subject(encoder, val=pool_of(*regions)))
    assert found.metrics == ()
    assert why in found.without["pointing"]
