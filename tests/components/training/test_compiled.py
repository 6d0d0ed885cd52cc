"""Towers that are compiled learn what plain ones do, under the same keys."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from components.contracts.encoded import Tower
from components.contracts.errors import CapabilityError
from components.training.compiled import check_compiler, compiled
from tests.components.training.compiling import CUT, OPTIONS, SCALE

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where compiling.py has trained."""
    folder = tmp_path_factory.mktemp("compiling")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, Path(__file__).with_name("compiling.py"), folder]
    ran = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=240)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder


@pytest.fixture(scope="module")
def told(folder) -> dict[str, Any]:
    """What it says of each."""
    return json.loads((folder / "told.json").read_text())


@pytest.mark.parametrize("name", OPTIONS)
def test_a_compiled_training_is_the_plain_one_but_for_rounding(name, told):
    assert told["plain"]["graphs"] == 0
    assert told[name]["graphs"] >= 2, "both towers were compiled"
    weights = (torch.tensor(told[one]["weights"]) for one in (name, "plain"))
    torch.testing.assert_close(*weights, rtol=1e-3, atol=1e-5)


def test_it_goes_on_to_the_same_bits(told):
    """All steps but the first are compiled, in which operations are counted, and none is counted again."""
    assert told["resumed"]["graphs"] >= 2
    assert min(map(int, told["resumed"]["keys"])) == CUT
    assert told["resumed"]["digest"] == told["alone"]["digest"]
    assert told["resumed"]["curves"] == told["alone"]["curves"]


def test_checkpoints_have_the_keys_they_always_had(folder):
    kept = {}
    for name in ("plain", "alone"):
        newest = max((folder / name).glob("step-*.ckpt"))
        kept[name] = list(torch.load(newest, weights_only=True)["state_dict"])
    assert kept["alone"] == kept["plain"]
    assert SCALE.checkpoint_every < SCALE.steps


class Line(Tower):
    """The least that inductor can make a kernel for: compiling takes seconds, and more of them with every line."""

    width = 2

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(2))

    def forward(self, rows: Tensor, need=()) -> Tensor:
        return (rows * self.scale).sin()


@pytest.fixture
def quickly():
    """Let inductor make the plainest kernel, and no header for many."""
    with torch._inductor.config.patch({"cpp_cache_precompile_headers": False, "cpp.simdlen": 1}):
        yield
    torch._dynamo.reset()


@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor makes its kernels with a C++ compiler")
def test_inductor_makes_kernels_that_give_what_the_plain_tower_gives(quickly, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    line, rows = Line(), torch.arange(6.0).view(3, 2)
    with compiled(nn.ModuleDict({"line": line}), True), torch.no_grad():
        torch.testing.assert_close(line(rows), rows.sin())
    assert line._compiled_call_impl is None
    assert list(tmp_path.rglob("*.so")), "a kernel was made"


def test_without_a_compiler_it_says_so_before_anything_is_compiled(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", (str(tmp_path / "no-such-compiler"),))
    with pytest.raises(CapabilityError, match=r"no C\+\+ compiler.*Set compile to false in the scale.*g\+\+"):
        check_compiler(True)
    check_compiler(False)
    check_compiler("aot_eager")


def test_a_gpu_without_triton_is_said_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("components.training.compiled.has_triton", lambda: False)
    with pytest.raises(CapabilityError, match="no Triton to make kernels for the GPU"):
        check_compiler(True)


def test_a_model_without_towers_is_refused():
    with (
        pytest.raises(CapabilityError, match="this Linear has no tower, so nothing would be compiled"),
        compiled(nn.Linear(2, 2), "aot_eager"),
    ):
        pass
