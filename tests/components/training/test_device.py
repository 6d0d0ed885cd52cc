"""The numbers a chip multiplies in; what the chip has is said by torch, so these say it instead."""

import pytest
import torch

from components.contracts.errors import CapabilityError
from components.training.device import check_chip, precision
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
