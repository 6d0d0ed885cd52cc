"""Recipes side by side: steps by hand, and a table that is run and written."""

import json

import pytest

from components.contracts.errors import ConfigError
from flows.proving.compare import Row, compare, equal_steps, rows_of, spent
from tests.workspace import REPOSITORY

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
    (tmp_path / "finetune").mkdir()
    (tmp_path / "finetune/metrics.json").write_text(json.dumps({"strategy": "as it is"}))
    assert spent(tmp_path) == {"steps": 100, "cpu_s": 50.0}
    (tmp_path / "finetune/metrics.json").write_text(
        json.dumps({"steps": 10, "timing": {"cpu_s": 4.0, "resumed_at": 0}})
    )
    assert spent(tmp_path) == {"steps": 100, "cpu_s": 54.0}, "what is tuned after is computed, too"


def test_steps_that_train_nothing_are_refused():
    with pytest.raises(ConfigError, match="--steps 0 trains nothing"):
        compare(REPOSITORY, ["clip"], steps=0)
