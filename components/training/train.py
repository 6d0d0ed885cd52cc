"""Train any method for a number of steps, resuming exactly where a run that was killed had come to."""

import logging
import warnings
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from components.contracts.errors import Interrupted
from components.contracts.method import Method
from components.contracts.progress import Progress
from components.contracts.took import took
from components.data.batches import StepBatches
from components.data.loader import loader
from components.data.share import Share
from components.training.callbacks import AfterStep, Curves, Resumable, Watch, Watching
from components.training.checkpoints import Checkpoint, Checkpoints, WentBack, check_fits
from components.training.compiled import compiled
from components.training.device import accelerator, answering, is_first_rank, meet, precision, ranks
from components.training.ema import Averaged
from components.training.framework import L
from components.training.guarding import Guarding, RollBack
from components.training.guards import Tries
from components.training.method_module import MethodModule
from components.training.numbers import ON_GUARD, Guards, Optimisation, Scale
from components.training.per_rank import PerRank
from components.training.receipts import Measuring, Receipt
from components.training.recompute import recomputed
from components.training.room import room
from components.training.sharding import Sharding
from components.training.spread_rows import SpreadRows
from components.training.step_loop import StepLoop
from components.training.telling import Log, Telling
from components.training.words import check_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a training leaves beside the weights, which are in the method that was handed in.

    Args:
        curves: text of curves.csv.
        samples_per_s: of this run.
        data_wait: share of the time spent waiting for batches.
        precision: Lightning's name of the numbers used.
        accelerator: `cpu` or `gpu`.
        resumed_at: the step from which this run went on, 0 if it began, wherever it went back to later.
        guards: what went wrong -> how often, of the steps that count.
        receipt: what this run took.
    """

    curves: str
    samples_per_s: float
    data_wait: float
    precision: str
    accelerator: str
    resumed_at: int
    guards: dict[str, int]
    receipt: Receipt

    def timing(self) -> dict[str, Any]:
        """Return what metrics.json says of this run that is of no other."""
        return {
            "samples_per_s": self.samples_per_s, "data_wait": self.data_wait, "resumed_at": self.resumed_at,
            **self.receipt.as_json(),
        }  # fmt: skip


def train(
    method: Method,
    batches: StepBatches,
    optimisation: Optimisation,
    scale: Scale,
    *,
    seed: int,
    folder: Path,
    progress: Progress,
    log: Log,
    watch: Watch,
    guards: Guards = ON_GUARD,
) -> Trained:
    """Train `method` in place and return what there is to say about it.

    Under torchrun every rank calls it, takes its part of each batch, and ends with the same weights. Gradients and logged
    numbers are means over ranks; a contrast is over the rows that the method gathers.

    Args:
        folder: holds the checkpoints; with a whole one in it, training goes on from there.
        progress: is told after every step; when it raises Interrupted, that step is saved.
        log: is told the curves as they come, and at the end what it took.
        watch: scores the model on the validation split.
        guards: what is done when it goes wrong.

    Raises DataError when the loss is no number or leaps too often; GateClosed and CapabilityError as `guards` says, the latter
    for memory that runs out, too; ConfigError when the text tower does not know all tokens, the batch does not split over
    the ranks, or the checkpoint is of another model; TransientError when a rank or a process that makes batches is lost.
    """
    check_words(method, batches.captions.values())
    method.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # 7% more samples/s on a CPU
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # its tips are for people who call it by hand
    checkpoints, tries = Checkpoints(folder), Tries(guards.tries, guards.spike_window)
    back = checkpoints.went_back(say=partial(print, flush=True))
    tries.steps.update(back.tries)
    resumed_at: int | None = None
    measuring = Measuring()  # with `telling` over all times it goes back, whose steps take time as well
    telling = Telling(progress, batches.order.batch, every=scale.curve_every, log=log)
    while True:
        start = checkpoints.newest(say=partial(print, flush=True))
        resumed_at = (start.step if start else 0) if resumed_at is None else resumed_at
        curves = Curves(scale.curve_every, log)
        guarding = Guarding(
            guards, every=scale.curve_every, warmup_steps=int(optimisation.warmup * scale.steps), curves=curves, telling=telling,
            tries=tries, left_out=back.left_out,
        )  # fmt: skip
        at_start = start is None and "roll_back" in (guards.non_finite, guards.spike)
        resumable = Resumable(checkpoints, scale.checkpoint_every, telling, at_start=at_start)
        averaged = Averaged(method.model, optimisation.ema) if optimisation.ema else None
        watching = Watching(scale.watch_every, watch, curves, averaged)
        callbacks = [
            measuring, AfterStep(), guarding, PerRank(method), SpreadRows(method), *filter(None, [averaged]), curves, watching, resumable,
        ]  # fmt: skip
        try:
            fit(method, batches, optimisation, scale, guards, callbacks, start, seed)
        except RollBack as trouble:
            back = replace(back, left_out=guarding.left_out | {trouble.step}, tries=frozenset(tries.steps))
            if is_first_rank():  # others might not see the same checkpoints, or read one that it drops
                back = go_back(checkpoints, back)
            with answering(guards.rank_timeout_s):
                meet()
            continue
        if averaged:
            averaged.put()
        trained = Trained(
            curves=curves.csv(), samples_per_s=telling.samples_per_s, data_wait=telling.data_wait,
            precision=precision(scale.precision), accelerator=accelerator(), resumed_at=resumed_at,
            guards=guarding.counts(), receipt=measuring.receipt(precision(scale.precision)),
        )  # fmt: skip
        log(scale.steps, took(trained.timing()))
        return trained


def go_back(checkpoints: Checkpoints, back: WentBack) -> WentBack:
    """Choose the checkpoint to go back to, the newest or the one before it where it led here already, and leave word of it.

    Args:
        checkpoints: of which one may be dropped.
        back: `to` of the time before; the rest of now.
    """
    now = checkpoints.newest(say=partial(print, flush=True))
    if now is not None and now.path.name == back.to:
        checkpoints.drop_newest()
    back = replace(back, to=now.path.name if now else "")
    checkpoints.go_back(back)
    return back


def fit(
    method: Method, batches: StepBatches, optimisation: Optimisation, scale: Scale, guards: Guards,
    callbacks: list[L.Callback], start: Checkpoint | None, seed: int,
) -> None:  # fmt: skip
    """Train from a checkpoint, or from the beginning, to the last step."""
    module = MethodModule(
        method, optimisation, seed=seed, total_steps=scale.steps, steps_per_epoch=batches.order.steps_per_epoch,
        micro_batch=scale.micro_batch,
    )  # fmt: skip
    sharding = Sharding(method) if scale.shard else None
    trainer = L.Trainer(
        max_steps=scale.steps, max_epochs=-1, accelerator=accelerator(), precision=precision(scale.precision),
        **ranks(guards.rank_timeout_s, sharding), gradient_clip_val=optimisation.clip_norm, use_distributed_sampler=False, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, callbacks=callbacks,
    )  # fmt: skip
    trainer.fit_loop.epoch_loop = StepLoop(trainer)
    if start:
        check_fits(start.path, module)
    whole = sharding.whole if sharding else lambda: None
    share = Share(rank=trainer.global_rank, world=trainer.world_size)
    own = batches.made_for(share, late=accelerator() == "gpu")
    steps = loader(own, start.step if start else 0, scale.steps, workers=scale.workers)
    with (
        warnings.catch_warnings(), steps.minded(), answering(guards.rank_timeout_s),
        room(scale, method.model, trainer.world_size), recomputed(method.model, scale.recompute),
        compiled(method.model, scale.compile),
    ):  # fmt: skip
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message="You're resuming from a checkpoint that ended before")
        warnings.filterwarnings(
            "ignore", message="Found .* in eval mode at the start of training"
        )  # frozen, on purpose
        warnings.filterwarnings("ignore", category=FutureWarning, module="(lightning|torch.distributed).*")
        warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view")  # nobody writes into it
        try:
            trainer.fit(module, steps, ckpt_path=start.path if start else None, weights_only=True)
        except (RollBack, Interrupted):  # which all ranks raise together; after another fault one may be gone
            whole()
            raise
        whole()
