"""Where training runs, and in which numbers."""

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch.distributed import distributed_c10d, is_torchelastic_launched

from components.contracts.errors import CapabilityError, TransientError
from components.training.compiled import check_compiler
from components.training.framework import L
from components.training.numbers import Precision, Scale
from components.training.sharding import Sharded, Sharding

_SILENT = re.compile(
    r"(Connection (closed|reset) by|Timed out waiting|Read timeout|Broken pipe|Socket Timeout|NCCL error)[^\n]*"
)


def accelerator() -> Literal["gpu", "cpu"]:
    """Return what Lightning calls the best device here."""
    return "gpu" if torch.cuda.is_available() else "cpu"


def ranks(timeout_s: float, sharding: Sharding | None = None) -> dict[str, Any]:
    """Return what Lightning's Trainer takes to train on the ranks that torchrun started; one, where it did not start us.

    A WORLD_SIZE that something else left in the environment is not looked at. Ranks wait `timeout_s` for each other. With a
    `sharding` each has a part of the towers; without, or alone, all of them.
    """
    if not is_torchelastic_launched():
        return {"devices": 1}
    world, here = (int(os.environ[name]) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    waits = timedelta(seconds=timeout_s)
    if dist.is_initialized():  # since an earlier training of this process: Lightning takes that group, with its timeout
        _wait(waits)
    strategy = Sharded(sharding, timeout=waits) if sharding else L.pytorch.strategies.DDPStrategy(timeout=waits)
    return {"devices": here, "num_nodes": world // here, "strategy": strategy}


def _wait(at_most: timedelta) -> None:
    """Give the ranks of the process group that there is another timeout; warns where this torch has no such way, and the earlier one stays."""
    set_timeout = getattr(
        distributed_c10d, "_set_pg_timeout", None
    )  # no public name does it, and another torch may drop it
    if set_timeout is None:
        warnings.warn(
            f"guards.rank_timeout_s of {at_most.total_seconds():g} s is not heeded: torch {torch.__version__} does not change the timeout of a "
            "process group, so that of this process's first training stays. Train in a process of its own, or with torch 2.12.",
            stacklevel=3,
        )
        return
    set_timeout(at_most)


def is_first_rank() -> bool:
    """Return whether this rank decides for all; what only the environment says of ranks is not looked at."""
    return not dist.is_initialized() or dist.get_rank() == 0


def meet() -> None:
    """Wait for the other ranks of the last training of this process; at once where there were none."""
    if dist.is_initialized():
        dist.barrier()


@contextmanager
def answering(timeout_s: float) -> Iterator[None]:
    """Turn what the library says of a rank that died, or is silent for too long, into a TransientError."""
    try:
        yield
    except RuntimeError as err:
        said = _SILENT.search(str(err))
        if said is None:
            raise
        raise TransientError(
            f"a rank does not answer ({said[0].strip()}): it has died, or was silent for {timeout_s:g} s. Mostly its machine was "
            "taken back or had no memory left; its own log says. Run again, and training goes on from its last checkpoint, "
            "with another number of ranks if need be."
        ) from err


def precision(wanted: Precision) -> Literal["bf16-mixed", "32-true"]:
    """Return Lightning's name of the precision; `auto` takes bf16 where the chip multiplies in it.

    Raises CapabilityError when bf16 is demanded and the chip would only emulate it, many times slower.
    """
    if wanted == "fp32":
        return "32-true"
    if multiplies_in_bf16():
        return "bf16-mixed"
    if wanted == "auto":
        return "32-true"
    raise CapabilityError(
        "training.precision is bf16, but this chip does not multiply in bf16 and emulating it is many times slower. "
        "Set it to auto or fp32 in the scale."
    )


def check_chip(scale: Scale) -> None:
    """Raise CapabilityError for what a scale demands and this machine has not, before any data is decoded for it."""
    precision(scale.precision)
    check_compiler(scale.compile)


def multiplies_in_bf16() -> bool:
    """Return whether the GPU, or the CPU by AMX or AVX-512, has bf16 products."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
