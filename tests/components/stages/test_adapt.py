"""Adapting on coloured squares: the race learns, what is chosen keeps what others need, and a race that was stopped goes on."""

import copy
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from components.contracts.errors import CapabilityError, ConfigError, Interrupted
from components.contracts.progress import silent
from components.data.rows.cache import RowCache
from components.finetuning.continued import UNKNOWN
from components.finetuning.freeze import Freeze
from components.finetuning.interpolate import interpolate
from components.finetuning.labels.way import TIE
from components.finetuning.race import Heat
from components.finetuning.soup import Souped
from components.finetuning.whole import Whole
from components.models.adapted_projection import AdaptedProjection
from components.models.projection import LogitScale
from components.objectives.sigmoid import SigmoidLoss
from components.objectives.softmax import SoftmaxLoss
from components.stages import heats as running
from components.stages import race_steps
from components.stages import raced as racing
from components.stages import weighed as weighing
from components.stages.adapt import adapt
from components.stages.heat_clock import SECONDS
from components.stages.heats import OUT, Heats, method_of
from components.stages.race_steps import batches_of
from components.stages.raced import check, longest, one_query
from components.stages.racing_ways import usual, ways
from components.stages.recalled import Recall
from components.stages.weighed import chosen, nearest
from components.training.numbers import Optimisation
from tests.subjects import part_of


def pools(squares):
    train = [place for place in range(50) if place % 5 not in (0, 1)]
    return {
        "train": part_of(squares, train),
        "val": part_of(squares, range(0, 50, 5)),
        "pair": part_of(squares, range(1, 50, 5)),
    }


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


@pytest.mark.parametrize("labels", [False, True])
def test_a_race_whose_decoded_pictures_lie_on_disk_comes_to_the_same(embedder, squares, tmp_path, labels):
    said = [group["category"] for group in squares.groups]
    own = replace(squares, captions=tuple((one,) for one in said), concepts=tuple(said)) if labels else squares
    found = []
    for name, cache in (("held", None), ("kept", RowCache(folder=tmp_path))):
        start = copy.deepcopy(embedder)
        ran = adapted(start, own, [], tmp_path / name, by=("lora",), most_steps=8, cache=cache).raced
        found.append((ran.way, ran.alpha, ran.trade, start.model.state_dict()))
    assert found[0][:3] == found[1][:3]
    assert all(torch.equal(value, found[1][3][name]) for name, value in found[0][3].items())
    assert len(list(tmp_path.glob("*.rows"))) == 2, "those that are learnt from, and those that choose"


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


def test_of_those_that_are_as_good_to_one_query_the_nearest_to_the_start_is_taken_but_not_the_start():
    vals = ((0.0, 0.6, 0.5), (0.25, 0.9, 0.48), (0.5, 0.895, 0.5), (0.75, 0.9, 0.5), (1.0, 0.905, 0.5))
    trade = [{"alpha": alpha, "val": val, "cifar": cifar} for alpha, val, cifar in vals]
    assert nearest(trade, 1.0, 0.01, ["cifar"], 0.005) == 0.75, "to the last bit, 0.905 - 0.9 is more than 0.005"
    assert nearest(trade, 1.0, 0.01, ["cifar"], 0.01) == 0.5, "what is nearer loses too much"
    assert nearest(trade, 1.0, 0.02, ["cifar"], 0.01) == 0.25
    assert nearest(trade, 1.0, 0.01, ["cifar"], 0.0) == 1.0
    flat = [{**row, "val": 0.6 + 0.01 * (row["alpha"] == 1)} for row in trade]
    assert nearest(flat, 1.0, 0.01, ["cifar"], 0.01) == 1.0, "what is no better than the start is not taken for it"
    assert nearest(flat, 0.0, 0.01, ["cifar"], 0.01) == 0.0, "where the start was chosen it stays"


def test_a_query_is_one_of_the_direction_that_has_more(squares):
    some = part_of(squares, range(10))
    alike = replace(some, captions=(("one",),) * 10)
    told = replace(some, captions=tuple((f"{place}", f"also {place}", "all") for place in range(10)))
    assert [one_query(pool) for pool in (alike, told)] == [1 / 20, 1 / 42]


def test_of_those_that_are_right_as_often_the_surest_is_chosen_but_not_for_the_start():
    trade = [
        {"alpha": alpha, "val": val} for alpha, val in ((0.0, 0.3), (0.5, 0.5 + 0.2 * TIE), (1.0, 0.5 + 0.9 * TIE))
    ]
    assert chosen(trade, 0.01, []) == (1.0, True)
    assert chosen([{**row, "val": 0.5 + row["val"] * TIE} for row in trade], 0.01, []) == (0.0, True)


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


def test_where_no_way_that_was_named_fits_the_model_that_is_said(embedder, squares, tmp_path):
    with pytest.raises(
        ConfigError, match=r"no way to tune is left .*image prompt: .*no blocks that all attend.* --way"
    ):
        adapted(embedder, squares, [], tmp_path, by=("image prompt",))


class Greedy(Whole):
    """Asks for more memory than there is."""

    def prepare(self, model: torch.nn.Module) -> Freeze:
        model.image_projection.register_forward_pre_hook(lambda *_: torch.empty(2**50))
        return super().prepare(model)


class Diverging(Whole):
    """Has a loss that is no number."""

    def prepare(self, model: torch.nn.Module) -> Freeze:
        model.image_projection.register_forward_hook(
            lambda part, given, made: made * float("nan") if part.training else made
        )
        return super().prepare(model)


class Unable(Whole):
    """Asks for what this machine has not."""

    def prepare(self, model: torch.nn.Module) -> Freeze:
        def refuse(part: torch.nn.Module, *_: object) -> None:
            if part.training:
                raise CapabilityError("this machine has no such chip. Set precision to auto.")

        model.image_projection.register_forward_pre_hook(refuse)
        return super().prepare(model)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (Greedy, r"out of memory: a step of 10 pairs at 32 px asked for .* Fewer pairs a step take less: --batch 5$"),
        (Unable, r"^this machine has no such chip\. Set precision to auto\.$"),
        (Diverging, r"^the loss at step \d+ is not finite .* There were 3 such steps within 50 before$"),
    ],
)
def test_a_way_that_breaks_is_out_and_the_others_go_on_also_after_a_stop(
    embedder, squares, tmp_path, monkeypatch, broken, says
):
    def taking_part(names, as_trained):
        return {name: broken(share=1.0) if name == "whole" else ways()[name] for name in names}

    monkeypatch.setattr(racing, "taking_part", taking_part)
    start, again = copy.deepcopy(embedder.model.state_dict()), copy.deepcopy(embedder)
    found = adapted(embedder, squares, [], tmp_path, by=FEW, most_steps=8)
    assert re.search(says, found.raced.without["whole"])
    assert {heat.name for heat in found.raced.heats} == {"lora"}
    (out,) = tmp_path.rglob(OUT)
    assert json.loads(out.read_text())["seconds"] > 0, "which count in the budget, also of a race that goes on"
    again.model.load_state_dict(start)
    monkeypatch.setattr(running, "tune", lambda *_, **__: pytest.fail("what is kept is run again"))
    assert adapted(again, squares, [], tmp_path, by=FEW, most_steps=8) == found


def test_what_broke_leaves_less_of_the_budget_for_a_first_heat(embedder, squares, tmp_path, monkeypatch):
    monkeypatch.setattr(racing, "taking_part", lambda *_: {"lora": Greedy(share=1.0), "whole": ways()["whole"]})
    again = copy.deepcopy(embedder)
    found = adapted(embedder, squares, [], tmp_path, by=FEW, most_steps=8)
    (out,) = tmp_path.rglob(OUT)
    assert found.raced.broken_s == json.loads(out.read_text())["seconds"]
    out.write_text(json.dumps({"why": "out of memory", "seconds": 600.0}))
    shutil.rmtree(out.parent.parent / "whole-8")
    with pytest.raises(ConfigError, match="of which ways that broke took"):
        adapted(again, squares, [], tmp_path, by=FEW, most_steps=8)


def test_where_all_ways_break_each_is_said_with_why_and_tried_again_by_another_run(
    embedder, squares, tmp_path, monkeypatch
):
    monkeypatch.setattr(racing, "taking_part", lambda names, as_trained: {name: Greedy(share=1.0) for name in names})
    with pytest.raises(ConfigError, match=r"no way to tune is left .*whole: out of memory.*--batch 5.* --way"):
        adapted(embedder, squares, [], tmp_path, by=("whole",), most_steps=8)
    monkeypatch.undo()
    found = adapted(embedder, squares, [], tmp_path, by=("whole",), most_steps=8)
    assert [heat.name for heat in found.raced.heats] == ["whole"]


def test_ways_that_were_asked_for_race_whatever_is_hard_about_the_data(embedder, squares, tmp_path):
    own = {**pools(squares), "train": part_of(squares, [place for place in range(2, 50) if place % 5 > 2])}
    for named, raced in ((False, {"lora"}), (True, {"lora", "whole"})):
        found = adapt(
            copy.deepcopy(embedder), own, [], digest="a" * 64, budget_s=600.0, seed=0, folder=tmp_path, progress=silent, batch=10, by=FEW, most_steps=8,
            named=named,
        )  # fmt: skip
        assert [one.name for one in found.raced.hard] == ["few_pictures"]
        assert {heat.name for heat in found.raced.heats if "soup" not in heat.name} == raced


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
