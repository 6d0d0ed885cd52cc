"""Tune a trained model: freeze, train on by the one loop, merge, and choose how far to go."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from components.contracts.method import Method
from components.contracts.progress import Progress
from components.data.batches import StepBatches
from components.finetuning.best import Best
from components.finetuning.ensemble import Ensembled, ensemble
from components.finetuning.strategy import Strategy
from components.models.grown import shrink
from components.training.callbacks import Watch
from components.training.numbers import ON_GUARD, Guards, Scale
from components.training.teacher import Teacher
from components.training.telling import Log
from components.training.train import Trained, train


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """What a tuning leaves beside the weights, which are in the method that was handed in.

    Args:
        trained: what the loop says.
        ensembled: which alphas were tried, and which one was taken.
        steps: that were taken.
        trained_parameters: numbers that tuning could change.
        frozen_digest: sha256 over all tensors that it could not, the same before and after.
    """

    trained: Trained
    ensembled: Ensembled
    steps: int
    trained_parameters: int
    frozen_digest: str

    def as_json(self) -> dict[str, Any]:
        """Return what metrics.json says of it; alphas with what the validation split says of each, in order."""
        tried = [{"alpha": alpha, **seen} for alpha, seen in sorted(self.ensembled.tried.items())]
        trained = self.trained
        return {
            "steps": self.steps, "alpha": self.ensembled.alpha, "alphas": list(self.ensembled.grid), "tried": tried,
            "trained_parameters": self.trained_parameters, "frozen_digest": self.frozen_digest,
            "precision": trained.precision, "accelerator": trained.accelerator, "guards": trained.guards,
            "timing": trained.timing(),
        }  # fmt: skip


def tune(
    method: Method, strategy: Strategy, batches: StepBatches, scale: Scale, *, seed: int, folder: Path, progress: Progress,
    log: Log, watch: Watch, guards: Guards = ON_GUARD, best: Path | None = None,
) -> Tuned:  # fmt: skip
    """Tune the method's model in place; arguments as of `train`, the scale being that of pre-training.

    `best` is a folder for the weights of the look that was best, which are then taken in place of those of the last step.

    Exact over a resume: the loop goes on from its checkpoint, and alphas are tried again.
    Raises ConfigError when something that was to stay has changed, and CapabilityError, before any step, for a method whose teacher
    follows the model and a strategy that puts weights into it.
    """
    model, part = method.model, tuned_scale(scale, strategy.share)
    pretrained = {name: value.detach().clone() for name, value in model.state_dict().items()}
    freeze = strategy.prepare(model)
    for teacher in method.modules():
        if isinstance(teacher, Teacher) and teacher.kind == "ema":
            teacher.check(model)
    freeze.apply()
    looking = Best(best, watch) if best else None
    with freeze.held():
        trained = train(
            method,
            batches,
            strategy.optimisation,
            part,
            seed=seed,
            folder=folder,
            progress=progress,
            log=log,
            watch=looking or watch,
            guards=guards,
        )
    learnt = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    digest = freeze.digest()
    if looking:
        looking.take(model)
    strategy.merge(model)
    ensembled = ensemble(model, pretrained, strategy.alphas, watch, progress)
    if not ensembled.alpha:
        shrink(model, pretrained)
    return Tuned(
        trained=trained, ensembled=ensembled, steps=part.steps, trained_parameters=learnt, frozen_digest=digest
    )


def tuned_scale(scale: Scale, share: float) -> Scale:
    """Return the scale with its steps, and the steps between two looks, cut to a share; one each at least."""
    return replace(
        scale, steps=max(1, round(scale.steps * share)), watch_every=max(1, round(scale.watch_every * share))
    )
