"""Our side of the training benchmark: `python -m tests.benchmarks.our_train FOLDER fp32|bf16 cut|padded`.

The weights are open_clip's, imported; the batches lie in memory, their captions cut to the longest of the batch, as ours always are, or
padded to the context, as open_clip's are. Prints one line of JSON as its peer does.
"""

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.utils.data import Dataset

from components.contracts.batch import Batch, Images, Texts
from components.contracts.progress import silent
from components.contracts.text_pick import CAPTION
from components.methods.clip import Clip
from components.models.dual_encoder import DualEncoder
from components.models.interop import open_clip
from components.objectives.softmax import SoftmaxLoss
from components.recipes.section import build
from components.training.numbers import Optimisation, Scale
from components.training.train import train
from tests.benchmarks.peers.spent import cpu_s
from tests.benchmarks.peers.step_data import CONFIG, MEAN, OPTIMISATION, STD, read


class InMemory(Dataset[Batch]):
    """What our loop takes for the batches of a training."""

    def __init__(self, pixels: Tensor, ids: Tensor, *, cut: bool) -> None:
        self.pixels, self.ids, self.cut = pixels, ids, cut
        self.order = SimpleNamespace(batch=ids.shape[1], steps_per_epoch=len(ids))
        self.captions = {CAPTION: SimpleNamespace(tokens=ids.flatten(), begin=torch.tensor([0, ids.shape[2]]))}

    def made_for(self, share: object, *, late: bool) -> "InMemory":
        """One rank, on a CPU."""
        return self

    def __getitem__(self, step: int) -> Batch:
        ids = self.ids[step]
        if self.cut:
            ids = ids[:, : int((ids != 0).sum(1).max())]
        return Batch(
            keys=tuple(f"{step}-{row}" for row in range(len(ids))), images={"main": Images(pixels=self.pixels[step])},
            texts={"caption": Texts(ids=ids, mask=ids != 0)},
        )  # fmt: skip


def model_of(folder: Path) -> DualEncoder:
    """Return open_clip's model as ours."""
    theirs = load_file(folder / "weights.safetensors")
    said = {"model_cfg": CONFIG, "preprocess_cfg": {"mean": MEAN, "std": STD}}
    model = build(open_clip.described(said, theirs), DualEncoder)
    model.load_state_dict(open_clip.take(model, theirs))
    return model


def main() -> None:
    """Train and print."""
    torch.set_num_threads(1)
    folder, precision, cut = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "cut"
    batches: Any = InMemory(*read(folder), cut=cut)
    steps, numbers = batches.order.steps_per_epoch, dict(OPTIMISATION)
    warmup = numbers.pop("warmup_steps") / steps
    scale = Scale(
        batch=batches.order.batch, steps=steps, pixels=batches.pixels.shape[-1], precision=precision,  # type: ignore[arg-type]
        watch_every=steps, checkpoint_every=steps, curve_every=1,
    )  # fmt: skip
    marks: dict[int, tuple[float, float]] = {}
    losses: dict[int, float] = {}

    def log(step: int, values: Mapping[str, float]) -> None:
        if "train.loss" in values:
            marks[step], losses[step] = (cpu_s(), time.perf_counter()), values["train.loss"]

    with tempfile.TemporaryDirectory() as work:
        train(
            Clip(model_of(folder), SoftmaxLoss()), batches, Optimisation(warmup=warmup + 1e-9, **numbers), scale,
            seed=0, folder=Path(work), progress=silent, log=log, watch=lambda model: {},
        )  # fmt: skip
    took = [ended - began for began, ended in zip(marks[1], marks[steps], strict=True)]
    print(json.dumps({
        "losses": [loss for _, loss in sorted(losses.items())], "cpu_s": took[0], "wall_s": took[1],
        "versions": {"torch": version("torch")},
    }))  # fmt: skip


if __name__ == "__main__":
    main()
