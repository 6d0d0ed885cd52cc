"""What every way that yields label vectors must do, whichever it is: each row of components/finetuning/labels/catalogue.yaml is held to it."""

import copy
import importlib
import inspect
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from components.contracts.errors import ConfigError
from components.contracts.progress import silent
from components.data.transforms.preprocess import Preprocess
from components.evaluation.embedding import Embedder
from components.finetuning.labels import folds
from components.finetuning.labels.choice import choice_of
from components.finetuning.labels.way import TIE, LabelWay, Seen, Shown, plain
from components.recipes.section import build
from components.serving.classification import PLAIN, ranked
from components.serving.labels import Labels
from components.stages.racing_ways import label_ways
from tests.subjects import part_of

FOLDER = Path(__file__).parents[2] / "components/finetuning/labels"
CATALOGUE: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "catalogue.yaml").read_text())


@pytest.fixture(params=CATALOGUE)
def row(request) -> dict[str, Any]:
    return CATALOGUE[request.param]


@pytest.fixture
def seen(squares, clip, vocabulary) -> Seen:
    """Squares told apart by their colour, by a model that has learnt nothing: ten pictures a colour, of which two are chosen by."""
    pools = {"train": part_of(squares, [p for p in range(50) if p % 5]), "val": part_of(squares, range(0, 50, 5))}
    choice = choice_of(pools, "labels")
    assert choice is not None
    return Seen.of(Embedder(clip.model, vocabulary, Preprocess(size=32)), choice, pools["train"], pools["val"], 0)


def way(row: dict[str, Any], **given: Any) -> LabelWay:
    return build({"class_path": row["class_path"], "init_args": {**row["init_args"], **given}}, LabelWay)


def test_all_ways_have_a_row_a_file_and_a_paper_and_take_part_in_this_order():
    own = {"__init__", "way", "choice", "answers", "known", "folds"}
    assert {path.stem for path in FOLDER.glob("*.py")} - own == set(CATALOGUE)
    assert [type(one).__module__.rpartition(".")[2] for one in label_ways(60).values()] == list(CATALOGUE)
    for name, row in CATALOGUE.items():
        module = row["class_path"].rpartition(".")[0]
        assert module == f"components.finetuning.labels.{name}"
        first = re.search(r"arXiv:\d{4}\.\d{5}", row["paper"])
        assert first
        assert first[0] in inspect.getdoc(importlib.import_module(module))


def test_it_builds_with_nothing_but_its_name(row):
    assert build({"class_path": row["class_path"]}, LabelWay).strengths[0] == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"strengths": []}, "one is needed"), ({"strengths": [1.5]}, "from 0"), ({"sharpnesses": [0.0]}, "above 0")],
)
def test_numbers_out_of_range_are_said(row, wrong, said):
    with pytest.raises(ConfigError, match=said):
        way(row, **wrong)


def test_towers_stay_to_the_last_bit_and_in_the_modes_they_were_in(row, seen):
    model = seen.embedder.model
    before = copy.deepcopy(model.state_dict())
    gradients = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    way(row).fit(seen, plain(seen.embedder, seen.choice.labels))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert {name: parameter.requires_grad for name, parameter in model.named_parameters()} == gradients
    assert all(parameter.grad is None for parameter in model.parameters())


def test_at_no_strength_it_is_zero_shot(row, seen):
    begun = plain(seen.embedder, seen.choice.labels)
    found = way(row, strengths=[0.0], sharpnesses=[1.0]).fit(seen, begun)
    assert found.strength == 0
    ours, theirs = (one.shares(seen.val.image, seen.embedder.logit_scale) for one in (found.vectors, begun))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    assert found.score == seen.val.answered(begun, seen.embedder.logit_scale).score()


def test_it_is_the_same_twice(row, seen):
    begun = plain(seen.embedder, seen.choice.labels)
    one, two = (way(row).fit(seen, begun) for _ in range(2))
    assert one == two
    np.testing.assert_array_equal(one.vectors.vectors, two.vectors.vectors)
    assert one.vectors.counts == two.vectors.counts


def test_validation_chooses_and_nothing_that_was_tried_is_better_on_it(row, seen):
    begun = plain(seen.embedder, seen.choice.labels)
    found = way(row).fit(seen, begun)
    scale = seen.embedder.logit_scale
    assert found.score == seen.val.answered(found.vectors, scale).score()
    alone = [way(row, strengths=[strength]).fit(seen, begun) for strength in (0.0, 0.5, 1.0)]
    assert found.score >= max(one.score for one in alone)
    assert found.tried == 5 / 1 * alone[0].tried


def test_what_is_learnt_from_decides_and_not_what_is_chosen_by(row, seen):
    """Candidates are the same whatever the labels of `val`, since these only choose."""
    begun = plain(seen.embedder, seen.choice.labels)
    other = copy.copy(seen.val.label)[::-1].copy()
    turned = Seen(
        embedder=seen.embedder,
        choice=seen.choice,
        train=seen.train,
        val=type(seen.val)(image=seen.val.image, label=other),
    )
    for one, two in zip(
        way(row).candidates(seen, begun, silent), way(row).candidates(turned, begun, silent), strict=True
    ):
        np.testing.assert_array_equal(one.vectors, two.vectors)


def test_a_server_answers_by_its_vectors_as_they_are(row, seen, tmp_path):
    found = way(row).fit(seen, plain(seen.embedder, seen.choice.labels)).vectors
    scale = seen.embedder.logit_scale
    Labels(
        set="class", templates=PLAIN, labels=seen.choice.labels, logit_scale=scale, sharpness=found.sharpness, vectors=found.vectors,
        counts=found.counts,
    ).write(tmp_path)  # fmt: skip
    served = Labels.read(tmp_path)  # which refuses vectors that are not of unit length, or not float32
    shares = found.shares(seen.val.image, scale)
    for image, own in zip(seen.val.image, shares, strict=True):
        places, scores = ranked(image, served.vectors, scale * served.sharpness, len(own), served.counts)
        np.testing.assert_allclose(scores, own[places], rtol=1e-5)


def test_a_label_without_a_picture_to_learn_from_is_still_answered(row, seen):
    few = seen.train.label != 0
    without = Seen(
        embedder=seen.embedder, choice=seen.choice, val=seen.val,
        train=type(seen.train)(image=seen.train.image[few], label=seen.train.label[few]),
    )  # fmt: skip
    found = way(row).fit(without, plain(seen.embedder, seen.choice.labels))
    assert len(found.vectors.counts) == len(seen.choice.labels)
    assert np.isfinite(found.vectors.vectors).all()


def test_few_pictures_choose_with_those_that_are_learnt_from_and_what_they_chose_is_taken_again(row, seen):
    begun, its = plain(seen.embedder, seen.choice.labels), way(row)
    found = folds.fit(its, seen, begun)
    assert found == folds.fit(its, seen, begun), "the same twice"
    assert 0 <= found.chosen_by <= 1 + TIE
    assert found.score == seen.val.answered(found.vectors, seen.embedder.logit_scale).score()
    assert found.strength in its.strengths
    taken = folds.again(its, seen, begun, found.which)
    np.testing.assert_array_equal(taken.vectors.vectors, found.vectors.vectors)
    assert (taken.vectors.sharpness, taken.strength, taken.score) == (
        found.vectors.sharpness,
        found.strength,
        found.score,
    )
    assert taken.tried == 1
    assert found.chosen_by >= found.begun_by or 0 not in its.strengths, "what was begun with is among them"


def test_a_label_with_one_picture_is_left_out_of_what_is_learnt_and_asked_for_all_the_same(row, seen):
    kept = [at for at, label in enumerate(seen.train.label) if label or not (seen.train.label[:at] == label).any()]
    few = replace(seen, train=Shown(image=seen.train.image[kept], label=seen.train.label[kept]))
    found = folds.fit(way(row), few, plain(seen.embedder, seen.choice.labels))
    assert np.isfinite(found.vectors.vectors).all()
    assert found.score == few.val.answered(found.vectors, few.embedder.logit_scale).score()
