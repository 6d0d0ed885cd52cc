"""Adapting on coloured squares: the race learns, what is chosen keeps what others need, and a race that was stopped goes on."""

import copy
import json
import shutil
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from components.contracts.errors import ConfigError, Interrupted
from components.contracts.progress import silent
from components.data.evaluation_set import read_set
from components.data.transforms.preprocess import Preprocess
from components.evaluation.embedding import Embedder
from components.finetuning.continued import UNKNOWN
from components.finetuning.interpolate import interpolate
from components.finetuning.labels.cache import Cache
from components.finetuning.labels.choice import choice_of
from components.finetuning.labels.folds import FOLDS
from components.finetuning.labels.soft_prompt import SoftPrompt
from components.finetuning.labels.way import TIE
from components.finetuning.race import Heat
from components.finetuning.soup import Souped
from components.models.adapted_projection import AdaptedProjection
from components.models.projection import LogitScale
from components.objectives.sigmoid import SigmoidLoss
from components.objectives.softmax import SoftmaxLoss
from components.serving.labels import Labels
from components.stages import heats as running
from components.stages import race_steps
from components.stages import raced as racing
from components.stages import weighed as weighing
from components.stages.adapt import adapt
from components.stages.elsewhere import of_set
from components.stages.heat_clock import SECONDS
from components.stages.heats import Heats, LabelHeats, method_of
from components.stages.race_steps import batches_of
from components.stages.raced import check, longest
from components.stages.racing_ways import label_ways, usual, ways
from components.stages.recalled import Recall
from components.stages.weighed import chosen
from components.training.numbers import Optimisation
from tests.squares import COLOURS
from tests.subjects import part_of
from tests.their_sets import write_set


def pools(squares):
    train = [place for place in range(50) if place % 5 not in (0, 1)]
    return {
        "train": part_of(squares, train),
        "val": part_of(squares, range(0, 50, 5)),
        "pair": part_of(squares, range(1, 50, 5)),
    }


@pytest.fixture
def others(squares, tmp_path):
    rows = [
        {"png": data, "cls": str(list(COLOURS).index(group["category"])).encode()}
        for data, group in zip(squares.pictures, squares.groups, strict=True)
    ]
    return [of_set(read_set(write_set(tmp_path / "colours", rows, list(COLOURS))))]


@pytest.fixture
def embedder(clip, vocabulary):
    return Embedder(clip.model, vocabulary, Preprocess(size=32))


def adapted(embedder, squares, others, folder: Path, **given):
    return adapt(
        embedder,
        pools(squares),
        others,
        **{
            "digest": "a" * 64,
            "budget_s": 600.0,
            "seed": 0,
            "folder": folder,
            "progress": silent,
            "batch": 10,
            **given,
        },
    )


FEW = ("lora", "whole")  # for the sake of time


def test_a_race_learns_and_what_it_gained_and_lost_stands_with_intervals(
    embedder, squares, others, tmp_path, monkeypatch
):
    monkeypatch.setattr(race_steps, "EPOCHS", 5)
    start = copy.deepcopy(embedder.model.state_dict())
    found = adapted(embedder, squares, others, tmp_path / "heats", most_lost=1.0, by=FEW)
    assert found.raced.way != "start"
    assert found.raced.trade[0]["alpha"] == 0
    best = max(found.raced.trade, key=lambda row: row["val"])
    assert best["val"] > found.raced.trade[0]["val"]
    assert found.raced.alpha == best["alpha"]
    own = {line.metric: line for line in found.own if line.arm == "adapted"}
    recall = own["retrieval.pair.mean_recall"]
    assert recall.low <= recall.difference <= recall.high
    assert {line.metric for line in found.elsewhere} >= {"zero_shot.colours.class.top1"}
    (kept,) = (tmp_path / "heats").iterdir()
    tuned = load_file(kept / f"{found.raced.heats[-1].name}-{found.raced.heats[-1].steps}" / "tuned.safetensors")
    wanted = interpolate(start, tuned, found.raced.alpha)
    assert all(torch.equal(value, wanted[name]) for name, value in embedder.model.state_dict().items())
    assert max(heat.steps for heat in found.raced.heats if heat.name in FEW) == 5 * 30 // 10 // 2 * 2
    again = copy.deepcopy(embedder)
    again.model.load_state_dict(start)
    monkeypatch.setattr(running, "tune", lambda *_, **__: pytest.fail("a heat that was kept is run again"))
    resumed = adapted(again, squares, others, tmp_path / "heats", most_lost=1.0, by=FEW)
    assert resumed == found
    for other in (
        {"digest": "b" * 64},
        {"batch": 9},
        {"seed": 1},
    ):  # heats of another start, batch or seed are not taken for these
        with pytest.raises(pytest.fail.Exception, match="a heat that was kept is run again"):
            adapted(again, squares, others, tmp_path / "heats", most_lost=1.0, by=FEW, **other)
    left = sorted(path.name for path in tmp_path.rglob("heats/*/*/*"))
    assert set(left) == {"heat.json", "tuned.safetensors"}, "checkpoints go with their heat"


def test_the_best_of_those_that_lose_little_is_chosen():
    trade = [
        {"alpha": 0.0, "val": 0.2, "cifar": 0.60}, {"alpha": 0.25, "val": 0.4, "cifar": 0.595}, {"alpha": 0.5, "val": 0.6, "cifar": 0.58},
        {"alpha": 1.0, "val": 0.7, "cifar": 0.10},
    ]  # fmt: skip
    assert chosen(trade, 0.01, ["cifar"]) == (0.25, False)
    assert chosen(trade, 0.03, ["cifar"]) == (0.5, False)
    assert chosen(trade, 0.5, ["cifar"]) == (1.0, True)
    assert chosen(trade, 0.0, ["cifar"]) == (0.0, False)
    assert chosen(trade, 0.0, []) == (1.0, True)


def test_of_equals_the_one_nearest_to_the_start_is_chosen():
    assert chosen([{"alpha": alpha, "val": 0.5} for alpha in (0.0, 0.5, 1.0)], 0.01, []) == (0.0, True)


def test_of_those_that_are_right_as_often_the_surest_is_chosen_but_not_for_the_start():
    trade = [
        {"alpha": alpha, "val": val} for alpha, val in ((0.0, 0.3), (0.5, 0.5 + 0.2 * TIE), (1.0, 0.5 + 0.9 * TIE))
    ]
    assert chosen(trade, 0.01, []) == (1.0, True)
    assert chosen([{**row, "val": 0.5 + row["val"] * TIE} for row in trade], 0.01, []) == (0.0, True)


def test_where_nothing_is_held_back_nobody_is_told_so_though_few_pictures_say_that_the_start_is_better(
    embedder, squares, tmp_path, monkeypatch
):
    """Folds choose what is worse than the start on `val`, and no tuning is better than that."""
    worst = []

    def taken(frozen):
        worst.append(min(frozen, key=lambda one: one[0].score))
        return replace(worst[0][0], score=-1.0), worst[0][1]

    monkeypatch.setattr(racing, "best_of", taken)
    monkeypatch.setattr(racing, "watching_labels", lambda *_: lambda model: {"val": 0.5})
    found = told_apart(embedder, squares, [], tmp_path, by=("lora",), most_steps=8)
    assert {row["val"] for row in found.raced.trade} == {0.5}
    assert len(found.raced.trade) > 1
    assert found.raced.way == worst[0][0].name, "in the place of the start"
    assert found.raced.kept


def test_a_way_that_finds_no_numbers_is_told_and_the_others_go_on(embedder, squares, tmp_path):
    class Diverged(Cache):
        def candidates(self, seen, begun, progress):
            for found in super().candidates(seen, begun, progress):
                yield replace(found, vectors=found.vectors * np.float32("nan"))

    own, without = labelled(squares), {}
    heats = LabelHeats(
        embedder=embedder, ways={"diverged": Diverged(), "cache": Cache()}, choice=choice_of(own, "labels"), train=own["train"], val=own["val"], seed=0,
        folder=tmp_path, progress=silent,
    )  # fmt: skip
    assert [heat.name for heat, _ in heats.run("frozen", without)] == ["cache"]
    assert "no numbers" in without["diverged"]


def test_what_folds_chose_is_kept_and_taken_on_top_of_a_tuning(embedder, squares, tmp_path):
    own = labelled(squares)
    choice = choice_of(own, "labels")
    heats = LabelHeats(
        embedder=embedder, ways=label_ways(60.0), choice=choice, train=own["train"], val=own["val"], seed=0, folder=tmp_path, progress=silent,
    )  # fmt: skip
    frozen = heats.run("frozen", {})
    again = heats.run("frozen", {})
    assert [fitted for _, fitted in again] == [fitted for _, fitted in frozen], "what is read is what was written"
    assert len({fitted.which for _, fitted in frozen}) > 1
    assert any(fitted.which[0] != fitted.which[1] for _, fitted in frozen)
    on_top = heats.run("lora-8-1", {}, "lora", frozen)
    assert [fitted.which for _, fitted in on_top] == [fitted.which for _, fitted in frozen]
    assert {fitted.tried for _, fitted in on_top} == {1}
    free = heats.run("lora-9-1", {}, "lora")
    assert min(fitted.tried for _, fitted in free) > 1, "where nothing was chosen before"


def test_what_breaks_a_tie_is_not_told(embedder, squares, tmp_path):
    found = told_apart(embedder, squares, [], tmp_path, budget_s=1e-3, by=FEW)
    said = found.as_json()
    assert [row["val"] for row in said["trade"]] == [round(row["val"], 5) for row in found.raced.trade]
    assert [row["val"] for row in said["trade"]] != [row["val"] for row in found.raced.trade]
    frozen = [heat["name"] for heat in said["heats"]]
    assert list(said["by_folds"]) == frozen
    assert all(0 < share <= 1 for share in said["by_folds"].values())


def test_a_model_is_tuned_by_the_contrast_it_was_made_for(clip):
    assert isinstance(method_of(clip.model).objective, SoftmaxLoss)
    clip.model.logit_scale = LogitScale(bias=-10.0)
    assert isinstance(method_of(clip.model).objective, SigmoidLoss)


def test_one_caption_for_all_is_refused(embedder, squares, tmp_path):
    own = pools(squares)
    alike = part_of(own["train"], [0, 0, 0])
    with pytest.raises(ConfigError, match="all 3 pictures to learn from have one caption"):
        adapt(
            embedder,
            {**own, "train": alike},
            [],
            digest="a" * 64,
            budget_s=60.0,
            seed=0,
            folder=tmp_path,
            progress=silent,
        )


def test_a_budget_that_is_too_short_says_the_least(embedder, squares, tmp_path):
    """And at once: the first heat is not run to its end, let alone those of the others."""
    told = []

    def listen(doing, done, total, **seen):
        told.append((doing, done))

    with pytest.raises(ConfigError, match=r"there are 0\.01 s, but to try each of 2 ways for 8 steps takes about"):
        adapted(embedder, squares, [], tmp_path / "heats", budget_s=0.01, by=FEW, progress=listen)
    assert [done for doing, done in told if doing == "training"] == [1, 2]


def test_sets_that_would_share_a_name_and_numbers_out_of_range_are_refused():
    for names in (["pair"], ["alpha"], ["cifar", "cifar"]):
        with pytest.raises(ConfigError, match="their numbers would have one name"):
            check(names, 0.01, 64)
    for most_lost, batch in ((1.5, 64), (-0.1, 64), (float("nan"), 64), (0.01, 1)):
        with pytest.raises(ConfigError, match="a share, from 0 to 1, and a contrast needs two pairs"):
            check(["cifar"], most_lost, batch)
    for recall in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="a weight beside the loss"):
            check(["cifar"], 0.01, 64, recall=recall)
    with pytest.raises(ConfigError, match="most_steps is -1, but the longest heat has one step at least"):
        check(["cifar"], 0.01, 64, most_steps=-1)
    check(["cifar", "flickr"], 0.01, 64, 0.5, 1.0, 8)


def labelled(squares):
    """The same squares, of which only the colour is said, so that ten pictures have one caption."""
    said = [group["category"] for group in squares.groups]
    pool = replace(squares, captions=tuple((f"a {colour} one",) for colour in said), concepts=tuple(said))
    return pools(pool)


def told_apart(embedder, squares, others, folder, **given):
    return adapt(
        embedder, labelled(squares), others, **{"budget_s": 600.0, **given}, digest="a" * 64, seed=0, folder=folder, progress=silent
    )  # fmt: skip


def test_labels_are_told_apart_without_tuning_and_nothing_is_lost_elsewhere(
    embedder, squares, others, tmp_path, monkeypatch
):
    monkeypatch.setattr(race_steps, "EPOCHS", 1)
    start = copy.deepcopy(embedder.model.state_dict())
    found = told_apart(embedder, squares, others, tmp_path, most_lost=0.0, by=FEW)
    frozen = [heat for heat in found.raced.heats if not heat.steps and "+" not in heat.name]
    assert [heat.name for heat in frozen] + list(found.raced.without) == list(label_ways(60))
    assert "leave no room for a label" in found.raced.without["soft prompt"], (
        "a context of 12 tokens is full with the words"
    )
    assert found.metric == "zero_shot.pair.class.top1"
    assert {line.metric for line in found.own} == {found.metric}, "captions say no more than labels do"
    own = next(line for line in found.own if line.arm == "adapted")
    assert own.difference > 0
    assert own.low <= own.difference <= own.high
    if found.untouched:
        assert all(torch.equal(value, start[name]) for name, value in embedder.model.state_dict().items())
        assert {line.difference for line in found.elsewhere if line.arm == "adapted"} == {0.0}
    said = found.as_json()
    assert said["untouched"] == (said["alpha"] == 0)
    assert said["labels"] == tuple(sorted(COLOURS)), "the column says them"
    assert said["vectors"] == {"counts": list(found.served.counts), "sharpness": found.served.sharpness}
    (tmp_path / "served").mkdir()
    found.served.write(tmp_path / "served")
    served = Labels.read(tmp_path / "served")
    np.testing.assert_array_equal(served.vectors, found.raced.vectors.vectors)
    again = copy.deepcopy(embedder)
    again.model.load_state_dict(start)
    monkeypatch.setattr(running, "tune", lambda *_, **__: pytest.fail("a heat that was kept is run again"))
    resumed = told_apart(again, squares, others, tmp_path, most_lost=0.0, by=FEW)
    assert resumed == found
    np.testing.assert_array_equal(resumed.served.vectors, found.served.vectors)


def test_a_budget_that_is_too_short_to_tune_leaves_the_labels(embedder, squares, tmp_path):
    found = adapt(
        embedder,
        labelled(squares),
        [],
        digest="a" * 64,
        budget_s=1e-3,
        seed=0,
        folder=tmp_path,
        progress=silent,
        by=FEW,
    )
    assert "to try each of 2 ways" in found.raced.without["tuning"]
    assert [row["alpha"] for row in found.raced.trade] == [0.0]
    assert found.untouched
    assert found.raced.way in ("start", *label_ways(60))


def test_captions_that_differ_are_found_too_where_labels_are_asked_for(embedder, squares, tmp_path):
    found = adapt(
        embedder,
        pools(squares),
        [],
        digest="a" * 64,
        budget_s=1e-3,
        seed=0,
        folder=tmp_path,
        progress=silent,
        ask="labels",
    )
    assert {line.metric for line in found.own} >= {"zero_shot.pair.class.top1", "retrieval.pair.mean_recall"}
    assert found.raced.labels == tuple(sorted(COLOURS))


def test_where_labels_are_asked_for_a_step_knows_pictures_by_them_though_captions_differ(
    embedder, squares, tmp_path, monkeypatch
):
    learnt: list[tuple[str, ...]] = []

    def seen(embedder, pool, *given, **more):
        learnt.append(tuple(pool.concepts))
        return batches_of(embedder, pool, *given, **more)

    monkeypatch.setattr(racing, "batches_of", seen)
    own = pools(squares)
    for ask in ("labels", "captions"):
        with suppress(ConfigError):  # the budget is too short to tune, which labels alone are found without
            adapted(embedder, squares, [], tmp_path / ask, budget_s=1e-3, ask=ask)
    assert learnt == [tuple(map(str, own["train"].labelled("category"))), tuple(own["train"].concepts)]
    assert len(set(learnt[0])) < len(set(learnt[1]))


def test_a_heat_takes_the_best_of_its_looks(embedder, squares, tmp_path, monkeypatch):
    """The second of four looks is the best, so a heat of 32 steps comes to what one had after 16 of them."""
    scores, seen = iter([0.1, 0.9, 0.5, 0.5]), []

    def watch(model):
        seen.append({name: value.detach().clone() for name, value in model.state_dict().items()})
        return {"val": next(scores, 0.0)}

    start = {name: value.detach().clone() for name, value in embedder.model.state_dict().items()}
    batches = batches_of(embedder, pools(squares)["train"], 10, 0, silent)
    heats = Heats(
        embedder=embedder, ways=ways(), batches=batches, start=start, watch=watch, seed=0, folder=tmp_path, progress=silent,
    )  # fmt: skip
    heat = heats.run("last layers", 32)
    tuned = heats.tuned(heat)
    assert all(torch.equal(value, seen[1][name]) for name, value in tuned.items())
    assert not all(torch.equal(value, seen[3][name]) for name, value in tuned.items())


def test_what_a_heat_took_before_it_was_stopped_counts(embedder, squares, tmp_path):
    start = {name: value.detach().clone() for name, value in embedder.model.state_dict().items()}
    batches = batches_of(embedder, pools(squares)["train"], 10, 0, silent)

    def going(doing, done, total, **seen):
        if done == 9:
            raise Interrupted("a signal came")

    def run(progress):
        return Heats(
            embedder=embedder, ways=ways(), batches=batches, start=start, watch=lambda model: {"val": 0.5}, seed=0, folder=tmp_path, progress=progress,
        ).run("last layers", 12)  # fmt: skip

    with pytest.raises(Interrupted):
        run(going)
    (kept,) = tmp_path.rglob(SECONDS)
    took = json.loads(kept.read_text())
    assert took.keys() == {"9"}
    kept.write_text(json.dumps({"9": 1_000 + took["9"]}))
    assert 1_000 + took["9"] < run(silent).seconds < 1_900
    assert not kept.exists(), "it goes with the checkpoints"


def test_a_soup_that_is_better_on_val_than_each_is_what_is_taken(embedder, squares, others, tmp_path, monkeypatch):
    monkeypatch.setattr(race_steps, "EPOCHS", 5)
    start = copy.deepcopy(embedder.model.state_dict())
    alone = adapted(copy.deepcopy(embedder), squares, others, tmp_path / "heats", most_lost=1.0, by=FEW)
    (kept,) = (tmp_path / "heats").iterdir()
    shutil.rmtree(kept / next((path.name for path in kept.glob("soup-*")), "none"), ignore_errors=True)
    best = max((heat for heat in longest(alone.raced.heats) if heat.name in FEW), key=lambda heat: heat.score)
    both = load_file(kept / f"{best.name}-{best.steps}" / "tuned.safetensors")  # no mean is sure to be as good
    monkeypatch.setattr(
        running,
        "greedy",
        lambda candidates, score_of, within: Souped(names=FEW, score=max(1.0, score_of(both)), weights=both),
    )
    found = adapted(embedder, squares, others, tmp_path / "heats", most_lost=1.0, by=FEW)
    assert found.raced.heats[-1].name == "soup of lora and whole"
    assert found.raced.steps == sum(heat.steps for heat in longest(alone.raced.heats) if heat.name in FEW)
    assert found.raced.way == "soup of lora and whole"
    wanted = interpolate(start, both, found.raced.alpha)
    assert all(torch.equal(value, wanted[name]) for name, value in embedder.model.state_dict().items())
    monkeypatch.setattr(running, "greedy", lambda *_, **__: pytest.fail("a soup that was kept is made again"))
    again = copy.deepcopy(embedder)
    again.model.load_state_dict(start)
    assert adapted(again, squares, others, tmp_path / "heats", most_lost=1.0, by=FEW) == found


def test_of_each_way_the_longest_heat_is_a_candidate():
    heats = [
        Heat(name=name, steps=steps, score=0.5, seconds=1.0)
        for name, steps in (("a", 8), ("b", 8), ("b", 32), ("a", 16))
    ]
    assert [(heat.name, heat.steps) for heat in longest(heats)] == [("a", 16), ("b", 32)]


def test_a_way_that_adds_a_part_leaves_it_in_the_model_or_takes_it_out(
    embedder, squares, others, tmp_path, monkeypatch
):
    """Of drawn weights no adapter makes anything in seconds, so that validation prefers what counts more here."""

    def counts(model: torch.nn.Module) -> dict[str, float]:
        return {"counts": float(getattr(model.image_projection, "ratio", 0.0))}

    monkeypatch.setattr(race_steps, "EPOCHS", 4)
    monkeypatch.setattr(racing, "watching", lambda *_: counts)
    start, again = copy.deepcopy(embedder.model.state_dict()), copy.deepcopy(embedder)
    found = adapted(
        embedder, squares, others, tmp_path / "heats", most_lost=1.0, by=("feature adapter", "image prompt")
    )
    assert "no blocks that all attend" in found.raced.without["image prompt"], "a residual net has no tokens"
    assert (found.raced.way, found.raced.alpha) == ("feature adapter", 1.0)
    assert [row["val"] for row in found.raced.trade] == [0.0, 0.125, 0.25, 0.375, 0.5]
    assert isinstance(embedder.model.image_projection, AdaptedProjection)
    assert float(embedder.model.image_projection.up.weight.detach().abs().max()) > 0
    assert all(
        torch.equal(value, start[name])
        for name, value in embedder.model.state_dict().items()
        if name in start and "logit" not in name
    )
    monkeypatch.setattr(weighing, "chosen", lambda trade, most_lost, names: (0.0, False))
    stays = adapted(again, squares, others, tmp_path / "heats", most_lost=0.0, by=("feature adapter",))
    assert (stays.raced.way, stays.untouched) == ("start", True)
    assert again.model.state_dict().keys() == start.keys()
    assert all(torch.equal(value, start[name]) for name, value in again.model.state_dict().items())


def test_a_way_that_nobody_knows_is_said_with_the_nearest(embedder, squares, tmp_path):
    for by, says in ((("lorra",), "did you mean lora"), ((), "no way to tune takes part")):
        with pytest.raises(ConfigError, match=says):
            adapted(embedder, squares, [], tmp_path, by=by)


def test_what_is_recalled_or_augmented_is_another_race_and_changes_what_is_learnt(
    embedder, squares, others, tmp_path, monkeypatch
):
    monkeypatch.setattr(race_steps, "EPOCHS", 3)
    start, weights = copy.deepcopy(embedder.model.state_dict()), {}
    general = Recall(pool=part_of(squares, range(2, 50, 5)), weight=5.0)
    for more in ({}, {"recall": general}, {"augment": "off"}):
        own = copy.deepcopy(embedder)
        own.model.load_state_dict(start)
        adapted(own, squares, [], tmp_path / "heats", by=("whole",), **more)
        (kept,) = (path for path in (tmp_path / "heats").iterdir() if path.name not in weights)
        weights[kept.name] = load_file(kept / "whole-8/tuned.safetensors")["image_projection.linear.weight"]
    plain, recalled, off = weights.values()
    assert not torch.equal(plain, recalled)
    assert not torch.equal(plain, off)
    with pytest.raises(ConfigError, match="there is no general picture left"):
        adapted(
            copy.deepcopy(embedder), squares, others, tmp_path / "none", by=("whole",), recall=general
        )  # all are measured on


def test_what_is_replayed_is_learnt_from_beside_one_s_own_by_each_way_and_training_that_goes_on_is_one(
    embedder, squares, tmp_path, monkeypatch
):
    monkeypatch.setattr(race_steps, "EPOCHS", 4)
    general = Recall(pool=part_of(squares, range(2, 50, 5)), share=0.5)
    found = adapted(
        copy.deepcopy(embedder), squares, [], tmp_path / "both", by=("lora", "continued"), recall=general, batch=8
    ).raced
    assert (found.general, found.batch) == (10, 8)
    assert {heat.name for heat in found.heats} >= {"lora", "continued"}
    assert max(heat.steps for heat in found.heats if "soup" not in heat.name) == 4 * (30 + 10) // 8
    batches = batches_of(embedder, pools(squares)["train"], 8, 0, silent, recall=general)
    assert any(key.startswith("general/") for key in batches.pairs.keys)
    weights = set()
    muon = Optimisation(optimizer="muon", lr=5.0e-3, weight_decay=0.1)
    for share, as_trained, views in (
        (0.0, UNKNOWN, None),
        (0.5, UNKNOWN, None),
        (0.25, UNKNOWN, None),
        (0.5, muon, None),
        (0.5, muon, {"grey": 1.0}),
    ):
        start, folder = copy.deepcopy(embedder), tmp_path / "heats"
        known = set(folder.iterdir()) if folder.exists() else set()
        adapted(
            start,
            squares,
            [],
            folder,
            by=("continued",),
            recall=replace(general, share=share, views=views) if share else None,
            batch=8,
            as_trained=as_trained,
        )
        (kept,) = set(folder.iterdir()) - known
        (tuned,) = (path for path in kept.glob("continued-8/tuned.safetensors"))
        weights.add(load_file(tuned)["image_projection.linear.weight"].numpy().tobytes())
    assert len(weights) == 5, "each share, each optimizer, and other views are another race, and learn something else"
    assert {"general", "batch"} <= found.as_json().keys()
    assert usual(0.5) == (*usual(0.0), "continued")
    with pytest.raises(ConfigError, match="replay is 1"):
        adapted(embedder, squares, [], tmp_path / "all", by=("lora",), recall=replace(general, share=1.0))
    mine = pools(squares)
    held = replace(general, pool=part_of(squares, [*range(0, 50, 5), *range(1, 50, 5)]))
    assert [*held.pool.pictures] == [*mine["val"].pictures, *mine["pair"].pictures]
    with pytest.raises(ConfigError, match="no general picture left"):
        adapted(embedder, squares, [], tmp_path / "held", by=("lora",), recall=held)


def test_a_soft_prompt_of_one_budget_is_not_taken_for_another_s(embedder, squares, tmp_path):
    """It learns for a share of the budget, so that what a short one left would hide what a long one finds."""
    short, long, free = (label_ways(60.0)["soft prompt"], label_ways(900.0)["soft prompt"], SoftPrompt())
    assert (short.within, long.within, free.within, label_ways(60.0)["cache"].within) == ("-6s", "-90s", "", "")
    own = labelled(squares)
    choice = choice_of(own, "labels")
    asked = []

    class Counted(Cache):
        def candidates(self, seen, begun, progress):
            asked.append(self.within)
            return super().candidates(seen, begun, progress)

        @property
        def within(self):
            return f"-{self.most_s:g}s"

    for most_s in (6.0, 90.0, 6.0):
        way = Counted()
        way.most_s = most_s
        LabelHeats(
            embedder=embedder, ways={"counted": way}, choice=choice, train=own["train"], val=own["val"], seed=0, folder=tmp_path, progress=silent,
        ).run("frozen", {})  # fmt: skip
    assert [within for within, _ in groupby(asked)] == ["-6s", "-90s"], "the third is the first, which was kept"
    assert len(asked) == 2 * (1 + FOLDS)
