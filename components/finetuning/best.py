"""Early stopping: of a tuning are taken the weights of the look at which the validation split said most, not those of its last step.

Source: Prechelt 1998, "Early Stopping – But When?", section 1 (the weights with the lowest validation error are the result). Differs: all steps are taken, since the
rate of a schedule comes down at its end, and a tuning that is better late is common there.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import nn

from components.finetuning.ensemble import score
from components.training.callbacks import Watch

WEIGHTS, SCORE = "best.safetensors", "best.json"


class Best:
    """A watch that keeps the best weights it was shown.

    They lie in a folder, so that a training that was stopped goes on with them; one that goes on from before the best look comes there again.

    Args:
        folder: where.
        watch: scores the model; the mean of its numbers decides, higher is better, of equals the first.
    """

    def __init__(self, folder: Path, watch: Watch) -> None:
        self.folder, self.watch = folder, watch

    def __call__(self, model: nn.Module) -> Mapping[str, float]:
        """Return what the watch says, and keep the weights where it says more than ever."""
        seen = self.watch(model)
        if (now := score(seen)) > self.score:
            half = self.folder / f".{WEIGHTS}"
            save_file({name: value.detach().clone().contiguous() for name, value in model.state_dict().items()}, half)
            half.replace(
                self.folder / WEIGHTS
            )  # before the score: without it, the next look would be taken for the best
            (self.folder / SCORE).write_text(json.dumps({"score": now}), encoding="utf-8")
        return seen

    @property
    def score(self) -> float:
        """The highest so far, below all before the first look."""
        path = self.folder / SCORE
        return float(json.loads(path.read_text(encoding="utf-8"))["score"]) if path.exists() else float("-inf")

    def take(self, model: nn.Module) -> None:
        """Put the best weights into a model that has their names and shapes; there must have been a look."""
        model.load_state_dict(load_file(self.folder / WEIGHTS))
