"""The numbers a chip multiplies in; what the chip has is said by torch, so these say it instead."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.distributed import distributed_c10d

from components.contracts.errors import CapabilityError
from components.training.device import check_chip, precision, ranks
from components.training.numbers import Scale


@pytest.fixture
def chip(monkeypatch):
    """Return a function that makes the chip one with bf16 products, or without."""

    def made(has_bf16: bool) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: has_bf16)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)

    return made


def test_auto_takes_bf16_where_the_chip_has_it(chip):
    chip(True)
    assert precision("auto") == precision("bf16") == "bf16-mixed"
    chip(False)
    assert precision("auto") == "32-true"


def test_bf16_that_the_chip_lacks_is_refused(chip):
    chip(False)
    with pytest.raises(CapabilityError, match=r"does not multiply in bf16.*Set it to auto or fp32 in the scale"):
        precision("bf16")


def test_what_the_chip_lacks_is_refused_by_the_scale_alone(chip):
    scale = Scale(batch=2, steps=1, pixels=8, precision="bf16")
    chip(True)
    check_chip(scale)
    chip(False)
    with pytest.raises(CapabilityError, match="does not multiply in bf16"):
        check_chip(scale)


def test_fp32_is_everywhere(chip):
    chip(False)
    assert precision("fp32") == "32-true"


@pytest.fixture
def group(monkeypatch):
    """A process group of this process alone, as an earlier training of it left one, under torchrun."""
    for name, value in (("TORCHELASTIC_RUN_ID", "one"), ("WORLD_SIZE", "1"), ("LOCAL_WORLD_SIZE", "1")):
        monkeypatch.setenv(name, value)
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1, timeout=timedelta(seconds=50))
    yield dist.group.WORLD._get_backend(torch.device("cpu"))
    dist.destroy_process_group()


def test_ranks_wait_as_long_as_each_training_says(group):
    ranks(7.0)
    assert group.options._timeout == timedelta(seconds=7)


def test_where_torch_does_not_change_how_long_ranks_wait_it_is_said(group, monkeypatch):
    monkeypatch.delattr(distributed_c10d, "_set_pg_timeout")
    with pytest.warns(
        UserWarning, match=r"guards\.rank_timeout_s of 7 s is not heeded: torch .* Train in a process of its own"
    ):
        found = ranks(7.0)
    assert found["devices"] == 1
    assert group.options._timeout == timedelta(seconds=50)


def test_a_torch_without_the_private_name_is_one_to_train_with():
    """In a process of its own, where nothing was imported before."""
    program = """
from torch.distributed import distributed_c10d
del distributed_c10d._set_pg_timeout
import components.training.device
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3])
