"""Two real ranks, started by torchrun: each takes its part, and together they do what one process does."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
import torch

from components.contracts.errors import ConfigError
from components.data.share import Share
from components.training.device import ranks
from components.training.framework import L
from components.training.numbers import Guards
from components.training.per_rank import PerRank
from tests.components.training.ranks import (
    CUT,
    POISONED,
    SCALE,
    SILENT_S,
    Told,
    pairwise,
    queued,
    rowed,
    run,
    twice_poisoned,
)
from tests.over_ranks import torchrun

RANKS = Path(__file__).with_name("ranks.py")
WORLD = 2


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> Told:
    """The same training by one process."""
    return run(pairwise, tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where two ranks have trained, on the CPU and over the loopback."""
    folder = tmp_path_factory.mktemp("ranks")
    run(pairwise, folder / "from-one", stop_at=CUT)
    run(rowed, folder / "rowed-from-one", stop_at=CUT)
    torchrun(RANKS, folder, WORLD)
    return folder


@pytest.fixture(scope="module")
def told(folder) -> list[dict[str, Told]]:
    """What each rank says."""
    files = [json.loads((folder / f"{rank}.json").read_text()) for rank in range(WORLD)]
    for said in (one for file in files for one in file.values()):
        said["keys"] = {int(step): tuple(keys) for step, keys in said["keys"].items()}
    return [{name: Told(**said) for name, said in file.items()} for file in files]


def together(told: list[dict[str, Told]], name: str) -> dict[int, tuple[str, ...]]:
    """Return the keys of each step, the ranks' parts one after the other."""
    parts = [rank[name].keys for rank in told]
    assert parts[0].keys() == parts[1].keys()
    return {step: sum((part[step] for part in parts), ()) for step in parts[0]}


@pytest.mark.parametrize("name", ["whole", "clip"])
def test_each_rank_takes_its_part_and_the_parts_are_the_batch(name, told, one):
    assert together(told, name) == one.keys
    assert {len(keys) for rank in told for keys in rank[name].keys.values()} == {SCALE.batch // WORLD}


@pytest.mark.parametrize("name", ["whole", "clip", "from-one", "encoded-in-parts", "poisoned"])
def test_the_ranks_end_with_the_same_weights_and_curves(name, told):
    assert told[0][name].digest == told[1][name].digest
    assert told[0][name].curves == told[1][name].curves


def test_together_they_come_to_what_one_process_comes_to(told, one):
    """Sums over half a batch are rounded elsewhere, no more."""
    ours, theirs = (torch.tensor(side.weights) for side in (told[0]["whole"], one))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    losses = [[float(line.split(",")[1]) for line in side.curves.splitlines()[1:]] for side in (told[0]["whole"], one)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_two_ranks_go_on_where_one_process_was_cut_off(told, one):
    assert together(told, "from-one") == {step: one.keys[step] for step in range(CUT, SCALE.steps)}
    torch.testing.assert_close(
        torch.tensor(told[0]["from-one"].weights), torch.tensor(one.weights), rtol=1e-4, atol=1e-6
    )


def test_one_process_goes_on_where_one_of_two_ranks_was_stopped(folder, told, one):
    """The other one stops at the same step, and each step is taken once, by one world or the other."""
    assert together(told, "cut") == {step: one.keys[step] for step in range(CUT)}
    resumed = run(pairwise, folder / "cut")
    assert resumed.keys == {step: one.keys[step] for step in range(CUT, SCALE.steps)}
    torch.testing.assert_close(torch.tensor(resumed.weights), torch.tensor(one.weights), rtol=1e-4, atol=1e-6)
    seen = [key for step in range(6) for key in together(told, "cut")[step]]
    assert len(set(seen)) == len(seen) == 48, "of 50 squares, six batches of 8 show 48, none twice"


def test_what_ranks_encode_in_parts_comes_to_what_they_encode_whole(told):
    ours, whole = (torch.tensor(told[0][name].weights) for name in ("encoded-in-parts", "encoded-whole"))
    torch.testing.assert_close(ours, whole, rtol=1e-3, atol=1e-5)


def test_all_ranks_skip_a_step_in_which_the_loss_of_one_is_no_number(told):
    for rank in told:
        header, *rows = rank["poisoned"].curves.splitlines()
        at = header.split(",").index("guard.non_finite")
        assert [row.split(",")[0] for row in rows if row.split(",")[at]] == ["5"]
        assert all(torch.isfinite(torch.tensor(rank["poisoned"].weights)))


def test_ranks_go_back_to_one_checkpoint_and_past_it_where_it_led_there(told, tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(L.pytorch.utilities.rank_zero_only, "rank", 1)  # as if something else had left RANK behind
    alone = run(twice_poisoned, tmp_path / "alone", guards=Guards(non_finite="roll_back"))
    for rank in told:
        header, *rows = rank["gone-back"].curves.splitlines()
        at = header.split(",").index("guard.left_out")
        assert [row.split(",")[0] for row in rows if row.split(",")[at]] == [str(step + 1) for step in POISONED]
    assert told[0]["gone-back"].digest == told[1]["gone-back"].digest
    assert together(told, "gone-back") == alone.keys
    torch.testing.assert_close(
        torch.tensor(told[0]["gone-back"].weights), torch.tensor(alone.weights), rtol=1e-4, atol=1e-6
    )


def test_embeddings_have_collapsed_for_all_ranks_where_those_of_each_that_has_any_have(told):
    """And those of one that are well between have it begin anew."""
    for rank in told:
        header, *rows = rank["collapsing"].curves.splitlines()
        at = header.split(",").index("guard.collapsed")
        assert [row.split(",")[0] for row in rows if row.split(",")[at]] == ["2", "7"]
    assert told[0]["collapsing"].curves == told[1]["collapsing"].curves


def test_what_each_rank_keeps_for_itself_comes_back_by_rank(told):
    assert told[0]["queued"].own != told[1]["queued"].own
    for rank in told:
        assert min(rank["queued-resumed"].keys) == CUT
        assert rank["queued-resumed"].own == rank["queued"].own
        assert rank["queued-resumed"].digest == rank["queued"].digest


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> Told:
    """Rows that one process has learnt."""
    return run(rowed, tmp_path_factory.mktemp("rows"))


def spread(parts: list[list[float]]) -> torch.Tensor:
    """Return rows, and after them their moments, of ranks that have six and five of eleven."""
    split = [torch.tensor(part).view(2, -1, 8) for part in parts]
    assert [len(one[0]) for one in split] == [6, 5]
    return torch.cat(split, 1).flatten()


@pytest.mark.parametrize("name", ["rowed", "rowed-from-one"])
def test_rows_that_ranks_have_parts_of_come_to_what_one_process_has_also_where_that_began(name, told, rows):
    torch.testing.assert_close(torch.tensor(told[0][name].weights), torch.tensor(rows.weights), rtol=1e-4, atol=1e-6)
    ours = spread([rank[name].own for rank in told])
    torch.testing.assert_close(ours, torch.tensor(rows.own), rtol=1e-4, atol=1e-5)


def test_one_process_goes_on_with_rows_that_two_ranks_had_parts_of(folder, told, rows):
    assert max(told[0]["rowed-cut"].keys) == CUT - 1
    kept = torch.load(next((folder / "rowed-cut").glob(f"step-{CUT:09d}-*")), weights_only=True)
    assert kept["callbacks"]["SpreadRows"]["rows"]["rows"].shape == (11, 8)
    assert not [name for name in kept["state_dict"] if "rows" in name]
    resumed = run(rowed, folder / "rowed-cut")
    torch.testing.assert_close(torch.tensor(resumed.weights), torch.tensor(rows.weights), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(torch.tensor(resumed.own), torch.tensor(rows.own), rtol=1e-4, atol=1e-5)


def test_with_another_number_of_ranks_it_says_what_becomes_of_it(folder, told, capsys):
    kept = torch.load(next((folder / "queued-cut-by-two").glob(f"step-{CUT:09d}-*")), weights_only=True)
    queues = kept["callbacks"]["PerRank"]["queue"]
    assert queues.shape == (WORLD, 3, 4)
    resumed = run(queued, folder / "queued-cut-by-two")
    said = "the checkpoint is of 2 ranks and goes on with 1: of what each keeps for itself (queue, seen), those of ranks 1 to 1 are left out"
    assert said in capsys.readouterr().out
    steps = SCALE.steps - CUT
    assert steps < 3
    assert resumed.own[: 4 * (3 - steps)] == queues[0, steps:].flatten().tolist(), "the rest of rank 0's queue"


def test_a_name_that_is_no_buffer_is_refused(vocabulary):
    method = queued(vocabulary)
    method.per_rank = ("quue",)
    with pytest.raises(ConfigError, match=r"Queued\.per_rank has 'quue', which is no buffer of it.*It has queue, seen"):
        PerRank(method)


def test_the_others_say_that_a_rank_is_gone(told):
    assert told[0]["dying"].error.startswith("a rank does not answer (")
    assert "Run again, and training goes on from its last checkpoint" in told[0]["dying"].error


def test_of_a_rank_that_is_silent_the_others_say_so_and_the_next_run_goes_on(tmp_path, one):
    torchrun(RANKS, tmp_path, WORLD, "silent")
    said = json.loads((tmp_path / "0.json").read_text())["freezing"]["error"]
    assert said.startswith("a rank does not answer ("), said
    assert f"or was silent for {SILENT_S:g} s" in said
    resumed = run(pairwise, tmp_path / "freezing")
    assert resumed.keys == {step: one.keys[step] for step in range(SCALE.checkpoint_every, SCALE.steps)}
    torch.testing.assert_close(torch.tensor(resumed.weights), torch.tensor(one.weights), rtol=1e-4, atol=1e-6)


def test_a_world_that_torchrun_did_not_start_is_one_process(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    assert ranks(5.0) == {"devices": 1}


def test_machines_and_their_ranks_are_those_of_torchrun(monkeypatch):
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    made = ranks(5.0)
    assert (made["devices"], made["num_nodes"], made["strategy"]._timeout) == (4, 2, timedelta(seconds=5))


def test_a_batch_that_does_not_split_is_refused(batches):
    with pytest.raises(ConfigError, match="batch 8 does not split over 3 ranks"):
        batches.made_for(Share(rank=0, world=3), late=False)
