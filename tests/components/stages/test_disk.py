"""A disk that is full, in words, whoever noticed."""

import errno
import os
import subprocess
import sys
from pathlib import Path

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


def test_of_a_copy_that_does_not_fit_it_is_said_where_to(tmp_path):
    err = OSError(errno.ENOSPC, "No space left on device", "/from/elsewhere", None, str(tmp_path / "checkpoint.part"))
    said = full_disk(err, tmp_path / "workspace", "pretrain@clip")
    assert said is not None
    assert said.startswith(f"the disk is full: pretrain@clip was writing to {tmp_path}, where")


ON_A_FULL_DISK = """
import errno, os, sys
from dataclasses import replace
from pathlib import Path
from components.stages.outcome import StageOutcome
root = Path(sys.argv[1])
begun = StageOutcome(stage="toy", recipe=None, state="running", pid=1, started_ticks=1, run=None, at="now")
begun.write(root)
with (root / "ballast").open("wb", buffering=0) as ballast:
    for size in (4096, 1):
        try:
            while ballast.write(bytes(size)):
                pass
        except OSError as err:
            assert err.errno == errno.ENOSPC
replace(begun, state="failed", message="no room " * 100).write(root)
replace(begun, state="failed", message="no room").write(root)
print(StageOutcome.read(root, "toy", None).message, *sorted(os.listdir(root / ".diptych/outcome")))
try:
    replace(begun, stage="other").write(root)
except OSError as err:
    print(errno.errorcode[err.errno])
"""


def test_how_a_stage_went_is_known_also_where_its_disk_is_full(tmp_path):
    """A small file system, in a mount namespace that ends with the command."""
    own = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    if subprocess.run([*own, "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a file system of his own")
    (tmp_path / "small").mkdir()
    (tmp_path / "fills.py").write_text(ON_A_FULL_DISK)
    mounted = f"mount -t tmpfs -o size=256k none small && {sys.executable} fills.py small"
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    ran = subprocess.run([*own, "sh", "-c", mounted], cwd=tmp_path, env=here, capture_output=True, text=True)
    assert ran.stdout.splitlines() == ["no room toy.json", "ENOSPC"], ran.stderr
