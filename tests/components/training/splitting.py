"""Trainings whose towers are split over the ranks that torchrun starts: `torchrun ... splitting.py FOLDER`, one file of JSON a rank.

FOLDER/from-one has the checkpoint of a training by one process that was cut off.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

from components.contracts.batch import Batch
from components.contracts.method import Clock, Losses
from components.data.tokenizers import Vocabulary
from components.methods.clip import Clip
from tests.components.training.compiling import vit
from tests.components.training.ranks import NUMBERS, SCALE, run, write
from tests.over_ranks import say_where_it_hangs

CUT = 7
SPLIT = replace(SCALE, shard=True)
AVERAGED = replace(NUMBERS, ema=0.9)
MUON = replace(NUMBERS, optimizer="muon", lr=1e-3)
PARTS = replace(SPLIT, micro_batch=2, recompute=True)
TRACED = replace(SPLIT, compile="aot_eager")
UNFIT = {f"square-{number:02d}": ("a green circle", "nothing of it", "hearts") for number in range(0, 50, 7)}
"""Three texts that do not fit, of every seventh picture: ranks have other numbers of them in a step, and often one has none."""


def poisoned(vocabulary: Vocabulary) -> Clip:
    """The gradient of one rank is no number, once."""
    method = vit(vocabulary)
    losses = method.losses

    def once(batch: Batch, clock: Clock) -> Losses:
        given = losses(batch, clock)
        if clock.step == 4 and os.environ["RANK"] == "1":
            next(iter(given.terms.values())).register_hook(lambda gradient: gradient * float("nan"))
        return given

    method.losses = once
    return method


def main() -> None:
    """Train whole, on from where one process was cut off, by other numbers, and until one rank is stopped."""
    say_where_it_hangs()
    folder, stop_at = Path(sys.argv[1]), CUT if os.environ["RANK"] == "1" else None
    told = {
        "whole": run(vit, folder / "whole", scale=SPLIT),
        "from-one": run(vit, folder / "from-one", scale=SPLIT, numbers=AVERAGED),
        "cut": run(vit, folder / "cut", stop_at=stop_at, scale=SPLIT, numbers=AVERAGED),
        "muon": run(vit, folder / "muon", scale=SPLIT, numbers=MUON),
        "in-parts": run(vit, folder / "in-parts", scale=PARTS),
        "compiled": run(vit, folder / "compiled", scale=TRACED),
        "poisoned": run(poisoned, folder / "poisoned", scale=SPLIT),
        "unfit": run(vit, folder / "unfit", scale=SPLIT, negatives=UNFIT),
        "unfit-in-parts": run(vit, folder / "unfit-in-parts", scale=PARTS, negatives=UNFIT),
    }
    write(folder, told)


if __name__ == "__main__":
    main()
