"""docs/growing.md against the code: its command parses, and its table is what was kept."""

import shlex
from pathlib import Path

from components.curation.ops.keep import Keep
from flows.cli import _parser
from tests.benchmarks.stream_page import COLUMNS, END, KEPT, START, table, with_table

PAGE = (Path(__file__).parents[2] / "docs/growing.md").read_text(encoding="utf-8")


def test_its_command_parses_and_its_conditions_are_conditions():
    words = shlex.split(PAGE.split("```sh")[1].split("```")[0])
    parsed = _parser().parse_args(words[1:])
    assert parsed.name == "growclip"
    assert [Keep(where).where for where in parsed.arrivals] == parsed.arrivals
    assert str(KEPT).endswith(str(parsed.to))


def test_its_table_is_what_was_kept():
    assert with_table(PAGE) == PAGE


def test_what_was_not_run_is_said_to_be_not_measured(tmp_path):
    assert f"{START}\nNot measured.\n{END}" in with_table(PAGE, tmp_path / "none.json")


def test_a_table_has_each_arrival_and_the_model_trained_anew():
    numbers = {
        "pictures": 1500,
        "parameters": 2_100_000,
        "steps": 20,
        "cpu_s": 31.4,
        "metrics": {COLUMNS["pair →"]: 0.5},
    }
    probes = {"stay": {"cpu_s": 2.0}, "image": {"cpu_s": 3.0}}
    sizes = {"image": 3, "text": 2, "shared": 1}
    said = {
        "arrivals": [{**numbers, "sizes": sizes, "probes": {}, "grew": ""}, {**numbers, "sizes": sizes, "probes": probes, "grew": "image"}],
        "anew": {**numbers, "steps": 40, "cpu_s": 62.8}, "last_beside_anew": 0.58, "seed": 0, "scale": "debug", "source": {"name": "emoji"},
        "machine": "m", "commit": "abcdefgh", "command": "c",
    }  # fmt: skip
    shown = table(said)
    assert "| arrival 1 | 1,500 | – | 3, 2, 1 | 2.10 M | 20 | 31 | – | 50.0% | – | – | – |" in shown
    assert "| arrival 2 | 1,500 | image | 3, 2, 1 | 2.10 M | 20 | 31 | 5 | 50.0%" in shown
    assert "| anew | 1,500 | – | 3, 2, 1 | 2.10 M | 40 | 63 | – | 50.0%" in shown
    assert "computed 0.58 of what the model trained anew did" in shown
