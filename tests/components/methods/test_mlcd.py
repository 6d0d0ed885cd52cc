"""MLCD: which side learns what, rows that come back over a resume, and two known steps (seed 49).

Axes: B pictures, l clusters of each, K rows.
"""

import copy
import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from components.contracts.batch import Images
from components.contracts.errors import ConfigError, Interrupted
from components.contracts.method import Clock
from components.finetuning.locked import LockedImage
from components.finetuning.whole import Whole
from components.methods.mlcd import Mlcd
from components.objectives.multilabel_disjoint import MultiLabelDisjointLoss
from components.objectives.softmax import SoftmaxLoss
from components.training.checkpoints import Checkpoints
from components.training.grad_cache import GradCache
from tests.components.training.flat import flat_clip
from tests.components.training.test_train import run
from tests.golden.make_clip_debug import batches_at_debug, first_losses
from tests.squares import method_at_debug

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "mlcd_debug.json").read_text())
START = Clock(step=0, total_steps=8, epoch=0)


@pytest.fixture(scope="module")
def made(vocabulary) -> Mlcd:
    method = method_at_debug(vocabulary, "mlcd")
    assert isinstance(method, Mlcd)
    return method


@pytest.fixture
def mlcd(made) -> Mlcd:
    return copy.deepcopy(made)


@pytest.fixture(scope="module")
def batches(vocabulary):
    return batches_at_debug(vocabulary, "mlcd")


def terms(method: Mlcd, batch) -> dict[str, torch.Tensor]:
    torch.manual_seed(3)  # as the loop does before each step
    return dict(method.losses(batch, START).terms)


def test_the_first_steps_are_known(mlcd, vocabulary):
    assert first_losses(mlcd, vocabulary, name="mlcd") == pytest.approx(GOLDEN["losses"], rel=2e-4)


def test_before_any_text_the_picture_side_learns_alone(mlcd, batches):
    found = terms(mlcd, batches[0])
    assert set(found) == {"clusters"}
    sum(found.values()).backward()
    learning = {name.split(".")[1] for name, weight in mlcd.named_parameters() if weight.grad is not None}
    assert learning == {"image", "image_projection"}
    assert not any(weight.requires_grad for weight in mlcd.model.text.parameters())


def test_it_is_the_loss_of_all_rows_where_all_are_looked_at(mlcd, batches):
    mlcd.rows.ratio = 1.0
    mlcd.eval()
    image = mlcd.model.encode_image(batches[0].images["main"]).pooled
    cosines = torch.nn.functional.normalize(image, dim=1) @ torch.nn.functional.normalize(mlcd.rows.rows, dim=1).T
    positive = torch.zeros(cosines.shape, dtype=torch.bool).scatter(1, batches[0].ids["clusters"], True)
    expected = MultiLabelDisjointLoss()(64 * cosines, positive)
    torch.testing.assert_close(terms(mlcd, batches[0])["clusters"], expected, rtol=1e-5, atol=1e-6)


def test_with_the_pictures_locked_it_is_the_contrast_of_clip(mlcd, batches):
    LockedImage().prepare(mlcd.model).apply()
    mlcd.eval()
    batch = batches[0]
    found = terms(mlcd, batch)
    assert set(found) == {"contrast"}
    image, text = mlcd.model.encode_image(batch.images["main"]), mlcd.model.encode_text(batch.texts["caption"])
    torch.testing.assert_close(found["contrast"], SoftmaxLoss()(image.pooled, text.pooled, mlcd.model.logit_scale()))
    before = mlcd.rows.rows.clone()
    found["contrast"].backward()
    mlcd.after_step(Clock(step=1, total_steps=8, epoch=0))
    assert torch.equal(mlcd.rows.rows, before)


def test_with_nothing_locked_it_is_both(mlcd, batches):
    Whole().prepare(mlcd.model).apply()
    assert set(terms(mlcd, batches[0])) == {"clusters", "contrast"}


@pytest.mark.parametrize("locked", [False, True])
def test_what_is_encoded_in_parts_has_the_gradients_of_the_whole(locked, vocabulary):
    batch = batches_at_debug(vocabulary, "mlcd")[0]
    pictures = Images(pixels=batch.images["main"].pixels[..., :24, :24])
    found = []
    for parts in (0, 3):
        torch.manual_seed(0)
        method = Mlcd(flat_clip(vocabulary).model, clusters=12)
        if locked:
            LockedImage().prepare(method.model).apply()
        cache = GradCache(method.model, parts) if parts else None
        with cache.caching() if cache else nullcontext():
            sum(terms(method, replace(batch, images={"main": pictures})).values()).backward()
        if cache:
            cache.replay()
        learnt = {name: weight.grad for name, weight in method.named_parameters() if weight.grad is not None}
        found.append(learnt | {"rows": method.rows.gradient()})
    assert found[0].keys() == found[1].keys()
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, rtol=1e-4, atol=5e-6)


def test_fewer_labels_are_the_nearest(mlcd, batches):
    one = copy.deepcopy(mlcd)
    one.labels = 1
    cut = replace(batches[0], ids={**batches[0].ids, "clusters": batches[0].ids["clusters"][:, :1]})
    assert torch.equal(terms(one, batches[0])["clusters"], terms(mlcd, cut)["clusters"])
    assert not torch.equal(terms(one, batches[0])["clusters"], terms(mlcd, batches[0])["clusters"])


def test_a_run_cut_off_goes_on_with_its_rows(mlcd, batches, tmp_path):
    whole, started, again = (copy.deepcopy(mlcd) for _ in range(3))
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    undisturbed = run(whole, batches, tmp_path / "whole")
    with pytest.raises(Interrupted):
        run(started, batches, tmp_path / "cut", stop_at=7)
    kept = torch.load(Checkpoints(tmp_path / "cut").newest(print).path, weights_only=True)
    assert torch.equal(kept["callbacks"]["SpreadRows"]["rows"]["rows"], started.rows.rows)
    resumed = run(again, batches, tmp_path / "cut")
    assert resumed.curves == undisturbed.curves
    for name in ("rows", "first", "second", "times"):
        assert torch.equal(getattr(again.rows, name), getattr(whole.rows, name))
    assert not torch.equal(whole.rows.rows, mlcd.rows.rows)


def test_batches_without_clusters_or_with_too_few_are_refused(mlcd, batches):
    with pytest.raises(ConfigError, match="batches have no clusters"):
        terms(mlcd, replace(batches[0], ids={}))
    mlcd.labels = 3
    with pytest.raises(ConfigError, match="labels is 3, but curation gave each picture 2 clusters"):
        terms(mlcd, batches[0])


@pytest.mark.parametrize("labels", [-1, 12])
def test_labels_that_are_all_clusters_are_refused(mlcd, labels):
    with pytest.raises(ConfigError, match=f"labels is {labels} of 12 clusters"):
        Mlcd(mlcd.model, clusters=12, labels=labels)
