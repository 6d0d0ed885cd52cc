"""Memory that runs out is said in one sentence, with a number that fits."""

from dataclasses import replace

import pytest
import torch

from components.contracts.errors import OutOfMemory
from components.contracts.method import Losses
from components.training.numbers import Scale
from components.training.room import asked_for, fits, room, said
from tests.components.training.flat import flat_clip
from tests.components.training.test_train import run

GB = 10**9
SCALE = Scale(batch=256, steps=10, pixels=224)


@pytest.mark.parametrize(
    ("held", "rows", "fitting"),
    [(80 * GB, 256, 128), (160 * GB, 256, 64), (700 * GB, 256, 16), (80 * GB, 1, 1), (80 * GB, 96, 32)],
)
def test_what_fits_grows_with_the_memory_and_is_at_most_half(held, rows, fitting):
    assert fits(0, held, 80 * GB, rows) == fitting


@pytest.mark.parametrize(
    ("err", "bytes_"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.50 GiB. GPU 0 has"), 1.5 * 2**30),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4096 bytes. Error"), 4096),
        (MemoryError(), 0),
        (RuntimeError("shapes do not match"), None),
    ],
)
def test_what_was_asked_for_is_read_from_torchs_sentence(err, bytes_):
    assert asked_for(err) == bytes_


def test_the_sentence_has_numbers_to_set():
    parts = said(10 * GB, 75 * GB, 80 * GB, 256, SCALE, parts=True, ranks=2)
    assert parts.startswith(
        "out of memory: a step of 256 pairs at 224 px asked for 10.0 GB more, with 75.0 GB held of 80.0 GB."
    )
    assert "Set micro_batch to 128 in the scale, which contrasts the same batch of 256" in parts
    assert "Set batch to 256 in the scale (its net has batch norm" in said(
        10 * GB, 75 * GB, 80 * GB, 256, SCALE, parts=False, ranks=2
    )


def test_a_step_without_room_ends_the_training_with_it(vocabulary, batches, tmp_path):
    method = flat_clip(vocabulary)
    losses = method.losses

    def greedy(batch, clock) -> Losses:
        given = losses(batch, clock)
        return replace(given, seen={"much": torch.empty(2**50).sum()})

    method.losses = greedy
    with pytest.raises(OutOfMemory, match=r"out of memory: a step of 8 pairs at 24 px asked for 4,503,599\.6 GB more"):
        run(method, batches, tmp_path)


def test_another_fault_stays_what_it_is(vocabulary):
    with pytest.raises(RuntimeError, match="shapes"), room(SCALE, flat_clip(vocabulary), 1):
        raise RuntimeError("shapes do not match")
