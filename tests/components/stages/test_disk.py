"""A disk that is full, in words, whoever noticed."""

import subprocess
import sys

import pytest

from components.stages.disk import full_disk

SAVE = """
import resource, sys
import numpy as np
from pathlib import Path
from components.stages.disk import full_disk
resource.setrlimit(resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))
try:
    np.save(sys.argv[1], np.zeros(100_000))
except OSError as err:
    print(err.errno, full_disk(err, Path(sys.argv[2]), "package@clip"))
"""


def test_an_array_that_could_not_be_written_whole_is_a_full_disk(tmp_path):
    command = [sys.executable, "-c", SAVE, str(tmp_path / "index.npy"), str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.startswith("None there was no room for a file: package@clip was writing to"), said
    assert "Nothing half-written is left" in said


@pytest.mark.parametrize(
    "other", [OSError("3 requested, none came"), ConnectionResetError(), ValueError("5 requested and 3 written")]
)
def test_another_fault_is_none(other, tmp_path):
    assert full_disk(other, tmp_path, "package@clip") is None
