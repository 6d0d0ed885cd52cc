"""A written comparison: what it may say, verdicts and chance by hand, its page, and one that is run, ended and gone on with."""

import json
import random
import subprocess
from dataclasses import replace

import pytest
import yaml

from components.contracts.errors import Busy, ConfigError, DataError
from components.data.processes import cores
from components.recipes.comparison import load_comparison
from components.stages.lock import hold
from components.stages.place import private
from flows.proving.advice import crossed, taken
from flows.proving.compare import METRICS
from flows.proving.comparison import check_plan, judge_again, read_kept, said_of, write
from flows.proving.expected import chance, verdict
from flows.proving.page import BEGIN, END, check_page, markdown, render, write_page
from tests.workspace import REPOSITORY, diptych, leave_out_probe, make_workspace

FIRST = METRICS[0]
CLAIM = {
    "column": "noisy", "queries": 200, "source": "Yang et al. 2023.",
    "claim": {"metric": FIRST, "arm": "alip", "against": "clip", "at_least": 0.02},
}  # fmt: skip
PLAN = {
    "rows": ["clip", "alip", "filip"],
    "steps": 100,
    "overrides": {"method": {"init_args": {"objective": {"class_path": "components.objectives.softmax.SoftmaxLoss"}}}},
    "columns": {"clean": {"about": "as it is"}, "noisy": {"about": "four in ten shuffled", "source": {"shuffled": 0.4}, "steps_of": "clean"}},
    "expected": {"weighs": CLAIM},
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
        "start": "drawn",
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
        ({"expected": {"weighs": {**CLAIM, "column": "dirty"}}}, "names 'dirty'"),
        (
            {"columns": {**PLAN["columns"], "noisy": {"about": "", "rows": ["clip"]}}},
            "name the arm 'alip', but there are clip",
        ),
        ({"calibration": {"row": "clip", "column": "clean", "seeds": 2}}, "calibration.seeds 2"),
        (
            {"expected": {"weighs": {**CLAIM, "claim": {**CLAIM["claim"], "at_least": None}}}},
            "weighs in expected.* both at_least and at_most, or neither",
        ),
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


def test_a_claim_is_judged_seed_by_seed_as_a_proof_judges_it(tmp_path):
    plan = load_comparison(written(tmp_path / "plan.yaml"))
    found = verdict(plan.expected["weighs"], FOUND["noisy"]["rows"])
    assert found["outcome"] == "holds"
    assert found["values"] == pytest.approx([0.06, 0.07, 0.05])
    assert found["queries"] == 280
    ratio = {**CLAIM["claim"], "by": "ratio", "at_least": 1.2}
    said = load_comparison(written(tmp_path / "plan.yaml", expected={"weighs": {**CLAIM, "claim": ratio}})).expected[
        "weighs"
    ]
    assert verdict(said, FOUND["noisy"]["rows"])["values"] == pytest.approx([1.15, 48 / 41, 47 / 42], abs=1e-5)
    assert verdict(said, FOUND["noisy"]["rows"])["outcome"] != "holds"
    above = {"metric": FIRST, "arm": "alip", "against": "chance", "at_least": 0.4}
    said = load_comparison(written(tmp_path / "plan.yaml", expected={"weighs": {**CLAIM, "claim": above}})).expected[
        "weighs"
    ]
    assert verdict(said, FOUND["noisy"]["rows"])["mean"] == pytest.approx(0.466)


def test_fewer_queries_than_were_promised_are_no_evidence(tmp_path):
    plan = load_comparison(written(tmp_path / "plan.yaml"))
    few = column(clip=row(0.4, 0.4, 0.4), alip=row(0.5, 0.5, 0.5, queries=150))
    with pytest.raises(DataError, match="asked of 200 queries a seed, but 150"):
        verdict(plan.expected["weighs"], few["rows"])


def test_what_could_not_be_judged_or_run_is_told_before_anything_is_run(tmp_path):
    typo = {**CLAIM, "claim": {**CLAIM["claim"], "metric": "retrieval.pair.recal_at_1"}}
    with pytest.raises(ConfigError, match=r"weighs in expected claims retrieval\.pair\.recal_at_1, but compared are"):
        check_plan(REPOSITORY, load_comparison(written(tmp_path / "plan.yaml", expected={"weighs": typo})), [])
    plan = load_comparison(written(tmp_path / "plan.yaml", source={"name": "emojo"}))
    with pytest.raises(ConfigError, match=r"the column clean cannot be run: .*emojo"):
        check_plan(REPOSITORY, plan, ["clean"])


def test_a_claim_that_was_written_after_its_numbers_is_shown_as_that(tmp_path):
    """Numbers come first; whoever lowers a margin afterwards has it beside the verdict, and numbers stay where nothing can be judged."""
    path, git = (
        tmp_path / "plan.yaml",
        ["git", "-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "maintenance.auto=false"],
    )

    def commit() -> str:
        for command in (["init", "-q"], ["add", "plan.yaml"], ["commit", "-q", "-m", "as it is"]):
            subprocess.run([*git, *command], cwd=tmp_path, check=True)
        return subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout.strip()

    plan = load_comparison(written(path))
    first = commit()
    found = {"plan": said_of(plan), "confidence": 0.9, "columns": {"noisy": {**FOUND["noisy"], "commit": first}}}
    assert write(tmp_path, path, plan, found)["expected"]["weighs"]["afterwards"] is False
    lower = {**CLAIM, "claim": {**CLAIM["claim"], "at_least": 0.01}}
    plan = load_comparison(written(path, expected={"weighs": lower, "new": CLAIM}))
    commit()
    said = write(tmp_path, path, plan, found)
    assert [one["afterwards"] for one in said["expected"].values()] == [True, True]
    assert "*holds*, written afterwards" in "\n".join(markdown(said))
    plan = load_comparison(written(path, expected={"weighs": {**CLAIM, "source": "Yang et al. 2023, ALIP."}}))
    assert write(tmp_path, path, plan, found)["expected"]["weighs"]["afterwards"] is False, (
        "whose it is decides nothing"
    )
    plan = load_comparison(written(path, expected={"weighs": lower}))
    again = {**found, "columns": {"noisy": {**FOUND["noisy"], "commit": commit()}}, "first": {"noisy": first}}
    said = write(tmp_path, path, plan, again)
    assert said["expected"]["weighs"]["afterwards"] is True, "other code ran it anew, and the first numbers were seen"
    plan = load_comparison(written(path, expected={"weighs": {**CLAIM, "queries": 900}}))
    path.with_suffix(".json").unlink()
    with pytest.raises(DataError):
        write(tmp_path, path, plan, found)
    assert json.loads(path.with_suffix(".json").read_text())["columns"]["noisy"]["rows"]


def test_chance_is_said_of_the_column_that_was_calibrated_alone(tmp_path):
    clean = {**CLAIM, "column": "clean"}
    loss = {**clean, "claim": {**CLAIM["claim"], "at_least": -0.02}}
    fall = {**clean, "claim": {"metric": FIRST, "arm": "alip", "against": "clip", "at_most": -0.02}}
    asked = {"row": "clip", "column": "clean", "seeds": 20}
    plan = load_comparison(
        written(
            tmp_path / "plan.yaml",
            expected={"other": CLAIM, "clean": clean, "loss": loss, "fall": fall},
            calibration=asked,
        )
    )
    luck = random.Random(0)
    values = {FIRST: {side: [luck.gauss(0.6, 0.03) for _ in range(20)] for side in ("one", "other")}}
    found = chance(plan, {"calibration": {"row": "clip", "column": "clean", "values": values}})
    assert set(found["claims"]) == {"clean", "fall"}
    assert found["claims"]["clean"] == found["claims"]["fall"] < found["metrics"][FIRST] < 0.1


def test_what_was_found_counts_for_the_same_code_and_the_same_words_alone(tmp_path):
    plan, kept = load_comparison(written(tmp_path / "plan.yaml")), tmp_path / "plan.json"
    assert read_kept(kept, plan, "code")["columns"] == {}
    kept.write_text(json.dumps({"code": "code", "plan": said_of(plan), "columns": FOUND}))
    assert set(read_kept(kept, plan, "code")["columns"]) == {"clean", "noisy"}
    assert read_kept(kept, plan, "other code")["columns"] == {}
    assert read_kept(kept, plan, "other code")["left"] == ["clean", "noisy"]
    assert read_kept(kept, plan, "other code")["first"] == {"clean": "c0ffee" * 6, "noisy": "c0ffee" * 6}
    assert set(read_kept(kept, plan, None)["columns"]) == {"clean", "noisy"}
    assert read_kept(kept, replace(plan, steps=200), "code")["columns"] == {}
    noisier = replace(plan, columns={**plan.columns, "noisy": replace(plan.columns["noisy"], source={"shuffled": 0.5})})
    assert set(read_kept(kept, noisier, "code")["columns"]) == {"clean"}
    wider = replace(
        plan, columns={**plan.columns, "clean": replace(plan.columns["clean"], overrides={"training": {"batch": 64}})}
    )
    assert read_kept(kept, wider, "code")["columns"] == {}, "noisy has its steps of clean"
    # What is claimed may be said otherwise without running anything again: git has both, and when.
    assert set(read_kept(kept, replace(plan, expected={}), "code")["columns"]) == {"clean", "noisy"}


def test_the_page_keeps_words_and_says_who_is_above_and_which_recipe_is_for_which_data(tmp_path):
    plan = load_comparison(written(tmp_path / "plan.yaml"))
    found = {
        "plan": said_of(plan),
        "confidence": 0.9,
        "columns": FOUND,
        "expected": {"weighs": {**verdict(plan.expected["weighs"], FOUND["noisy"]["rows"]), "afterwards": False}},
    }
    page = tmp_path / "plan.md"
    page.write_text(f"# Ours\n{BEGIN}\nbefore this\n{END}\nWhy that may be.\n")
    write_page(page, found)
    text = page.read_text()
    assert text.startswith("# Ours\n")
    assert text.endswith("Why that may be.\n")
    assert "before this" not in text
    lines = list(markdown(found))
    assert "| `alip` | clean | 100 | 10 | 1.00 to 1.00 |" in lines
    assert "| `alip` | 59.0% ± 2.0% ▼ | 47.0% ± 2.0% ▲ |" in lines
    assert "| **clean**: some data | `clip` | none is so above `clip` |" in lines
    assert "| clean | pair (picture to text) | `clip` | – | – | `alip`, `filip` |" in lines
    assert "| noisy | pair (picture to text) | `alip` | – | `alip` | – |" in lines
    assert any("*holds* | +0.060" in line for line in lines)
    assert any("Of 4 such cells some 0 would have" in line for line in lines)
    assert any("Of 1 claims 1 hold, 0 do not, 0 are underpowered." in line for line in lines)
    assert list(markdown({"columns": {}})) == ["Nothing was run yet."]
    shown = render(found)
    assert shown == render(found)
    assert shown.index("clean: ") < shown.index("noisy: ")
    assert "<em>holds</em>" in shown
    assert "<code>alip</code>" in shown


def test_taken_is_what_is_above_by_two_metrics_and_below_by_none():
    pictures, texts, designer = (METRICS[at] for at in (0, 1, 3))

    def of(*by_metric):
        rows = (row(*values) for values in by_metric)
        measured = zip((pictures, texts, designer), rows, strict=False)
        return {"metrics": {metric: one["metrics"][FIRST] for metric, one in measured}}

    low, high = (0.20, 0.21, 0.22), (0.30, 0.31, 0.32)
    ways = {"clip": of(low, low, low), "ways": of(high, high, low), "both": of(low, high, high)}
    assert taken(ways) == {"both": [texts, designer]}, "both ways of the same pictures and texts are one question"
    rows = {
        "clip": of(low, low, low),
        "once": of(high, low, low),
        "twice": of(high, low, high),
        "but": of((0.1, 0.1, 0.1), high, high),
    }
    assert taken(rows) == {"twice": [pictures, designer]}
    assert taken({"clip": of(low), "once": of(high)}) == {}


def test_what_data_is_in_two_ways_at_once_is_shown_across():
    def of(**source):
        return {**FOUND["clean"], "start": "drawn", "source": {"name": "emoji", "languages": ["en"], **source}}

    columns = {
        "clean": of(), "noisy": of(shuffled=0.4), "few": of(kept=0.25), "both": of(kept=0.25, shuffled=0.4), "more": of(languages=["en", "de"]),
        "begun": {**of(kept=0.5, shuffled=0.1), "start": "small"},
    }  # fmt: skip
    ((down, across, cells),) = crossed(columns)
    assert (down, across) == ("kept", "shuffled")
    assert cells == {("", ""): "clean", ("", "0.4"): "noisy", ("0.25", ""): "few", ("0.25", "0.4"): "both"}
    lines = list(markdown({"plan": {"seeds": [0, 1, 2]}, "confidence": 0.9, "columns": columns}))
    assert "|  | shuffled as it is | `shuffled` 0.4 |" in lines
    assert "| `kept` 0.25 | `clip` | `clip` |" in lines


def test_what_was_found_is_judged_again_by_other_code_and_nothing_is_run(tmp_path):
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "maintenance.auto=false"]
    path = written(tmp_path / "plan.yaml")
    with pytest.raises(ConfigError, match=r"plan\.json is not there: nothing was run yet"):
        judge_again(tmp_path, path)
    for command in (["init", "-q"], ["add", "plan.yaml"], ["commit", "-q", "-m", "as it is"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True, text=True, check=True)
    columns = {name: {**one, "commit": commit.stdout.strip()} for name, one in FOUND.items()}
    kept = {"code": "older", "plan": said_of(load_comparison(path)), "confidence": 0.9, "columns": columns}
    path.with_suffix(".json").write_text(json.dumps(kept))
    found = judge_again(tmp_path, path)
    assert found["code"] == "older"
    assert found["columns"] == columns
    assert found["expected"]["weighs"]["outcome"] == "holds"
    assert "What became of the claims" in render(found)
    assert "The comparison" in render({**found, "columns": {}}), "a calibration alone is no table"
    with hold(private(tmp_path, "sweeps") / "plan.lock", "the comparison"), pytest.raises(Busy):
        judge_again(tmp_path, path)
    written(path, steps=200)
    with pytest.raises(ConfigError, match=r"plan\.yaml says something else of clean, noisy than when that was run"):
        judge_again(tmp_path, path)


def test_what_has_no_place_for_tables_or_is_no_comparison_is_told(tmp_path):
    page, kept = tmp_path / "plan.md", tmp_path / "plan.json"
    page.write_text("# Ours\n")
    with pytest.raises(ConfigError, match=r"plan\.md has no place for the tables"):
        check_page(page)
    plan = load_comparison(written(tmp_path / "plan.yaml"))
    for text in ("{}", "[]", '{"code":'):
        kept.write_text(text)
        with pytest.raises(DataError, match=r"plan\.json is not what a comparison wrote"):
            read_kept(kept, plan, "code")


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
    leave_out_probe(root, "clip", "clip_refine")
    later = "clip+clip_refine:1"
    claim = {"metric": FIRST, "arm": "clip", "against": "chance", "at_least": -9.0}
    plan = {
        "rows": [later, "clip"], "steps": 5, "scale": "debug", "seeds": [0, 1], "source": {"name": "scenes"},
        "columns": {
            "clean": {"about": "as it is"},
            "noisy": {"about": "half are lies", "rows": ["clip"], "source": {"captions": {"short": {"lie": 0.5}}}, "steps_of": "clean"},
        },
        "expected": {"kept": {"column": "clean", "claim": claim, "queries": 5}},
        "calibration": {"row": "clip", "column": "clean", "seeds": 2},
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
    assert steps["clean"][0] == [5, 1]
    assert steps["noisy"] == [[5]]
    values = found["calibration"]["values"]
    one = values[FIRST]["one"]
    assert len(one) == 2
    gap = values["features.val.modality_gap"]
    assert all(mine != its for mine, its in zip(gap["one"], gap["other"], strict=True)), (
        "another draw under the same seed"
    )
    assert f"| `{later}` |" in (root / "plan.md").read_text()
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
    assert table["rows"]["clip"]["metrics"][FIRST]["values"] == one, "the usual training is one of the two"
    assert "clip: 5 steps, " in said.stdout
