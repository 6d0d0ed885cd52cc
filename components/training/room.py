"""Memory that does not suffice, in words: what was asked for, what there is, and how much to lower what."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from components.contracts.errors import OutOfMemory
from components.training.numbers import Scale

_CPU = re.compile(r"allocate memory: you tried to allocate (\d+) bytes")
_GPU = re.compile(r"Tried to allocate ([\d.]+) ([KMGT]i?B)")
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SHARE = 0.9  # of the memory there is; the rest is lost between what is held


@contextmanager
def room(scale: Scale, model: nn.Module, ranks: int) -> Iterator[None]:
    """Turn what torch says of memory that ran out into OutOfMemory with numbers that will fit."""
    try:
        yield
    except (torch.OutOfMemoryError, RuntimeError, MemoryError) as err:
        asked = asked_for(err)
        if asked is None:
            raise
        held, there_is = _held_and_there()
        rows = scale.micro_batch or scale.batch // ranks
        parts = not any(isinstance(part, _BatchNorm) for part in model.modules())
        why = lacking(asked, held, there_is, rows, scale)
        raise OutOfMemory(said(asked, held, there_is, rows, scale, parts=parts, ranks=ranks), why) from err


def said(asked: int, held: int, there_is: int, rows: int, scale: Scale, *, parts: bool, ranks: int) -> str:
    """Return the sentence.

    Args:
        asked: bytes that there was no room for.
        held: bytes that were held then.
        there_is: bytes in all.
        rows: pairs that a rank encoded at once.
        parts: whether the model can be encoded in parts.
    """
    fitting = fits(asked, held, there_is, rows)
    if parts:
        lower = f"Set micro_batch to {fitting} in the scale, which contrasts the same batch of {scale.batch}"
    else:
        lower = (
            f"Set batch to {fitting * ranks} in the scale (its net has batch norm, so it cannot be encoded in parts)"
        )
    return (
        f"{lacking(asked, held, there_is, rows, scale)}. {lower}; fewer pixels take less with their square, and training.precision bf16 "
        "about half."
    )


def lacking(asked: int, held: int, there_is: int, rows: int, scale: Scale) -> str:
    """Return what there was no room for, in words; arguments as of `said`."""
    return (
        f"out of memory: a step of {rows} pairs at {scale.pixels} px asked for {_size(asked)} more, with {_size(held)} held of "
        f"{_size(there_is)}"
    )


def fits(asked: int, held: int, there_is: int, rows: int) -> int:
    """Return the power of two of rows that should fit, at least halved: memory grows with the rows."""
    share = min(0.5, _SHARE * there_is / max(held + asked, 1))
    wanted = max(1, int(rows * share))
    return 1 << (wanted.bit_length() - 1)


def asked_for(err: BaseException) -> int | None:
    """Return the bytes that there was no room for; 0 where nobody says, None when it was something else."""
    if found := _CPU.search(str(err)):
        return int(found[1])
    if found := _GPU.search(str(err)):
        return int(float(found[1]) * _UNITS[found[2][0]])
    return 0 if isinstance(err, torch.OutOfMemoryError | MemoryError) else None


def _held_and_there() -> tuple[int, int]:
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated()), int(torch.cuda.get_device_properties(0).total_memory)
    return psutil.Process().memory_info().rss, psutil.virtual_memory().total


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
