"""A written comparison: what it may say, verdicts and chance by hand, its page, and one that is run, ended and gone on with."""

import itertools
import json
import random
import subprocess
from dataclasses import replace

import pytest
import yaml

from components.contracts.errors import ConfigError, DataError
from components.data.processes import cores
from components.recipes.comparison import load_comparison
from flows.proving.compare import METRICS
from flows.proving.comparison import by_chance, judge, read_kept, said_of
from flows.proving.page import BEGIN, END, markdown, render, write_page
from tests.workspace import REPOSITORY, diptych, leave_out_probe, make_workspace

FIRST = METRICS[0]
PLAN = {
    "rows": ["clip", "alip", "filip"],
    "steps": 100,
    "overrides": {"method": {"init_args": {"objective": {"class_path": "components.objectives.softmax.SoftmaxLoss"}}}},
    "columns": {"clean": {"about": "as it is"}, "noisy": {"about": "four in ten shuffled", "source": {"shuffled": 0.4}, "steps_of": "clean"}},
    "expected": {
        "weighs": {
            "column": "noisy", "queries": 200, "source": "Yang et al. 2023.",
            "claim": {"metric": FIRST, "arm": "alip", "against": "clip", "at_least": 0.02},
        }
    },
}  # fmt: skip


def written(path, **changed):
    path.write_text(yaml.safe_dump({**PLAN, **changed}))
    return path


def row(*values, queries=280):
    mean = sum(values) / len(values)
    measured = {
        "values": list(values), "mean": mean, "low": mean - 0.02, "high": mean + 0.02, "chance": 0.004, "baseline": 0.3, "queries": queries,
    }  # fmt: skip
    return {"steps": [100], "cpu_s": [10.0] * len(values), "metrics": {FIRST: measured}, "beside_first": 1.0}


def column(**rows):
    return {
        "about": "some data",
        "rows": rows,
        "commit": "c0ffee" * 6,
        "machine": "2 cores",
        "cpu_s_a_step": {},
        "source": {},
    }


FOUND = {
    "clean": column(clip=row(0.60, 0.62, 0.61), alip=row(0.58, 0.60, 0.59), filip=row(0.30, 0.31, 0.29)),
    "noisy": column(clip=row(0.40, 0.41, 0.42), alip=row(0.46, 0.48, 0.47), filip=row(0.38, 0.43, 0.41)),
}


def test_what_is_overridden_stays_as_written_and_columns_lay_over_all(tmp_path):
    plan = load_comparison(written(tmp_path / "plan.yaml"))
    assert plan.overrides == PLAN["overrides"]
    assert plan.source_of("noisy") == {"name": "emoji", "languages": ["en"], "shuffled": 0.4}
    scenes = replace(
        plan, columns={"long": replace(plan.columns["noisy"], source={"name": "scenes"}, steps_of="")}, expected={}
    )
    assert scenes.source_of("long") == {"name": "scenes"}, "another source has no languages"
    assert plan.rows_of("noisy") == ("clip", "alip", "filip")
    assert plan.expected["weighs"].claim.margin == 0.02


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"steps": 0}, "Give steps from 1"),
        ({"seeds": [1, 1]}, "two seeds that differ"),
        ({"rows": ["clip"]}, "two rows or more"),
        ({"columns": {"noisy": {"about": "", "steps_of": "clean"}}, "expected": {}}, "takes its steps of 'clean'"),
        ({"columns": {"clean": {"about": "", "rows": ["siglip"]}}, "expected": {}}, "the rows are clip, alip, filip"),
        ({"columns": {"clean": {"about": "", "sauce": {}}}, "expected": {}}, "Did you mean source"),
        ({"expected": {"weighs": {**PLAN["expected"]["weighs"], "column": "dirty"}}}, "names 'dirty'"),
        (
            {"columns": {**PLAN["columns"], "noisy": {"about": "", "rows": ["clip"]}}},
            "names 'alip', but the rows of noisy",
        ),
        ({"calibration": {"row": "clip", "column": "clean", "seeds": 2}}, "calibration.seeds is 2"),
        ({"calibration": {"row": "siglip", "column": "clean"}}, "calibration names 'siglip'"),
        (
            {
                "columns": {"clean": {"about": "", "rows": ["clip"]}, "noisy": {"about": "", "steps_of": "clean"}},
                "expected": {},
            },
            "the rows of clean, whose steps it takes, are clip",
        ),
        ({"sizes": {}}, "takes no 'sizes'"),
    ],
)
def test_a_plan_that_says_nothing_sound_is_refused(tmp_path, changed, said):
    with pytest.raises(ConfigError, match=said):
        load_comparison(written(tmp_path / "plan.yaml", **changed))


def test_a_plan_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigError, match="is not there"):
        load_comparison(tmp_path / "plan.yaml")


def test_a_claim_is_judged_seed_by_seed_and_only_where_its_column_was_run(tmp_path):
    plan = load_comparison(written(tmp_path / "plan.yaml"))
    found = judge(plan, {"columns": FOUND})["weighs"]
    assert found["outcome"] == "holds"
    assert found["values"] == pytest.approx([0.06, 0.07, 0.05])
    assert found["queries"] == 280
    assert judge(plan, {"columns": {"clean": FOUND["clean"]}}) == {}


def test_fewer_queries_than_were_promised_are_no_evidence(tmp_path):
    plan = load_comparison(written(tmp_path / "plan.yaml"))
    few = {"noisy": column(clip=row(0.4, 0.4, 0.4), alip=row(0.5, 0.5, 0.5, queries=150))}
    with pytest.raises(DataError, match="asked of 200 queries a seed, but 150"):
        judge(plan, {"columns": few})


def test_of_equal_trainings_one_in_twenty_is_called_better():
    """Student's interval has 5% on either side where values are normal; a margin leaves fewer, and one that is always exceeded all on one side."""
    luck = random.Random(0)
    one, other = ([luck.gauss(0.6, 0.03) for _ in range(24)] for _ in range(2))
    assert by_chance(one, other, 0.0) == pytest.approx(0.05, abs=0.03)
    assert by_chance(one, other, 0.05) < by_chance(one, other, 0.0)
    assert by_chance([0.9, 0.91, 0.92, 0.9], [0.1, 0.11, 0.13, 0.1], 0.0) == 0.5


def test_what_was_found_counts_for_the_same_code_and_the_same_words_alone(tmp_path):
    plan, kept = load_comparison(written(tmp_path / "plan.yaml")), tmp_path / "plan.json"
    assert read_kept(kept, plan, "code")["columns"] == {}
    kept.write_text(json.dumps({"code": "code", "plan": said_of(plan), "columns": FOUND}))
    assert set(read_kept(kept, plan, "code")["columns"]) == {"clean", "noisy"}
    assert read_kept(kept, plan, "other code")["columns"] == {}
    assert read_kept(kept, replace(plan, steps=200), "code")["columns"] == {}
    noisier = replace(plan, columns={**plan.columns, "noisy": replace(plan.columns["noisy"], source={"shuffled": 0.5})})
    assert set(read_kept(kept, noisier, "code")["columns"]) == {"clean"}
    # What is claimed may be said otherwise without running anything again: git has both, and when.
    assert set(read_kept(kept, replace(plan, expected={}), "code")["columns"]) == {"clean", "noisy"}


def test_the_page_keeps_words_and_says_who_is_above_and_which_recipe_is_for_which_data(tmp_path):
    plan = load_comparison(written(tmp_path / "plan.yaml"))
    found = {"plan": said_of(plan), "confidence": 0.9, "columns": FOUND, "expected": judge(plan, {"columns": FOUND})}
    page = tmp_path / "plan.md"
    page.write_text(f"# Ours\n{BEGIN}\nbefore this\n{END}\nWhy that may be.\n")
    write_page(page, found)
    text = page.read_text()
    assert text.startswith("# Ours\n")
    assert text.endswith("Why that may be.\n")
    assert "before this" not in text
    lines = list(markdown(found))
    assert "| `alip` | 100 | 10 | 59.0% ± 2.0% ▼ | 47.0% ± 2.0% ▲ |" in lines
    assert "| clean: some data | `clip` | – | – | `alip`, `filip` |" in lines
    assert "| noisy: some data | `alip` | – | `alip` | – |" in lines
    assert any("*holds* | +0.060" in line for line in lines)
    assert list(markdown({"columns": {}})) == ["Nothing was run yet."]
    shown = render(found)
    assert shown == render(found)
    assert shown.index("clean: ") < shown.index("noisy: ")


def test_the_comparison_of_this_repository_is_sound():
    plan = load_comparison(REPOSITORY / "docs/comparison.yaml")
    assert plan.calibration is not None
    assert plan.calibration.seeds * 2 >= 40
    assert len(plan.seeds) >= 3
    claimed = {one.claim.arm.rpartition("+")[2].partition(":")[0] for one in plan.expected.values()}
    recipes = {name.rpartition("+")[2].partition(":")[0] for name in plan.rows} - {"clip"}
    assert claimed >= recipes, "each paper's claim is written down"


@pytest.mark.timeout(1800)  # some 40 stages, each a process of DVC and of most one of its own
def test_a_plan_is_run_and_goes_on_where_it_was(tmp_path):
    root = make_workspace(tmp_path / "own")
    leave_out_probe(root, "clip", "siglip")
    claim = {"metric": FIRST, "arm": "siglip", "against": "clip", "at_least": -1.0}
    plan = {
        "rows": ["clip", "siglip"], "steps": 5, "scale": "debug", "seeds": [0, 1], "source": {"name": "scenes"},
        "columns": {
            "clean": {"about": "as it is"},
            "noisy": {"about": "half are lies", "rows": ["clip"], "source": {"captions": {"short": {"lie": 0.5}}}, "steps_of": "clean"},
        },
        "expected": {"kept": {"column": "clean", "claim": claim, "queries": 5}},
        "calibration": {"row": "clip", "column": "clean", "seeds": 3},
    }  # fmt: skip
    (root / "plan.yaml").write_text(yaml.safe_dump(plan))
    jobs = str(min(2, cores()))
    refused = diptych(root, "sweep", "--plan", "plan.yaml")
    assert "plan.yaml is not committed as it is" in refused.stderr
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "maintenance.auto=false"]
    for command in (["add", "plan.yaml"], ["commit", "-q", "-m", "what is claimed"]):
        subprocess.run([*git, *command], cwd=root, check=True)

    first = diptych(root, "sweep", "--plan", "plan.yaml", "--columns", "clean", "--jobs", jobs)
    assert first.returncode == 0, first.stderr
    kept = json.loads((root / "plan.json").read_text())
    assert list(kept["columns"]) == ["clean"]
    assert kept["expected"]["kept"]["outcome"] == "holds"
    whole = diptych(root, "sweep", "--plan", "plan.yaml", "--jobs", jobs, "--json")
    assert whole.returncode == 0, whole.stderr
    found = json.loads(whole.stdout.splitlines()[-1])
    assert found["columns"]["clean"] == kept["columns"]["clean"], "what was there is not run again"
    steps = {name: [its["steps"] for its in one["rows"].values()] for name, one in found["columns"].items()}
    assert steps["clean"][0] == steps["noisy"][0] == [5]
    one, other = (found["calibration"]["values"][FIRST][side] for side in ("one", "other"))
    assert len(one) == len(other) == 3
    assert one != other or not any(itertools.chain(one, other))
    assert "| `siglip` |" in (root / "plan.md").read_text()
    assert (root / ".diptych/sweeps/plan.html").exists()
    assert not list((root / ".diptych/proofs").glob("comparison*/clip-*"))

    flags = ["--data", "scenes", "--scale", "debug", "--steps", "5", "--seeds", "0,1"]
    said = diptych(root, "compare", "clip", *flags, "--jobs", jobs, "--to", "table.json")
    assert said.returncode == 0, said.stderr
    table = json.loads((root / "table.json").read_text())
    assert table["command"] == f"diptych compare clip {' '.join(flags)}"
    assert table["rows"]["clip"]["steps"] == [5]
    assert table["rows"]["clip"]["beside_first"] == 1
    assert min(table["rows"]["clip"]["cpu_s"]) > 0
    assert table["rows"]["clip"]["metrics"][FIRST]["values"] == one[:2], "the usual training is one of the two"
    assert "clip: 5 steps, " in said.stdout
