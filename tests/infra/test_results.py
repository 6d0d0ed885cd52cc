"""The tables of results in README.md and docs/results.md are made of what runs measured, and of nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.results import BESIDE, PAGE, README, in_brief, side_by_side

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


def test_in_brief_a_split_is_a_row_with_both_directions_and_the_baseline_beside_each():
    def one(value):
        return {"value": value, "baseline": 0.125, "chance": 0.0625, "n": 1234}

    directions = {"image_to_text": 0.5, "text_to_image": 0.25}
    metrics = {
        **{f"retrieval.pair.{name}.recall_at_1": one(value) for name, value in directions.items()},
        **{f"retrieval.pair.{name}.recall_at_10": one(1.0) for name in directions},
    }
    (row,) = [line for line in in_brief({"metrics": metrics}).splitlines() if line.startswith("| pair")]
    assert row.endswith(" | **50.0%** (12.5%) | **25.0%** (12.5%) | 6.2% | 1,234 |")


@pytest.mark.parametrize(
    ("page", "said", "other"),
    [(README, "| `siglip` |", "| `siglip2` |"), (PAGE, "R@10 | **91.3%**", "R@10 | **91.4%**")],
)
def test_a_page_that_shows_something_else_is_found(tmp_path, page, said, other):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/results").symlink_to(REPOSITORY / "docs/results")
    for name in (README, PAGE):
        (tmp_path / name).write_text((REPOSITORY / name).read_text())
    here = {**os.environ, "PYTHONPATH": str(REPOSITORY)}

    def asked():
        command = [sys.executable, "-m", "infra.results"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=here)

    assert asked().returncode == 0
    text = (tmp_path / page).read_text()
    assert said in text
    (tmp_path / page).write_text(text.replace("<!-- end of results -->", ""))
    assert asked().returncode == 1, "there is no place for them"
    (tmp_path / page).write_text(text.replace(said, other))
    assert (asked().returncode, asked().stdout.split(" does not show")[0]) == (1, page)
