"""Zero-shot accuracy on pictures whose directions are told, so that every answer can be read off."""

from dataclasses import replace

import numpy as np
import pytest

from components.contracts.errors import ConfigError, DataError
from components.contracts.evaluator import Findings
from components.evaluation.zero_shot import ZeroShot, mean_per_class
from tests.squares import COLOURS, PLACES
from tests.subjects import Told, part_of, subject_of

COLOUR_AXES = {colour: axis for axis, colour in enumerate(COLOURS)}
PLACE_AXES = {place: len(COLOURS) + axis for axis, place in enumerate(PLACES)}
AXES = COLOUR_AXES | PLACE_AXES
SPLITS = {"train": range(0, 50, 2), "val": range(1, 25, 2), "pair": range(25, 50, 2)}


def direction(words) -> list[float]:
    """One on the axis of each colour and place that is named; something on an axis of its own where none is."""
    named = [1.0 if name in words else 0.0 for name in AXES]
    return [*named, 0.0 if any(named) else 1.0]


@pytest.fixture
def told(squares) -> Told:
    """Knows what every picture shows, and what every text of the squares says."""
    texts = {name for (name,) in squares.captions} | set(AXES) | {f"all that is {name}" for name in AXES}
    pictures = {data: direction(name.split()) for data, (name,) in zip(squares.pictures, squares.captions, strict=True)}
    return Told(pictures, {text: direction(text.split()) for text in texts})


@pytest.fixture
def subject(squares, told):
    return subject_of(squares, told, told, SPLITS)


def values(found: Findings) -> dict[str, tuple[float, float, float, int]]:
    return {metric.name: (metric.value, metric.chance, metric.baseline, metric.n) for metric in found.metrics}


@pytest.mark.parametrize(
    "asked",
    [
        {"prompts": "label"},
        {"prompts": "members", "join": "mean"},
        {"prompts": "members", "join": "sum"},
        {"prompts": "templates", "templates": ["all that is {}", "{}"]},
    ],
)
def test_a_model_that_knows_all_is_always_right(subject, asked):
    found = values(ZeroShot(**asked).measure(subject))
    assert found["zero_shot.val.category.top1"][:2] == (1, pytest.approx(1 / 5))
    assert found["zero_shot.pair.category.top1"][3] == 13


def test_a_model_that_takes_red_for_green_is_wrong_on_those_alone(squares, told, subject):
    red, green = (direction([colour]) for colour in ("red", "green"))
    pictures = {
        data: green if name.split()[1] == "red" else red if name.split()[1] == "green" else told.of_pictures[data]
        for data, (name,) in zip(squares.pictures, squares.captions, strict=True)
    }
    wrong = subject_of(squares, Told(pictures, told.of_texts), told, {"train": range(50), "val": range(50)})
    found = ZeroShot(prompts="label").measure(wrong)
    assert values(found)["zero_shot.val.category.top1"] == (pytest.approx(3 / 5), pytest.approx(1 / 5), 1, 50)
    rows = found.rows["zero_shot.val"].to_pylist()
    assert {(row["label"], row["first"]) for row in rows if not row["first_right"]} == {
        ("red", "green"),
        ("green", "red"),
    }
    assert {row["rank"] for row in rows if row["first_right"]} == {1}


def test_per_class_each_group_counts_as_much_as_any_other(squares, told):
    """Ten red pictures, all taken for green, beside two blue ones: 2 of 12 are right, and one group of two."""
    pictures = {
        data: direction(["green"]) if name.split()[1] == "red" else told.of_pictures[data]
        for data, (name,) in zip(squares.pictures, squares.captions, strict=True)
    }
    names = [name.split()[1] for (name,) in squares.captions]
    blue = [place for place, name in enumerate(names) if name == "blue"]
    places = [place for place, name in enumerate(names) if name == "red"] + [blue[0], blue[2]]  # two things
    subject = subject_of(squares, Told(pictures, told.of_texts), told, {"train": range(50), "val": places})
    (top, each, *_) = ZeroShot(prompts="label", per_class=True).measure(subject).metrics
    assert (top.name, top.value) == ("zero_shot.val.category.top1", pytest.approx(2 / 12))
    assert (each.name, each.value, each.baseline, each.n) == ("zero_shot.val.category.mean_per_class", 0.5, 1, 12)
    assert (each.low, each.high) == (0.5, 0.5)  # drawn within each group, all of which is right or wrong


@pytest.mark.parametrize("each", [2, 3, 6])
def test_per_class_the_interval_is_as_wide_as_that_mean_is_unsure_however_few_pictures_a_group_has(each):
    """Draws from a few pictures spread too little by one of them: with two the interval had seven tenths of its width."""
    rng, truth = np.random.default_rng(0), np.repeat(np.arange(60), each).astype(str).tolist()
    widths = []
    for seed in range(12):
        right = (rng.random(len(truth)) < 0.5).astype(float)
        found = mean_per_class("m", "names", (right, None), truth, 60, list(range(len(truth))), seed)
        widths.append(found.high - found.low)
    assert np.mean(widths) == pytest.approx(2 * 1.96 * (0.25 / len(truth)) ** 0.5, rel=0.06)


def test_per_class_there_is_no_interval_where_a_group_has_one_thing_alone():
    found = mean_per_class("m", "names", (np.array([1.0, 0.0, 1.0, 1.0]), None), list("aabb"), 2, [0, 1, 2, 2], 0)
    assert (found.value, found.low, found.high) == (0.75, None, None), (
        "two pictures of one thing say nothing of another"
    )


def test_per_class_the_interval_is_that_of_the_mean_of_independent_groups(squares, told):
    """Half of the red ones right, all of another group: the mean is half as unsure as the red ones alone."""
    red = [place for place, (name,) in enumerate(squares.captions) if "red" in name]
    pictures = dict(told.of_pictures) | {squares.pictures[place]: direction(["green"]) for place in red[::2]}
    blue = [place for place, (name,) in enumerate(squares.captions) if "blue" in name]
    apart = replace(squares, concepts=squares.keys)  # no two pictures of one concept
    subject = subject_of(apart, Told(pictures, told.of_texts), told, {"train": range(50), "val": red + blue})
    (top, each, *_) = ZeroShot(prompts="label", per_class=True).measure(subject).metrics
    assert each.value == pytest.approx(0.75)
    reach = (
        0.15 * (10 / 9) ** 0.5
    )  # 5 +- 3 of the 10 red ones, by the binomial's 2.5 and 97.5%, which draws from 10 spread too little
    assert (each.low, each.high) == pytest.approx((0.75 - reach, 0.75 + reach))
    assert top.low < each.low


def test_of_a_model_whose_training_pictures_nobody_knows_the_baseline_is_a_blind_guess(squares, told):
    subject = subject_of(squares, told, told, {"train": (), "val": range(50)})
    found = ZeroShot(prompts="label", top=(1, 3), per_class=True).measure(subject)
    assert all(metric.baseline == metric.chance for metric in found.metrics)
    assert found.rows["zero_shot.val"]["baseline_rank"].null_count == 50


def test_embeddings_that_are_no_numbers_are_refused(squares, told):
    pictures = dict(told.of_pictures) | {squares.pictures[7]: [float("nan")] * len(direction(()))}
    with pytest.raises(DataError, match="some scores are no numbers"):
        ZeroShot(prompts="label").measure(subject_of(squares, Told(pictures, told.of_texts), told, SPLITS))


def test_a_model_that_sees_no_difference_is_never_right(squares, told):
    alike = Told(dict.fromkeys(squares.pictures, (1.0, 0.0)), dict.fromkeys(told.of_texts, (1.0, 0.0)))
    found = values(ZeroShot(prompts="label", top=(1, 4)).measure(subject_of(squares, alike, told, SPLITS)))
    assert found["zero_shot.val.category.top1"][0] == found["zero_shot.val.category.top4"][0] == 0


def test_directions_drawn_blindly_get_what_chance_says(squares, told):
    draw = np.random.default_rng(0)
    right = []
    for _ in range(60):
        blind = Told(
            {data: draw.normal(size=4) for data in squares.pictures}, {t: draw.normal(size=4) for t in told.of_texts}
        )
        (metric,) = ZeroShot(prompts="label").measure(
            subject_of(squares, blind, told, {"train": range(25), "val": range(50)})
        ).metrics  # fmt: skip
        right.append(metric.value)
    assert metric.chance == pytest.approx(
        np.mean(right), abs=0.05
    )  # four deviations; pictures share each draw of texts


def test_the_one_prompt_stands_beside_the_ensemble(squares, told, subject):
    """The colours' own names mean nothing to this model, the captions do."""
    dumb = Told(told.of_pictures, told.of_texts | dict.fromkeys(COLOURS, direction(["nothing"])))
    found = values(ZeroShot(prompts="members").measure(subject_of(squares, dumb, told, SPLITS)))
    assert found["zero_shot.val.category.top1"][0] == 1
    assert found["zero_shot.val.category.one_prompt.top1"][0] == 0
    names = [metric.name for metric in ZeroShot(prompts="label").measure(subject).metrics]
    assert names == ["zero_shot.val.category.top1", "zero_shot.pair.category.top1"]


def test_the_baseline_lends_the_group_of_the_nearest_training_picture(squares, told, subject):
    """Every second square is trained on, and the other is the same in another size."""
    assert values(ZeroShot().measure(subject))["zero_shot.val.category.top1"][2] > 0.9
    one_colour = subject_of(squares, told, told, {"train": range(10), "val": range(50)})
    assert values(ZeroShot().measure(one_colour))["zero_shot.val.category.top1"][2] == pytest.approx(10 / 50)


def test_sharpness_is_a_share_of_the_learned_scale(squares, told):
    def shares(logit_scale: float, sharpness: float) -> list[float]:
        told_so = Told(told.of_pictures, told.of_texts, logit_scale)
        asked = ZeroShot(prompts="members", join="sum", sharpness=sharpness)
        rows = asked.measure(subject_of(squares, told_so, told, SPLITS)).rows["zero_shot.val"]
        return rows["first_share"].to_pylist()

    assert shares(10.0, 0.5) == pytest.approx(shares(5.0, 1.0))
    assert shares(10.0, 0.5) != pytest.approx(shares(10.0, 1.0))


@pytest.mark.parametrize("sharpness", [0, -1, float("inf"), float("nan")])
def test_a_sharpness_that_leaves_nothing_to_rank_by_is_refused(sharpness):
    with pytest.raises(ConfigError, match=r"sharpness is .* the learned scale is multiplied"):
        ZeroShot(sharpness=sharpness)


def test_prompts_are_texts_of_training_alone(squares, subject):
    zero = ZeroShot(prompts="members")
    prompts = zero.prompts_of(tuple(COLOURS), subject.train.captions, subject.train.labelled("category"))
    assert set(prompts) == set(COLOURS)
    assert {text for texts in prompts.values() for text in texts} == {name for (name,) in subject.train.captions}
    for colour, texts in prompts.items():
        assert len(set(texts)) == len(texts) == 5
        assert all(f" {colour} " in text for text in texts)


def test_a_group_that_was_not_trained_on_is_asked_by_its_own_name(squares, told):
    held = subject_of(squares, told, told, {"train": range(40), "val": range(50)})
    found = ZeroShot(served=True).measure(held)
    assert found.files["labels.json"]["prompts"]["pink"] == ["pink"]
    assert values(found)["zero_shot.val.category.top1"][0] == 1


def test_what_is_to_be_served_is_what_was_measured(subject):
    served = ZeroShot(prompts="members", join="sum", served=True).measure(subject).files["labels.json"]
    assert (served["set"], served["templates"], served["join"], served["sharpness"]) == ("category", ["{}"], "sum", 1)
    flatter = ZeroShot(prompts="members", join="sum", sharpness=0.5, served=True).measure(subject)
    assert flatter.files["labels.json"]["sharpness"] == 0.5
    assert {metric.method for metric in flatter.metrics if "one_prompt" not in metric.name} == {
        "1 of 5 by the summed softmax over the names of the trained things in each group, at 0.5 of the learned scale"
    }
    assert served["labels"] == sorted(COLOURS) == list(served["prompts"])
    by_template = ZeroShot(prompts="templates", templates=["all that is {}", "{}"], served=True).measure(subject)
    assert by_template.files["labels.json"]["prompts"]["red"] == ["all that is red", "red"]
    assert by_template.files["labels.json"]["templates"] == ["all that is {}", "{}"]
    assert ZeroShot(served=False).measure(subject).files == {}


def test_of_a_set_of_others_the_groups_of_training_pictures_are_no_choice(squares, told):
    """One's own pictures are of all five colours, and the set of two, which are all that there is to choose from."""
    names = [name.split()[1] for (name,) in squares.captions]
    places = [place for place, name in enumerate(names) if name in ("red", "blue")]
    subject = subject_of(squares, told, told, {"train": range(50), "theirs": places}).on(
        {"theirs": part_of(squares, places)}
    )
    for among, choices in (("all", 5), ("pools", 2)):
        asked = ZeroShot(prompts="templates", templates=["all that is {}"], among=among)
        found = values(asked.measure(subject))
        assert found["zero_shot.theirs.category.top1"] == (1, pytest.approx(1 / choices), 1, 20)


def test_pictures_without_a_label_are_left_out(squares, told):
    groups = tuple({} if place % 10 == 1 else group for place, group in enumerate(squares.groups))
    found = ZeroShot().measure(subject_of(replace(squares, groups=groups), told, told, SPLITS))
    without = [place for place in SPLITS["val"] if place % 10 == 1]
    assert values(found)["zero_shot.val.category.top1"][3] == len(SPLITS["val"]) - len(without)
    assert len(found.rows["zero_shot.val"]) == len(SPLITS["val"]) - len(without)
    assert not {f"square-{place:02d}" for place in without} & set(found.rows["zero_shot.val"]["query"].to_pylist())


def test_data_without_groups_is_not_measured_and_said_so(squares, told, subject):
    found = ZeroShot(served=True).measure(subject_of(squares, told, told, SPLITS, labelled=False))
    why = "no picture has a category, so there is nothing to choose from"
    assert found == Findings(without={"zero_shot.val.category": why, "zero_shot.pair.category": why})
    found = ZeroShot().measure(subject_of(squares, told, told, {"train": range(6), "val": range(6, 10)}))
    assert found.without == {
        "zero_shot.val.category": "every labelled picture has the category 'red', so there is nothing to choose from"
    }


def test_a_split_without_groups_is_named(squares, told, subject):
    subject.pools["pair"] = replace(subject.pools["pair"], groups=())
    found = ZeroShot().measure(subject)
    assert found.without == {"zero_shot.pair.category": "no picture of pair has a category"}
    assert {name.split(".")[1] for name in values(found)} == {"val"}


def test_as_many_answers_as_groups_are_no_choice(subject):
    names = set(values(ZeroShot(label="subcategory", prompts="label", top=(1, 3, 5, 10)).measure(subject)))
    assert {name.rpartition(".")[2] for name in names} == {"top1", "top3"}


def test_the_method_is_named_with_every_number(subject):
    by = {metric.name: metric.method for metric in ZeroShot(prompts="members", join="sum").measure(subject).metrics}
    assert by["zero_shot.val.category.top1"] == (
        "1 of 5 by the summed softmax over the names of the trained things in each group"
    )
    assert by["zero_shot.val.category.one_prompt.top1"] == "1 of 5 by the group's own name"
    assert all(by.values())
    template = ZeroShot(prompts="templates", templates=["all that is {}"]).measure(subject).metrics[0].method
    assert template == "1 of 5 by the mean of templates around the group's name: all that is {}"


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompts": "templates"},
        {"prompts": "templates", "templates": ["a picture"]},
        {"prompts": "templates", "templates": ["{} {}"]},
        {"prompts": "members", "templates": ["a {}"]},
    ],
)
def test_templates_that_ask_nothing_are_refused(wrong):
    with pytest.raises(ConfigError, match="once where the label goes"):
        ZeroShot(**wrong)
