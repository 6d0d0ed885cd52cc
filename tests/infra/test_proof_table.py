"""The table of verdicts is made of the recipes' cards and of what `diptych prove` kept."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from infra.proof_table import row_of

REPOSITORY = Path(__file__).parents[2]
RECIPE = {"name": "clip", "arxiv": "2103.00020", "year": 2021, "claim": "ten times chance"}
CLAIM = {"claim": "recall of clip, at least 10", "outcome": "holds", "mean": 12.5, "low": 11.0, "high": 14.0}
PROOF = {
    "recipe": "clip",
    "outcome": "holds",
    "claims": [CLAIM],
    "seeds": [0, 1],
    "machine": "2 cores",
    "commit": "c0ffee0ffee",
}


def test_a_row_has_the_verdict_and_each_claim_in_numbers():
    paper = "| `clip` | [2103.00020](https://arxiv.org/abs/2103.00020), 2021 | ten times chance |"
    assert row_of({**RECIPE, "proof": None}) == f"{paper} not run |  |"
    verdict, numbers = (
        "[*holds*](proofs/clip.json), 2 seeds, 2 cores, `c0ffee0`",
        "recall of clip, at least 10: holds, 12.5 (11 to 14)",
    )
    assert row_of({**RECIPE, "proof": PROOF}) == f"{paper} {verdict} | {numbers} |"


def test_a_page_that_shows_something_else_is_found(tmp_path):
    shutil.copytree(REPOSITORY / "components/recipes", tmp_path / "components/recipes")
    shutil.copytree(REPOSITORY / "docs", tmp_path / "docs")
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    command = [sys.executable, "-m", "infra.proof_table"]

    def code(*flags: str) -> int:
        here = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        return subprocess.run([*command, *flags], cwd=tmp_path, capture_output=True, env=here, check=False).returncode

    assert code() == 0
    (tmp_path / "docs/proofs/alip.json").unlink()
    assert code() == 1
    assert code("--write") == 0
    assert code() == 0
    shown = (tmp_path / "docs/proofs.md").read_text()
    assert "not run" in next(line for line in shown.splitlines() if line.startswith("| `alip` |"))
