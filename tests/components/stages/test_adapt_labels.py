"""Adapting where captions are labels: ways that tune nothing, tunings, and what few pictures choose among them."""

import copy
from contextlib import suppress
from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
import torch

from components.contracts.errors import ConfigError
from components.contracts.progress import silent
from components.data.rows.cache import NoRoom, RowCache
from components.data.selection import Pool
from components.evaluation.study import study
from components.evaluation.subject import TrainedModel
from components.finetuning.labels.answers import Answers
from components.finetuning.labels.cache import Cache
from components.finetuning.labels.choice import Choice, choice_of
from components.finetuning.labels.folds import FOLDS
from components.finetuning.labels.soft_prompt import SoftPrompt
from components.finetuning.labels.way import LabelVectors
from components.serving.labels import Labels
from components.stages import heats as running
from components.stages import race_steps
from components.stages import raced as racing
from components.stages.adapt import adapt, kept_of
from components.stages.heats import LabelHeats
from components.stages.race_steps import batches_of
from components.stages.racing_ways import label_ways
from tests.components.stages.test_adapt import FEW, Greedy, adapted, pools
from tests.squares import COLOURS
from tests.subjects import Told


def labelled(squares):
    """The same squares, of which only the colour is said, so that ten pictures have one caption."""
    said = [group["category"] for group in squares.groups]
    pool = replace(squares, captions=tuple((f"a {colour} one",) for colour in said), concepts=tuple(said))
    return pools(pool)


def told_apart(embedder, squares, others, folder, **given):
    return adapt(
        embedder, labelled(squares), others, **{"budget_s": 600.0, **given}, digest="a" * 64, seed=0, folder=folder, progress=silent
    )  # fmt: skip


def test_the_interval_of_a_gain_holds_the_truth_as_often_as_it_says_where_pictures_of_a_series_are_answered_alike():
    """Two models that are alike, each right of a series as a whole with six in ten: 95 of 100 intervals hold 0, and by pictures hardly every second one does."""
    count, each, races = 30, 10, 60
    keys = tuple(f"p{place}" for place in range(count * each))
    label = ["ab"[place // each % 2] for place in range(len(keys))]
    whole = Pool(
        keys=keys, pictures=tuple(key.encode() for key in keys), captions=tuple((one,) for one in label), concepts=tuple(label), sources=("",) * len(keys),
        series=tuple(f"s{place // each}" for place in range(len(keys))),
    )  # fmt: skip
    choice = Choice(
        labels=("a", "b"), said={"a": ("a",), "b": ("b",)}, of={"pair": tuple(label)}, captions_differ=False
    )
    vectors = LabelVectors(vectors=np.eye(2, dtype=np.float32), counts=(1, 1))

    def answered(draw, pool):
        right = np.repeat(draw.random(count) < 0.6, each)
        rows = np.eye(2)[np.where(right, [one == "b" for one in label], [one == "a" for one in label]).astype(int)]
        told = Told(dict(zip(pool.pictures, rows.tolist(), strict=True)), {})
        asked = choice.pool("pair", pool)
        return Answers(choice.labels, vectors, "x").measure(TrainedModel(told, lambda: told, asked, {"pair": asked}))

    def holding(pool):
        held = 0
        for race in range(races):
            draw = np.random.default_rng(race)
            arms = {"start": [answered(draw, pool)], "adapted": [answered(draw, pool)]}
            line = study(kept_of(arms))[-1]
            held += line.low <= 0 <= line.high
        return held

    assert holding(whole) >= 0.9 * races
    assert holding(replace(whole, series=())) < 0.7 * races
    rows = answered(np.random.default_rng(0), whole).rows["zero_shot.pair"]
    assert len(set(rows["group"].to_pylist())) == count


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


def test_where_decoded_pictures_have_no_room_it_says_so_though_labels_could_be_found_without_tuning(
    embedder, squares, tmp_path
):
    cache = RowCache(folder=tmp_path, most_bytes=len(labelled(squares)["val"]) * 3 * embedder.preprocess.size**2)
    with pytest.raises(NoRoom, match="DIPTYCH_DECODED_GB"):
        told_apart(embedder, squares, [], tmp_path, by=("lora",), most_steps=8, cache=cache)


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


def test_where_all_tunings_break_ways_that_tune_nothing_are_left(embedder, squares, tmp_path, monkeypatch):
    monkeypatch.setattr(racing, "taking_part", lambda names, as_trained: {"whole": Greedy(share=1.0)})
    found = told_apart(embedder, squares, [], tmp_path, by=("whole",), most_steps=8)
    assert "whole: out of memory" in found.raced.without["tuning"]
    assert found.untouched
    assert {heat.steps for heat in found.raced.heats} == {0}
