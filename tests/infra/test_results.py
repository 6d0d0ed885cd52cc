"""The README's tables of results are made of what runs measured, and of nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

from infra.results import BESIDE, side_by_side

REPOSITORY = Path(__file__).parents[2]


def result(name: str, value: float, left_out: str = "") -> dict[str, object]:
    return {
        "recipe": name, "commit": "c0ffee" * 6, "machine": "2 cores", "training": {"samples": 1234},
        "metrics": {metric: {"value": value} for metric in BESIDE if metric != left_out},
    }  # fmt: skip


def test_recipes_stand_side_by_side_and_what_was_not_measured_is_said():
    first, second = side_by_side([result("a", 0.5), result("b", 0.25, next(iter(BESIDE)))]).splitlines()[-2:]
    assert first == f"| `a` | {' | '.join(['50.0%'] * len(BESIDE))} | 1,234 | 2 cores | `c0ffeec0ff` |"
    assert second.startswith("| `b` | not measured | 25.0% |")


def test_the_readme_shows_every_recipe_that_was_measured():
    shown = (REPOSITORY / "README.md").read_text()
    for path in (REPOSITORY / "docs/results").glob("*.json"):
        kept = json.loads(path.read_text())
        value = kept["metrics"]["retrieval.pair.image_to_text.recall_at_1"]["value"]
        assert f"| `{path.stem}` | " in shown
        assert f"{value:.1%}" in next(line for line in shown.splitlines() if line.startswith(f"| `{path.stem}` | "))


def test_a_readme_that_shows_something_else_is_found(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/results").symlink_to(REPOSITORY / "docs/results")
    text = (REPOSITORY / "README.md").read_text()
    here = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    for said, code in ((text, 0), (text.replace("| `siglip` |", "| `siglip2` |"), 1)):
        (tmp_path / "README.md").write_text(said)
        run = subprocess.run([sys.executable, "-m", "infra.results"], cwd=tmp_path, capture_output=True, env=here)
        assert run.returncode == code, run.stderr
