"""Towers that two real ranks split come to what one process comes to, and either goes on from the other's checkpoint."""

import copy
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from components.contracts.batch import Images
from components.contracts.errors import CapabilityError
from components.models.towers.locked import LockedTower
from components.training.sharding import Sharding
from tests.components.training.compiling import vit
from tests.components.training.ranks import SCALE, Told, run
from tests.components.training.splitting import AVERAGED, CUT, MUON, UNFIT
from tests.over_ranks import torchrun

WORLD = 2


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> dict[str, Told]:
    """The same trainings by one process, which splits nothing."""
    folder = tmp_path_factory.mktemp("one")
    return {
        "whole": run(vit, folder / "whole"), "averaged": run(vit, folder / "averaged", numbers=AVERAGED),
        "muon": run(vit, folder / "muon", numbers=MUON), "unfit": run(vit, folder / "unfit", negatives=UNFIT),
    }  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where two ranks have trained, on the CPU and over the loopback."""
    folder = tmp_path_factory.mktemp("splitting")
    run(vit, folder / "from-one", stop_at=CUT, numbers=AVERAGED)
    torchrun(Path(__file__).with_name("splitting.py"), folder, WORLD)
    return folder


@pytest.fixture(scope="module")
def told(folder) -> list[dict[str, Told]]:
    """What each rank says."""
    files = [json.loads((folder / f"{rank}.json").read_text()) for rank in range(WORLD)]
    return [{name: Told(**said) for name, said in file.items()} for file in files]


def equal(ours: Told, theirs: Told, atol: float = 1e-5) -> None:
    """Sums over half a batch are rounded elsewhere, no more."""
    torch.testing.assert_close(torch.tensor(ours.weights), torch.tensor(theirs.weights), rtol=1e-3, atol=atol)
    losses = [[float(line.split(",")[1]) for line in side.curves.splitlines()[1:]] for side in (ours, theirs)]
    assert losses[0] == pytest.approx(losses[1], rel=10 * atol)


@pytest.mark.parametrize(
    "name", ["whole", "muon", "from-one", "in-parts", "compiled", "poisoned", "unfit", "unfit-in-parts"]
)
def test_the_ranks_end_with_the_same_whole_weights_and_curves(name, told):
    assert told[0][name].digest == told[1][name].digest
    assert told[0][name].curves == told[1][name].curves


@pytest.mark.parametrize(
    ("name", "peer"),
    [("whole", "whole"), ("in-parts", "whole"), ("compiled", "whole"), ("unfit", "unfit"), ("unfit-in-parts", "unfit")],
)
def test_together_they_come_to_what_one_process_comes_to(name, peer, told, one):
    equal(told[0][name], one[peer])


def test_muon_sees_whole_matrices(told, one):
    """It makes them orthogonal in bf16, and sums over parts are rounded to its 8 bits; of half a matrix it would make another."""
    equal(told[0]["muon"], one["muon"], atol=3e-4)


def test_split_ranks_go_on_where_one_process_was_cut_off(told, one):
    """Weights, moments and the running mean lie whole in a checkpoint."""
    assert [int(step) for step in told[0]["from-one"].keys] == list(range(CUT, SCALE.steps))
    equal(told[0]["from-one"], one["averaged"])


def test_one_process_goes_on_where_split_ranks_were_stopped(folder, told, one):
    kept = torch.load(next((folder / "cut").glob(f"step-{CUT:09d}-*")), weights_only=True)
    assert {type(value) for value in kept["state_dict"].values()} == {torch.Tensor}
    resumed = run(vit, folder / "cut", numbers=AVERAGED)
    assert list(resumed.keys) == list(range(CUT, SCALE.steps))
    equal(resumed, one["averaged"])


def test_all_ranks_skip_a_step_in_which_the_gradient_of_one_is_no_number(told):
    for rank in told:
        header, *rows = rank["poisoned"].curves.splitlines()
        at = header.split(",").index("guard.non_finite")
        assert [row.split(",")[0] for row in rows if row.split(",")[at]] == ["5"]
        assert all(torch.isfinite(torch.tensor(rank["poisoned"].weights)))


def test_each_rank_keeps_a_part_and_the_parameters_are_the_same_objects_afterwards(vocabulary, alone):
    """Also for a tower that is split a second time, as after a roll-back."""
    method = vit(vocabulary)
    before, values, classes = (
        list(method.parameters()),
        copy.deepcopy(method.state_dict()),
        list(map(type, method.modules())),
    )
    for _ in range(2):
        sharding = Sharding(method)
        sharding.split(alone)
        names = [name for name, weight in method.named_parameters() if type(weight) is not nn.Parameter]
        assert names == [name for name in values if name.startswith(("model.image.", "model.text."))]
        assert sum(weight.numel() for weight in before) == sum(
            weight.numel() for name, weight in values.items() if name not in names
        ), "the plain ones hold nothing meanwhile"
        sharding.whole()
        assert all(ours is theirs for ours, theirs in zip(method.parameters(), before, strict=True))
        assert all(torch.equal(value, values[name]) for name, value in method.state_dict().items())
        assert list(map(type, method.modules())) == classes
        assert not any(part._forward_hooks or part._forward_pre_hooks for part in method.modules())


def test_a_tower_within_a_tower_is_split_before_the_one_around_it(vocabulary, alone):
    method = vit(vocabulary)
    method.model.image = LockedTower(method.model.image, locked=False)
    values, images = copy.deepcopy(method.state_dict()), Images(pixels=torch.randn(2, 3, 24, 24))
    with torch.no_grad():
        before = method.model.image(images).features
        sharding = Sharding(method)
        sharding.split(alone)
        torch.testing.assert_close(method.model.image(images).features, before)
    sharding.whole()
    assert all(torch.equal(value, values[name]) for name, value in method.state_dict().items())


def test_a_batch_norm_is_refused_by_name(method):
    with pytest.raises(CapabilityError, match=r"shard is set, but model\.image\.net\.\S+ is a BatchNorm"):
        Sharding(method)


def test_a_method_without_towers_is_refused():
    with pytest.raises(CapabilityError, match="this Linear has no tower, so nothing would be split"):
        Sharding(nn.Linear(2, 2))


@pytest.fixture
def alone(tmp_path):
    """A world of one rank, in this process."""
    from torch import distributed as dist
    from torch.distributed.device_mesh import init_device_mesh

    dist.init_process_group("gloo", store=dist.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    dist.destroy_process_group()
