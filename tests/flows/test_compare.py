"""Recipes side by side: steps by hand, and a table that is run and written."""

import json

import pytest

from components.contracts.errors import ConfigError
from components.data.processes import cores
from flows.compare import Row, compare, equal_steps, rows_of, spent
from tests.workspace import REPOSITORY, diptych, leave_out_probe, make_workspace

RATES = {"clip": 0.5, "filip": 0.8, "clip.clip_refine": 0.5, "clip_refine": 1.0}


def rows(*names: str) -> list[Row]:
    return [Row.of(name) for name in names]


def test_every_row_computes_for_as_long_as_the_first():
    steps = equal_steps(rows("clip", "filip", "clip+clip_refine:40"), RATES, 440)
    assert steps == {"clip": 440, "filip": 275, "clip_refine": 40, "clip.clip_refine": 360}
    steps = equal_steps(rows("clip+clip_refine:40", "filip"), RATES, 440)
    assert steps == {"clip_refine": 40, "clip.clip_refine": 440, "filip": 325}


def test_later_steps_that_take_it_all_are_refused():
    with pytest.raises(ConfigError, match=r"clip\+clip_refine:220 leaves clip no step.*Give fewer"):
        equal_steps(rows("clip", "clip+clip_refine:220"), RATES, 440)


@pytest.mark.parametrize("said", ["", "clip+", "clip+siglip", "clip:3", "clip+siglip:0", "clip+siglip:x", "a+b+c:1"])
def test_what_names_nothing_is_refused(said):
    with pytest.raises(ConfigError, match="names nothing to compare"):
        Row.of(said)


def test_a_name_that_is_no_recipe_or_stands_twice_is_told():
    with pytest.raises(ConfigError, match=r"no recipe 'clop'.*did you mean clip"):
        rows_of(REPOSITORY, ["siglip", "clop+clip_refine:3"])
    with pytest.raises(ConfigError, match="clip takes part twice"):
        rows_of(REPOSITORY, ["clip", "siglip", "clip"])


def test_a_training_that_went_on_counts_as_a_whole_one(tmp_path):
    (tmp_path / "pretrain").mkdir()
    said = {"steps": 100, "timing": {"cpu_s": 30.0, "resumed_at": 40}}
    (tmp_path / "pretrain/metrics.json").write_text(json.dumps(said))
    assert spent(tmp_path) == {"steps": 100, "cpu_s": 50.0}


def test_steps_that_train_nothing_are_refused():
    with pytest.raises(ConfigError, match="--steps 0 trains nothing"):
        compare(REPOSITORY, ["clip"], steps=0)


@pytest.mark.timeout(900)  # 26 stages, each a process of DVC and of most one of its own
def test_a_table_is_run_and_written(tmp_path):
    root, name = make_workspace(tmp_path / "own"), "clip+clip_refine:1"
    leave_out_probe(root, "clip", "clip_refine")
    flags = ["--data", "scenes", "--scale", "debug", "--steps", "5", "--seeds", "0,1"]
    at_once = str(min(2, cores()))
    said = diptych(root, "compare", name, *flags, "--jobs", at_once, "--to", "table.json")
    assert said.returncode == 0, said.stderr
    kept = json.loads((root / "table.json").read_text())
    assert kept["command"] == f"diptych compare {' '.join([name, *flags])}"
    assert list(kept["rows"]) == [name]
    its = kept["rows"][name]
    assert its["steps"] == [5, 1]
    assert its["beside_first"] == 1
    assert len(its["cpu_s"]) == 2
    assert min(its["cpu_s"]) > 0
    one = its["metrics"]["retrieval.pair.image_to_text.recall_at_1"]
    assert one["low"] <= one["mean"] <= one["high"]
    assert 0 < one["chance"] < 1
    assert f"{name}: 5 + 1 steps, " in said.stdout
    assert not (root / ".diptych/proofs/compare").exists()
