"""Where training runs, and in which numbers."""

import os
from typing import Any, Literal

import torch
from torch.distributed import is_torchelastic_launched

from components.contracts.errors import CapabilityError
from components.training.numbers import Precision


def accelerator() -> Literal["gpu", "cpu"]:
    """Return what Lightning calls the best device here."""
    return "gpu" if torch.cuda.is_available() else "cpu"


def ranks() -> dict[str, Any]:
    """Return what Lightning's Trainer takes to train on the ranks that torchrun started; one, where it did not start us.

    A WORLD_SIZE that something else left in the environment is not looked at.
    """
    if not is_torchelastic_launched():
        return {"devices": 1}
    world, here = (int(os.environ[name]) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    return {"devices": here, "num_nodes": world // here, "strategy": "ddp"}


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


def multiplies_in_bf16() -> bool:
    """Return whether the GPU, or the CPU by AMX or AVX-512, has bf16 products."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
