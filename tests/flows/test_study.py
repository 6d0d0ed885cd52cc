"""`diptych study` on folders, as a person meets it."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.cli import main

NAME = "retrieval.val.text_to_image.recall_at_1"


@pytest.fixture
def runs(tmp_path, monkeypatch, capsys):
    """Three evaluations, the third better than the others, and the command."""
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    for name, share in (("a0", 0.4), ("a1", 0.42), ("b0", 0.7), ("b1", 0.69)):
        rank = np.where(draw.random(300) < share, 1, 5)
        (tmp_path / name / "rows").mkdir(parents=True)
        table = {
            "query": [f"q{place}" for place in range(300)],
            "group": [f"g{place // 2}" for place in range(300)],
            "rank": rank,
        }
        pq.write_table(pa.table(table), tmp_path / name / "rows/retrieval.val.parquet")
        metric = {
            "value": float((rank == 1).mean()), "unit": "fraction", "better": "up", "data": "d",
            "tallies": [{"rows": "retrieval.val", "column": "rank", "at_most": 1}],
        }  # fmt: skip
        (tmp_path / name / "metrics.json").write_text(json.dumps({NAME: metric}))

    def run(*arguments: str) -> tuple[int, str, str]:
        return main(["study", *arguments]), *capsys.readouterr()

    return run


def test_a_table_with_a_row_a_number_and_a_column_an_arm(runs):
    code, out, err = runs("a0", "b0")
    assert code == 0, err
    assert out.splitlines()[0] == "| | a0 | b0 |"
    row = next(line for line in out.splitlines() if NAME in line)
    assert "**+" in row
    assert "Of a0, b0 there is one run" in out


def test_what_is_said_below_is_of_all_numbers(runs, tmp_path):
    """One run of two lacks the last number, another arm was measured on other data, and the first lacks four numbers that others have."""
    for name in ("a0", "a1", "b0", "b1"):
        path = tmp_path / name / "metrics.json"
        metrics = json.loads(path.read_text())
        if name != "b1":
            metrics["zero"] = metrics[NAME]
        if name.startswith("b"):
            metrics |= {f"more{place}": metrics[NAME] for place in range(4)}
        if name == "b0":
            metrics[NAME] = metrics[NAME] | {"data": "e"}
        path.write_text(json.dumps(metrics))
    code, out, err = runs("a0", "a=a0,a1", "b=b1,b0")
    assert code == 0, err
    assert "where all 4 comparisons are corrected for" in out, "though two could not be made"
    assert "Of a0 there is one run" in out, "of b there are two, though one of `zero`"
    assert "Left out, as a0 has no rows of them: 4 (more0, more1, more2, ...)." in out
    code, out, err = runs("a0", "b=b1,b0", "--json")
    assert {line["metric"] for line in json.loads(out)} == {NAME, "zero"}
    assert "Left out, as a0 has no rows of them: 4" in err


def test_several_runs_are_an_arm_and_another_may_be_held_against(runs):
    code, out, err = runs("a=a0,a1", "b=b0,b1", "--against", "b", "--json")
    assert code == 0, err
    told = {line["arm"]: line for line in json.loads(out)}
    assert told["a"]["difference"] < 0
    assert (told["a"]["runs"], told["b"]["difference"], told["a"]["unit"]) == (2, None, "fraction")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["a0", "nowhere"], "'nowhere' is no folder with metrics.json"),
        (["a0", "a0"], "a0 takes part twice"),
        (["a0", "b0", "--metric", "cost.*"], "fits no number"),
        (["a0"], "two arms or more"),
    ],
)
def test_what_makes_no_study_is_said(runs, arguments, why):
    code, _, err = runs(*arguments)
    assert code == 1
    assert why in err
