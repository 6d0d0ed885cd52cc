"""What a resume brings back beside weights: draws of every kind, queues, and the place in the data."""

import copy
import random

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from components.contracts.batch import Batch
from components.contracts.errors import Interrupted
from components.contracts.method import Clock, Losses
from components.methods.clip import Clip
from components.training.checkpoints import Checkpoints
from components.training.method_module import MethodModule
from tests.components.training.test_train import SCALE, run, weights

CUT = 7


class Queued(Clip):
    """CLIP whose batch is contrasted with the last 24 pictures and texts too, as MoCo's queues do."""

    def __init__(self, clip: Clip) -> None:
        super().__init__(clip.model, clip.objective)
        draw = torch.Generator().manual_seed(1)
        for name in ("pictures", "texts"):
            self.register_buffer(name, normalize(torch.randn(24, 16, generator=draw)))

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        image, text = (
            self.model.encode_image(batch.images["main"]).pooled, self.model.encode_text(batch.texts["caption"]).pooled,
        )  # fmt: skip
        self.fresh = {"pictures": image.detach(), "texts": text.detach()}
        queues = {"more_images": self.pictures.clone(), "more_texts": self.texts.clone()}
        return Losses(terms={"contrast": self.objective(image, text, self.model.logit_scale(), **queues)})

    def after_step(self, clock: Clock) -> None:
        super().after_step(clock)
        for name, rows in self.fresh.items():
            queue = getattr(self, name)
            queue.copy_(torch.cat([normalize(rows), queue])[:24])


class Drawing(Clip):
    """CLIP with noise on its loss from everything that draws."""

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        given = super().losses(batch, clock)
        drawn = random.random() + float(np.random.rand()) + torch.rand(())
        return Losses(terms={name: term * (1 + 0.1 * drawn) for name, term in given.terms.items()})


@pytest.mark.parametrize("kind", ["queued", "drawing"])
def test_queues_and_draws_come_back(kind, method, batches, tmp_path):
    make = Queued if kind == "queued" else lambda clip: Drawing(clip.model, clip.objective)
    whole, started, again = (make(copy.deepcopy(method)) for _ in range(3))
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    undisturbed = run(whole, batches, tmp_path / "whole")
    with pytest.raises(Interrupted):
        run(started, batches, tmp_path / "cut", stop_at=CUT)
    random.random(), np.random.rand(), torch.rand(())  # another process stands elsewhere
    resumed = run(again, batches, tmp_path / "cut")
    assert resumed.resumed_at == CUT
    assert resumed.curves == undisturbed.curves
    assert torch.equal(weights(again), weights(whole)), "queues are among them"


def test_a_queue_lies_in_the_checkpoint_as_it_was(method, batches, tmp_path):
    queued = Queued(method)
    with pytest.raises(Interrupted):
        run(queued, batches, tmp_path, stop_at=CUT)
    kept = torch.load(Checkpoints(tmp_path).newest(print).path, weights_only=True)["state_dict"]
    assert torch.equal(kept["method.pictures"], queued.pictures)


def seen_by(method: Clip) -> list[tuple[int, tuple[str, ...]]]:
    """Keep the samples of every step that a method is asked for."""
    losses, seen = method.losses, []

    def watched(batch: Batch, clock: Clock) -> Losses:
        seen.append((clock.step, batch.keys))
        return losses(batch, clock)

    method.losses = watched
    return seen


def test_each_sample_comes_once_whatever_reads_the_number_of_steps(method, batches, tmp_path, monkeypatch):
    """Lightning forgets the loader's place where its `estimated_stepping_batches` is read: ours is the step's."""
    configure = MethodModule.configure_optimizers

    def reading(module: MethodModule):
        assert module.trainer.estimated_stepping_batches == SCALE.steps
        return configure(module)

    whole, again = copy.deepcopy(method), copy.deepcopy(method)
    undisturbed = seen_by(whole)
    (tmp_path / "whole").mkdir()
    run(whole, batches, tmp_path / "whole")
    monkeypatch.setattr(MethodModule, "configure_optimizers", reading)
    before, after = seen_by(method), seen_by(again)
    with pytest.raises(Interrupted):
        run(method, batches, tmp_path, stop_at=CUT)
    run(again, batches, tmp_path)
    assert before + after == undisturbed
    assert [step for step, _ in undisturbed] == list(range(SCALE.steps))
