"""docs/estimate.md: its commands are some, its numbers are the code's, its table is what was measured."""

import json
import re
import shlex
from pathlib import Path

from components.finetuning.race import FIRST
from components.stages.race_steps import EPOCHS
from flows.cli import _parser
from flows.estimating.tried import QUICK_S, SHORT

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/estimate.md").read_text()


def test_the_commands_are_those_there_are():
    commands = re.findall(r"```sh\n\.venv/bin/diptych (.*?)\n```", PAGE)
    recipe, adapt = (_parser().parse_args(shlex.split(command)) for command in commands)
    assert (recipe.name, recipe.scale, recipe.numbers, recipe.price_per_hour) == (
        "siglip",
        "laptop",
        ["training.steps=2000"],
        1.5,
    )
    assert (adapt.name, adapt.data, adapt.budget) == ("adapt", "pictures", 900.0)


def test_the_numbers_are_those_of_the_code():
    assert f"for {SHORT} steps, and for more where these take less than {QUICK_S:g} seconds" in PAGE
    assert f"with {FIRST} steps of each way" in PAGE
    assert f"no heat reads them more than {EPOCHS} times" in PAGE
    assert all((REPOSITORY / name).exists() for name in re.findall(r"`(flows/[\w./]+)`", PAGE))


def test_the_table_is_what_was_measured():
    said = json.loads((REPOSITORY / "docs/benchmarks/estimate.json").read_text())
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")
    ]
    rows = [row for row in rows if row[0] in {run["run"] for run in said["runs"]}]
    assert len(rows) == len(said["runs"])
    for (_, clock, work, memory, load), run in zip(rows, said["runs"], strict=True):
        assert clock == f"{run['said_s']:.0f} of {run['took_s']:.0f} s, {run['ratio'] - 1:+.0%}"
        assert work == f"{run['said_cpu_s']:.0f} of {run['took_cpu_s']:.0f} s, {run['cpu_ratio'] - 1:+.0%}"
        assert memory == f"{run['said_gb']:.2f} of {run['took_gb']:.2f} GB, {run['memory_ratio'] - 1:+.0%}"
        assert load == f"{run['load']:.1f}"


def test_each_run_took_what_was_said_of_it_within_a_fifth():
    said = json.loads((REPOSITORY / "docs/benchmarks/estimate.json").read_text())
    for kind, told in (("ratio", "by the clock"), ("cpu_ratio", "by work"), ("memory_ratio", "of memory")):
        assert all(0.8 <= run[kind] <= 1.2 for run in said["runs"]), kind
        assert f"{len(said['runs'])} of {said['of']} {told}" in PAGE
    assert said["of"] == 5
    assert f"`{said['command']}`, {said['machine']}, commit `{said['commit']}`" in PAGE
