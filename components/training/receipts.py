"""What a training took: floating point operations, how much of the chip they used, memory, energy and money.

Sources: Chowdhery et al. 2022, arXiv:2204.02311, appendix B (model FLOPs utilisation: operations of forward and backward over
what the chip could have done meanwhile). Operations are counted by torch in the first step, its real one; what is done twice to
save memory is counted twice.
"""

import os
import resource
import time
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from components.contracts.errors import ConfigError
from components.training.framework import L

PRICE, WATTS = "DIPTYCH_PRICE_PER_HOUR", "DIPTYCH_WATTS"
DENSE_BF16 = {  # operations a second, from the makers' data sheets, without sparsity
    "H200": 989e12, "H100 PCIe": 756e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "A10": 125e12,
}  # fmt: skip
_SIDE = 1024  # of the matrices by which an unknown chip is measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What one run of a training took, on this rank.

    Args:
        seconds: from the first step to the last, with those that it went back from.
        cpu_s: seconds that this process's threads computed meanwhile, whatever else the machine did.
        flops_per_step: floating point operations of forward and backward.
        mfu: share of what the chip could have done in that time, in [0, 1]; None before a second step.
        peak_flops: what it could do in a second: as its maker says, or measured by a product of matrices.
        peak_memory_bytes: most that was held at once, of the GPU's memory or this process's.
        kwh: at DIPTYCH_WATTS; None where nobody says.
        cost: at DIPTYCH_PRICE_PER_HOUR, in its currency; None where nobody says.
    """

    seconds: float
    cpu_s: float
    flops_per_step: int
    mfu: float | None
    peak_flops: float
    peak_memory_bytes: int
    kwh: float | None
    cost: float | None

    def as_json(self) -> dict[str, Any]:
        """Return what metrics.json says of it."""
        return asdict(self)


class Measuring(L.Callback):
    """Counts the first step's operations, and the time of all but the first, whose counting takes time itself.

    Raises ConfigError, before anything begins, for a price or watts that are no number.
    """

    def __init__(self) -> None:
        self.price, self.watts = _said(PRICE), _said(WATTS)
        self.counter: FlopCounterMode | None = None
        self.flops, self.steps, self.ranks, self.has_begun = 0, 0, 1, False
        self.began_s = self.first_s = self.ended_s = self.began_cpu_s = self.ended_cpu_s = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock, and forget what was held before; where training has gone back, both go on."""
        is_first, self.has_begun = not self.has_begun, True
        if is_first:
            self.began_s = self.first_s = self.ended_s = time.perf_counter()
            self.began_cpu_s = self.ended_cpu_s = time.process_time()
        if self.ranks != trainer.world_size:  # what was counted was another share of the batch
            self.flops, self.ranks = 0, trainer.world_size
        if is_first and torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()

    def on_train_batch_start(self, *args: Any) -> None:
        """Count from here, in the first step; not again in a run that goes on: compiled towers are plain while one counts."""
        if self.steps == 0 and not self.flops:
            self.counter = FlopCounterMode(display=False)
            self.counter.__enter__()

    def on_before_optimizer_step(self, *args: Any) -> None:
        """Count to here."""
        self._end()

    def on_exception(self, *args: Any) -> None:
        """Count no further."""
        self._end()

    def on_train_batch_end(self, *args: Any) -> None:
        """Take the time."""
        self.ended_s, self.ended_cpu_s = time.perf_counter(), time.process_time()
        if self.steps == 0:
            self.first_s = self.ended_s
        self.steps += 1

    def _end(self) -> None:
        if self.counter is not None:
            self.counter.__exit__(None, None, None)
            self.flops, self.counter = self.counter.get_total_flops(), None

    def state_dict(self) -> dict[str, Any]:
        """Return plain numbers: what was counted, on which share of the batch."""
        return {"flops": self.flops, "ranks": self.ranks}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what the run that is continued has counted; what was counted here stays, as no first step comes again."""
        if not self.flops:
            self.flops, self.ranks = state_dict["flops"], state_dict["ranks"]

    def receipt(self, precision: str) -> Receipt:
        """Return what was taken; measures the chip, where nobody knows it, by a few products of matrices."""
        seconds, hours = self.ended_s - self.began_s, (self.ended_s - self.began_s) / 3600
        peak, later_s = peak_flops(precision), self.ended_s - self.first_s
        return Receipt(
            seconds=seconds, cpu_s=self.ended_cpu_s - self.began_cpu_s, flops_per_step=self.flops, peak_flops=peak, peak_memory_bytes=peak_memory_bytes(),
            mfu=self.flops * (self.steps - 1) / later_s / peak if self.steps > 1 and later_s else None,
            kwh=None if self.watts is None else self.watts * hours / 1000,
            cost=None if self.price is None else self.price * hours,
        )  # fmt: skip


def peak_flops(precision: str) -> float:
    """Return the operations a second of this chip, with the threads it was given: as its maker says, or as measured."""
    bf16 = precision.startswith("bf16")
    if torch.cuda.is_available() and bf16:
        name = torch.cuda.get_device_name()
        if known := next((flops for chip, flops in DENSE_BF16.items() if chip in name), None):
            return known
    device = "cuda" if torch.cuda.is_available() else "cpu"
    left = torch.ones(_SIDE, _SIDE, dtype=torch.bfloat16 if bf16 else torch.float32, device=device)
    taken = []
    for _ in range(5):
        began_s = time.perf_counter()
        product = left @ left
        product[0, 0].item()  # waits for the device
        taken.append(time.perf_counter() - began_s)
    return 2 * _SIDE**3 / min(taken)


def peak_memory_bytes() -> int:
    """Return the most that was held at once: of the GPU's memory, or of this process since it began."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _said(name: str) -> float | None:
    said = os.environ.get(name)
    try:
        value = float(said) if said else None
    except ValueError:
        value = -1.0
    if value is not None and not 0 <= value < float("inf"):
        raise ConfigError(f"{name} is {said!r}, but must be a number, such as 2.5. Correct it, or leave it unset.")
    return value
