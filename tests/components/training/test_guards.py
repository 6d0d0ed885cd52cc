"""What the guards see, on numbers that can be checked by eye; and what is done about it, in real trainings."""

import copy
import os
import time
from dataclasses import replace

import pytest
import torch

from components.contracts.errors import ConfigError, DataError, GateClosed, Interrupted
from components.contracts.method import Losses
from components.contracts.progress import silent
from components.training.checkpoints import Checkpoints
from components.training.guards import Lasting, Spikes, Tries, centred, collapsed, effective_rank, finite, least_rank
from components.training.numbers import Guards
from components.training.train import train
from tests.components.training.test_train import NUMBERS, SCALE, weights


def test_a_loss_is_compared_with_the_median_of_those_before_it():
    spikes = Spikes(window=8)
    for loss in (1.0, 2.0, 3.0):
        spikes.keep(loss)
    assert spikes.deviations(100.0) == 0.0, "three of eight are too few to judge by"
    spikes.keep(4.0)
    assert spikes.deviations(2.5) == 0.0
    assert spikes.deviations(2.5 + 1.4826) == pytest.approx(1.0)
    assert spikes.deviations(1.0) < 0


def test_losses_that_do_not_move_make_no_spike_of_every_breath():
    spikes = Spikes(window=4)
    for _ in range(4):
        spikes.keep(2.0)
    assert spikes.deviations(2.01) == pytest.approx(0.5)


def test_a_state_is_told_once_when_it_has_lasted():
    lasting = Lasting(patience=2)
    assert [lasting.at_last(now) for now in (True, False, True, True, True)] == [False, False, False, True, False]


def test_troubles_count_a_step_once_and_only_close_ones():
    tries = Tries(most=2, within=10)
    assert [tries.spent(step) for step in (0, 1, 1, 100, 101, 102)] == [False, False, False, False, False, True]


LINE = torch.tensor([[1.0, 0], [-1, 0], [1, 0], [-1, 0]])


def test_the_rank_of_rows_that_one_can_see():
    square = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    assert effective_rank(centred(square)) == pytest.approx(2.0) == least_rank(centred(square))
    assert effective_rank(centred(LINE)) == pytest.approx(1.0) == least_rank(centred(LINE))
    assert effective_rank(centred(torch.ones(4, 3))) == 0.0


@pytest.mark.parametrize("seed", range(20))
def test_the_rank_is_never_less_than_what_it_is_at_least(seed):
    drawn = torch.Generator().manual_seed(seed)
    rows = torch.randn(4 + seed, 9, generator=drawn) @ torch.diag(torch.rand(9, generator=drawn) ** (seed % 5))
    assert 1.0 <= least_rank(centred(rows)) <= effective_rank(centred(rows)) + 1e-4


def test_sides_that_collapsed_are_named():
    fine = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))
    assert collapsed({"image": fine, "text": torch.ones(16, 8)}) == ("text (variance 0, effective rank 0.00)",)
    assert collapsed({"image": fine}) == ()
    assert collapsed({"image": LINE}) == ("image (variance 1, effective rank 1.00)",)
    nearly = torch.cat([torch.linspace(-1, 1, 16)[:, None], 1e-3 * fine], dim=1)
    assert collapsed({"text": nearly})[0].startswith("text (variance 1, effective rank 1.2")


def test_finite_needs_every_number_of_every_gradient():
    assert finite([])
    assert finite([torch.ones(3), torch.zeros(2)])
    assert not finite([torch.ones(3), torch.tensor([0.0, float("inf")])])
    assert not finite([torch.ones(3), torch.tensor([[float("nan")]])])


def test_to_look_whether_gradients_are_finite_changes_none_and_large_ones_are():
    gradients = [torch.tensor([1e30, -0.0, 1e-42]), torch.full((5,), 3e38)]
    before = [gradient.clone() for gradient in gradients]
    assert finite(gradients)
    for gradient, kept in zip(gradients, before, strict=True):
        assert torch.equal(gradient.view(torch.int32), kept.view(torch.int32))


@pytest.mark.parametrize("name", ["spike_deviations", "spike_window", "patience", "tries", "rank_timeout_s"])
def test_numbers_that_guard_nothing_are_refused(name):
    with pytest.raises(ConfigError, match=rf"{name} is -1, which guards nothing"):
        Guards(**{name: -1})


def spoiled(method, at: dict[int, float], gradient: bool = False):
    """Return a method whose loss is multiplied at some steps, and which counts how often each step was computed."""
    losses, seen = method.losses, []

    def computed(batch, clock) -> Losses:
        seen.append(clock.step)
        given = losses(batch, clock)
        factor = at.get(clock.step)
        if factor is None:
            return given
        if gradient:  # the value stays, its gradient does not
            weight = next(method.parameters())
            return replace(given, terms={**given.terms, "root": (weight.sum() * 0).clamp(min=0).sqrt()})
        return replace(given, terms={name: term * factor for name, term in given.terms.items()})

    method.losses = computed
    return seen


def guarded(method, batches, folder, guards: Guards, scale=SCALE, progress=silent):
    return train(
        method, batches, NUMBERS, scale, seed=3, folder=folder, progress=progress, log=lambda step, values: None,
        watch=lambda model: {"val.weight": float(next(model.parameters()).sum())}, guards=guards,
    )  # fmt: skip


@pytest.mark.parametrize("gradient", [False, True])
def test_a_step_that_is_not_finite_changes_nothing_but_the_clock(gradient, method, batches, tmp_path, capsys):
    last = SCALE.steps - 1
    shorter, started = tmp_path / "shorter", copy.deepcopy(method)
    shorter.mkdir()
    spoiled(method, {last: float("nan")}, gradient)
    trained = guarded(method, batches, tmp_path, Guards(non_finite="skip"))
    assert trained.guards == {"non_finite": 1}
    assert f"the loss at step {last} is not finite" in capsys.readouterr().out
    with pytest.raises(RuntimeError, match="stop here"):  # the same training, ended before that step
        train(
            started, batches, NUMBERS, SCALE, seed=3, folder=shorter, log=lambda step, values: None, watch=lambda model: {},
            progress=lambda doing, done, total, **seen: (_ for _ in ()).throw(RuntimeError("stop here"))
            if done == last
            else None,
        )  # fmt: skip
    assert torch.equal(weights(method), weights(started)), "running statistics too"


def test_of_steps_that_are_never_finite_only_so_many_are_skipped(method, batches, tmp_path):
    seen = spoiled(method, dict.fromkeys(range(4, 12), float("nan")))
    with pytest.raises(DataError, match=r"not finite.*There were 2 such steps within 50 before"):
        guarded(method, batches, tmp_path, Guards(non_finite="skip", tries=2))
    assert seen[-1] == 6


def test_a_run_that_goes_back_leaves_the_batch_out_and_does_not_meet_it_again(method, batches, tmp_path, capsys):
    other, folder = copy.deepcopy(method), tmp_path / "other"
    folder.mkdir()
    seen = spoiled(method, {8: float("nan")})
    trained = guarded(method, batches, tmp_path, Guards(non_finite="roll_back"))
    assert seen == [*range(9), *range(5, 12)], "from the checkpoint of step 5"
    assert trained.guards == {"left_out": 1}
    assert "going back to the last good state" in capsys.readouterr().out
    spoiled(other, {8: float("nan")})
    skipped = guarded(other, batches, folder, Guards(non_finite="skip"))
    assert torch.equal(weights(method), weights(other)), "to leave a batch out is to skip it"
    assert trained.curves.replace("left_out", "non_finite") == skipped.curves


def test_before_the_first_checkpoint_it_goes_back_to_the_beginning(method, batches, tmp_path):
    seen = spoiled(method, {1: float("inf")})
    guarded(method, batches, tmp_path, Guards(non_finite="roll_back"))
    assert seen == [0, 1, *range(12)]


def test_a_second_trouble_after_the_same_checkpoint_goes_back_further(method, batches, tmp_path):
    scale = replace(SCALE, steps=14)
    seen = spoiled(method, {12: float("nan"), 13: float("nan")})
    trained = guarded(method, batches, tmp_path, Guards(non_finite="roll_back"), scale)
    assert seen == [*range(13), *range(10, 14), *range(5, 14)]
    assert trained.guards == {"left_out": 2}


def test_a_run_that_is_killed_after_it_went_back_goes_on_as_one_that_is_not(method, batches, tmp_path):
    scale, guards, losses = replace(SCALE, steps=14), Guards(non_finite="roll_back"), method.losses

    def until_it_went_back(batch, clock) -> Losses:
        if clock.step == 12 and 12 in seen:
            raise KeyError("the power went")
        return spoilt(batch, clock)

    bad = {12: float("nan"), 13: float("nan")}
    seen, spoilt = spoiled(method, bad), method.losses
    method.losses = until_it_went_back
    with pytest.raises(KeyError):
        guarded(method, batches, tmp_path, guards, scale)
    assert seen == [*range(13), 10, 11]
    method.losses = losses
    again = spoiled(method, bad)
    trained = guarded(method, batches, tmp_path, guards, scale)
    assert again == [*range(10, 14), *range(5, 14)], "it knows of step 12, and that the checkpoint of step 10 led there"
    assert trained.guards == {"left_out": 2}
    assert trained.timing()["resumed_at"] == 10, "from where this run went on, wherever it went back to"


def test_what_a_run_takes_is_that_of_all_its_steps_also_of_those_that_it_goes_back_from(method, batches, tmp_path):
    other, folder, moments = copy.deepcopy(method), tmp_path / "other", []
    folder.mkdir()
    spoiled(method, {8: float("nan")})
    losses = method.losses

    def at_a_moment(batch, clock) -> Losses:
        moments.append((time.perf_counter(), time.process_time()))
        return losses(batch, clock)

    method.losses = at_a_moment
    trained = guarded(method, batches, tmp_path, Guards(non_finite="roll_back"))
    (first_s, first_cpu_s), (last_s, last_cpu_s) = moments[0], moments[-1]
    assert trained.receipt.seconds > last_s - first_s
    assert trained.receipt.cpu_s > last_cpu_s - first_cpu_s
    assert trained.resumed_at == 0
    undisturbed = guarded(other, batches, folder, Guards())
    assert trained.receipt.flops_per_step == undisturbed.receipt.flops_per_step > 0


def test_a_run_that_is_killed_each_time_that_it_went_back_ends_after_so_many_tries(method, batches, tmp_path):
    scale, guards, losses = replace(SCALE, steps=14), Guards(non_finite="roll_back", tries=1), method.losses
    seen, spoilt = spoiled(method, {11: float("nan")}), method.losses

    def until_it_went_back(batch, clock) -> Losses:
        if clock.step == 10 and 11 in seen:
            raise KeyError("the power went")
        return spoilt(batch, clock)

    method.losses = until_it_went_back
    with pytest.raises(KeyError):
        guarded(method, batches, tmp_path, guards, scale)
    method.losses = losses
    spoiled(method, {12: float("nan")})
    with pytest.raises(DataError, match=r"the loss at step 12 is not finite.*There were 1 such steps within"):
        guarded(method, batches, tmp_path, guards, scale)


@pytest.mark.parametrize("policy", ["roll_back", "skip"])  # which leave a checkpoint at the start, and none
def test_a_run_whose_checkpoints_were_removed_knows_of_no_trouble_of_the_one_before(policy, method, batches, tmp_path):
    anew, undisturbed, other = copy.deepcopy(method), copy.deepcopy(method), tmp_path / "other"
    other.mkdir()
    seen = spoiled(method, {8: float("nan")})
    guarded(method, batches, tmp_path, Guards(non_finite="roll_back"))
    assert seen.count(7) == 2
    assert (tmp_path / "went_back.json").exists()
    for path in tmp_path.glob("step-*.ckpt"):
        path.unlink()
    assert guarded(anew, batches, tmp_path, Guards(non_finite=policy)).guards == {}
    guarded(undisturbed, batches, other, Guards(non_finite=policy))
    assert torch.equal(weights(anew), weights(undisturbed))
    assert not (tmp_path / "went_back.json").exists(), "nor when it is gone on with"


def test_word_of_going_back_that_is_cut_short_ends_no_run(method, batches, tmp_path, capsys):
    spoiled(method, {8: float("nan")})
    bad = copy.deepcopy(method)
    with pytest.raises(RuntimeError, match="stop here"):
        guarded(
            method, batches, tmp_path, Guards(non_finite="roll_back"),
            progress=lambda doing, done, total, **seen: (_ for _ in ()).throw(RuntimeError("stop here")) if done == 9 else None,
        )  # fmt: skip
    os.truncate(tmp_path / "went_back.json", 20)
    trained = guarded(bad, batches, tmp_path, Guards(non_finite="roll_back"))
    assert trained.resumed_at == 5
    assert "damaged, and left out: went_back.json (JSONDecodeError)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "guards"), [("log", {"spike": 1}), ("skip", {"spike": 1}), ("roll_back", {"left_out": 1})]
)
def test_a_spike_is_answered_as_the_policy_says(answer, guards, method, batches, tmp_path, capsys):
    spoiled(method, {9: 50.0})
    trained = guarded(method, batches, tmp_path, Guards(spike=answer, spike_window=8, spike_deviations=20))
    assert trained.guards == guards
    assert "deviations above its running median (first samples" in capsys.readouterr().out


def test_a_spike_stops_where_the_policy_says_so(method, batches, tmp_path):
    spoiled(method, {9: 50.0})
    with pytest.raises(DataError, match=r"the loss at step 9 is .* deviations above its running median"):
        guarded(method, batches, tmp_path, Guards(spike="stop", spike_window=8, spike_deviations=20))


def test_a_scale_that_stays_at_its_bound_is_told_once_or_stops(method, batches, tmp_path, capsys):
    torch.nn.init.constant_(method.model.logit_scale.log_scale, torch.tensor(150.0).log().item())
    again, folder = copy.deepcopy(method), tmp_path / "again"
    folder.mkdir()
    method.model.logit_scale.log_scale.requires_grad_(False)
    assert guarded(method, batches, tmp_path, Guards(patience=3)).guards == {"scale_capped": 1}
    assert (
        "the logit scale has been at its bound of 100 for 3 looks, one every 1 steps, at step 3"
        in capsys.readouterr().out
    )
    again.model.logit_scale.log_scale.requires_grad_(False)
    with pytest.raises(GateClosed, match="at its bound of 100"):
        guarded(again, batches, folder, Guards(scale_capped="stop", patience=3))


def test_features_that_become_one_are_told_or_stop(method, batches, tmp_path, capsys):
    again, folder = copy.deepcopy(method), tmp_path / "again"
    folder.mkdir()
    alike(method)
    assert guarded(method, batches, tmp_path, Guards(patience=2)).guards == {"collapsed": 1}
    told = [line for line in capsys.readouterr().out.splitlines() if "collapsed" in line]
    assert len(told) == 1
    assert told[0].startswith("the embeddings have collapsed for 2 looks, one every 1 steps: image (variance")
    alike(again)
    with pytest.raises(GateClosed, match=r"the embeddings have collapsed for 2 looks.*: image \(variance"):
        guarded(again, batches, folder, Guards(collapsed="stop", patience=2))


def alike(method) -> None:
    """Let the method say that all pictures are one."""
    losses = method.losses

    def one(batch, clock) -> Losses:
        return replace(losses(batch, clock), embedded={"image": torch.ones(8, 16)})

    method.losses = one


@pytest.mark.parametrize("what", ["spike", "scale_capped", "collapsed", "starved"])
def test_what_is_off_is_not_looked_at(what, method, batches, tmp_path, capsys):
    alike(method)
    torch.nn.init.constant_(method.model.logit_scale.log_scale, torch.tensor(150.0).log().item())
    method.model.logit_scale.log_scale.requires_grad_(False)
    spoiled(method, {9: 50.0})
    on = Guards(patience=2, spike_window=8, spike_deviations=20, most_waiting=0.0)
    said = {"spike": "median", "scale_capped": "its bound", "collapsed": "collapsed", "starved": "waiting for data"}
    trained = guarded(method, batches, tmp_path, replace(on, **{what: "off"}))
    printed = capsys.readouterr().out
    assert {name for name, words in said.items() if words in printed} == said.keys() - {what}
    assert trained.guards == dict.fromkeys(said.keys() - {what, "starved"}, 1), "a wait is no number of the training"


def test_a_loss_that_is_no_number_stops_where_the_policy_says_so(method, batches, tmp_path):
    seen = spoiled(method, {4: float("nan")})
    with pytest.raises(DataError, match=r"the loss at step 4 is not finite \(.*first samples .*square at the"):
        guarded(method, batches, tmp_path, Guards(non_finite="stop"))
    assert seen[-1] == 4


def test_rolling_back_ends_after_so_many_tries(method, batches, tmp_path):
    seen = spoiled(method, dict.fromkeys(range(4, 12), float("nan")))
    with pytest.raises(DataError, match=r"the loss at step 6 is not finite.*There were 2 such steps within 50 before"):
        guarded(method, batches, tmp_path, Guards(non_finite="roll_back", tries=2))
    assert len(seen) < 25


def test_a_resumed_run_judges_as_an_undisturbed_one(method, batches, tmp_path):
    whole, folder = copy.deepcopy(method), tmp_path / "whole"
    folder.mkdir()
    guards = Guards(spike="skip", spike_window=8, spike_deviations=20)
    spoiled(whole, {9: 50.0})
    undisturbed = guarded(whole, batches, folder, guards)
    losses = method.losses

    def until_seven(batch, clock) -> Losses:
        if clock.step == 7:
            raise KeyError("the power went")
        return losses(batch, clock)

    method.losses = until_seven
    with pytest.raises(KeyError):
        guarded(method, batches, tmp_path, guards)
    method.losses = losses
    spoiled(method, {9: 50.0})
    resumed = guarded(method, batches, tmp_path, guards)
    assert (resumed.resumed_at, resumed.guards) == (5, {"spike": 1})
    assert resumed.curves == undisturbed.curves


def until_five(doing, done, total, **seen) -> None:
    """Have the training stop after five steps, as the stage's progress does on a signal."""
    if done == 5:
        raise Interrupted("stopped by the test")


BAD = dict.fromkeys((2, 4, 6), float("nan"))


@pytest.mark.parametrize("is_stopped", [False, True])
def test_a_resumed_run_bears_no_more_troubles_than_an_undisturbed_one(is_stopped, method, batches, tmp_path):
    guards, seen = Guards(non_finite="skip", tries=2), spoiled(method, BAD)
    if is_stopped:
        with pytest.raises(Interrupted):
            guarded(method, batches, tmp_path, guards, progress=until_five)
    with pytest.raises(DataError, match=r"the loss at step 6 is not finite.*There were 2 such steps within 50 before"):
        guarded(method, batches, tmp_path, guards)
    assert seen == list(range(7))


def test_a_checkpoint_that_says_nothing_of_troubles_is_gone_on_from(method, batches, tmp_path):
    guards, checkpoints = Guards(non_finite="skip", tries=2), Checkpoints(tmp_path)
    spoiled(method, BAD)
    with pytest.raises(Interrupted):
        guarded(method, batches, tmp_path, guards, progress=until_five)
    older = torch.load(checkpoints.newest(print).path, weights_only=True)
    del older["callbacks"]["Guarding"]["tries"]
    torch.save(older, checkpoints.aside)
    checkpoints.keep(5)
    resumed = guarded(method, batches, tmp_path, guards)
    assert (resumed.resumed_at, resumed.guards) == (5, {"non_finite": 3})
