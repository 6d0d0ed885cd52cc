"""docs/adapt.md and docs/adapt-measured.md: their commands are ones, their numbers the code's and those that were measured, their files are there."""

import argparse
import json
import re
import shlex
from pathlib import Path
from statistics import fmean

from components.data.splits import RankRule
from components.evaluation.hard_data import FEW_TO_CHOOSE_BY
from components.finetuning.continued import UNKNOWN
from components.finetuning.labels.folds import FOLDS
from components.finetuning.race import FIRST
from components.finetuning.strategy import ALPHAS
from components.recipes.yaml_lines import read_yaml
from components.stages.raced import MOST_LOST
from components.stages.racing_ways import USUAL, ways
from components.stages.recalled import MOST
from components.stages.unasked import OF_CAPTIONS, OF_LABELS, ROOM
from flows.adapt_parser import add_adapt
from flows.cli import _parser
from tests.benchmarks.adapt_beside import GAIN, LOSS, over_seeds, row_of
from tests.benchmarks.adapt_kept import points as over_seeds_points
from tests.benchmarks.adapt_kept import refused
from tests.benchmarks.adapt_kept import sentence as over_seeds_kept
from tests.benchmarks.adapt_quarter import sentence

REPOSITORY = Path(__file__).parents[2]
PAGE, MEASURED = ((REPOSITORY / f"docs/{name}.md").read_text() for name in ("adapt", "adapt-measured"))


def test_the_commands_are_those_there_are():
    commands = re.findall(r"```sh\n\.venv/bin/diptych (.*?)\n```", PAGE)
    alone, in_workspace = (_parser().parse_args(shlex.split(command)) for command in commands)
    for asked in (alone, in_workspace):
        assert (asked.data, asked.budget, len(asked.sets), asked.most_lost) == ("pictures", 900.0, 1, None)
    assert (alone.to, in_workspace.to) == (Path("adapted"), None)


def test_the_numbers_are_those_of_the_code():
    assert f"All run for {FIRST} steps first" in PAGE
    assert f"`--most-lost` ({MOST_LOST:g})" in PAGE
    assert RankRule().pair_share + RankRule().val_share == 1 / 5
    assert (len(USUAL), set(USUAL) < set(ways())) == (4, True)
    assert len(ALPHAS) == 5
    assert 0.0 in ALPHAS
    assert f"With fewer than {FEW_TO_CHOOSE_BY} pictures in `val`" in PAGE
    assert f"fewer than {FEW_TO_CHOOSE_BY} pictures to choose by" in PAGE
    assert (FOLDS, PAGE.count("by five folds of")) == (5, 1)
    assert f"at most {MOST:,} are taken".capitalize() in PAGE


def test_a_step_is_what_it_is_by_itself():
    assert (OF_CAPTIONS[0], OF_LABELS[0]) == (0.5, 0.75)
    assert f"in steps of {OF_CAPTIONS[1]}, half of them the start's pictures" in PAGE
    assert f"(with at most {ROOM} labels: steps of {OF_LABELS[1]}, three quarters)" in PAGE
    assert f"(Muon at 5e-3 in our recipes), else AdamW at {UNKNOWN.lr:.0e}".replace("e-04", "e-4") in PAGE


def test_the_ways_are_those_there_are():
    rows = re.findall(r"^\| (`[^|]+) \| [^|]+ \|$", PAGE.split("## Ways to tune")[1].split("\n## ")[0], re.M)
    named = [name.replace("-", " ") for row in rows for name in re.findall(r"`([\w-]+)`", row)]
    assert sorted(named) == sorted(ways())
    assert tuple(named[: len(USUAL)]) == USUAL


def test_the_options_are_those_there_are():
    names = re.findall(
        r"`(--[\w-]+)", "".join(line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `--"))
    )
    parser = argparse.ArgumentParser()
    add_adapt(lambda *_: parser)
    known = {name for name in parser._option_string_actions if name.startswith("--")}
    assert set(names) == known - {"--help", "--from", "--to", "--network", "--json"}


def test_every_file_that_is_named_is_there():
    both = PAGE + MEASURED
    named = re.findall(r"`((?:components|flows|tests)/[\w./]+)`", both) + [
        f"docs/{name}" for name in re.findall(r"\]\(([\w/-]+\.(?:md|json))\)", both)
    ]
    assert len(named) > 20
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


def test_the_table_is_what_was_measured():
    said = json.loads((REPOSITORY / "docs/benchmarks/adapt.json").read_text())
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in MEASURED.splitlines()
        if re.match(r"\| \d", line)
    ]
    assert len(rows) == len(said["runs"])
    for (seed, way, here, emoji, whole, _), run in zip(rows, said["runs"], strict=True):
        assert (int(seed), way) == (run["seed"], f"{run['way']}, {run['steps']} steps, alpha {run['alpha']:g}")
        assert here.startswith(f"{100 * run['own']['difference']:+.1f} ({100 * run['own']['low']:+.1f} to")
        assert emoji.startswith(f"{100 * run['emoji']['difference']:+.1f} (")
        assert whole == f"{100 * run['all_the_way']['emoji']:+.1f}"
    val = [100 * run["all_the_way"]["val"] for run in said["runs"]]
    assert f"gain {min(val):.0f} to {max(val):.0f} points on `val`" in MEASURED
    assert said["command"] in MEASURED
    assert f"`{said['commit']}`" in MEASURED
    was = kept("adapt-shapes-shown-as-own")
    had, kept_of = (", ".join(f"{100 * run[of]['difference']:+.1f}" for run in was["runs"]) for of in ("own", "emoji"))
    assert f"(benchmarks/adapt-shapes-shown-as-own.json) | `{was['commit']}` | {had} | {kept_of} |" in MEASURED
    assert said["runs"][1]["emoji"]["difference"] < -MOST_LOST, "as with seed 1"
    alone = kept("adapt-shapes-alone")
    here, emoji = (", ".join(f"{100 * run[of]['difference']:+.1f}" for run in alone["runs"]) for of in ("own", "emoji"))
    assert (
        f"(benchmarks/adapt-shapes-alone.json), four ways race | `{alone['commit']}` | {here} | {emoji} |" in MEASURED
    )


def kept(name):
    path = REPOSITORY / f"docs/benchmarks/{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def points(of):
    return f"{100 * of.get('mean', of.get('difference')):+.1f} ({100 * of['low']:+.1f} to {100 * of['high']:+.1f})"


def test_what_adapting_is_held_against_is_what_was_measured():
    names = ("designer", "stamps", "tuxpaint", "digits-100", "digits", "designer-alone", "digits-alone")
    before, shown_as_own = kept("adapt-designer-adamw"), kept("adapt-designer-shown-as-own")
    told = [json.loads((REPOSITORY / f"docs/benchmarks/adapt-{name}.json").read_text()) for name in names]
    assert [
        line for line in MEASURED.splitlines() if re.match(r"\| `(designer|stamps|tuxpaint|digits)` \| \d", line)
    ] == [*map(row_of, told)]
    assert [len(said["runs"]) for said in (before, shown_as_own, *told)] == [10, 10, 5, 5, 5, 5, 5, 5, 5]
    for said in (before, *told[:5]):
        assert f"`{said['commit']}`" in MEASURED
    assert len({told[0]["commit"], told[1]["commit"], told[3]["commit"]}) == 1, "one commit is named for them"
    (by_designer, by_stamps), starts = ([run["steps"] for run in said["runs"]] for said in told[:2]), told[1]["runs"]
    assert f"had {by_designer[0]} steps on the designer's and {by_stamps[0]} on stamps" in MEASURED
    assert (set(by_designer), set(by_stamps)) == ({by_designer[0]}, {by_stamps[0]})
    assert all(
        said["command"].split(" --seeds")[0] in MEASURED.replace("designer|stamps", said["mine"]) for said in told[:2]
    )
    tried = ("designer-shown-as-own", "designer-adamw", "designer-five-ways", "stamps-shown-as-own", "stamps-before")
    rows = re.findall(r"^\| `\w+` \| .* \| `\w{8}` \| \[.*$", MEASURED, re.M)
    assert len(rows) == len(tried)
    for row, name in zip(rows, tried, strict=True):
        its = kept(f"adapt-{name}")
        link = f"[{points(its['against_best']['gain'])}](benchmarks/adapt-{name}.json)"
        assert row.startswith(f"| `{its['mine']}` | ")
        assert row.endswith(f" | `{its['commit']}` | {link} | {len(its['runs'])} |")
    took = [run["wall_s"] for said in told[:2] for run in said["runs"]]
    assert f"a race took {min(took):.0f} to {max(took):.0f} s of its 240" in MEASURED
    assert f"less of it is taken, with {sum(0 < run['alpha'] < 1 for run in starts)} of the five seeds" in MEASURED
    of_few = [[100 * run["beside"]["plain tuning"]["own"], 100 * run["adapted"]["own"]] for run in told[3]["runs"]]
    (least, least_adapted), (most, most_adapted) = (map(end, zip(*of_few, strict=True)) for end in (min, max))
    of_before, of_now = (100 * said["runs"][0]["adapted"]["own"] for said in (kept("adapt-digits-100-before"), told[3]))
    before_folds = (
        f"([numbers](benchmarks/adapt-digits-100-before.json), commit `{kept('adapt-digits-100-before')['commit']}`)"
    )
    assert f"came to {of_before:.0f}% by the cache {before_folds}, where it comes to {of_now:.0f}%" in MEASURED
    assert (
        f"plain tuning knows {least:.0f} to {most:.0f}%, and adapting {least_adapted:.0f} to {most_adapted:.0f}%"
        in MEASURED
    )
    farther, recalled = kept("adapt-stamps-before"), kept("adapt-stamps-recalled")
    pairs = zip(farther["runs"], recalled["runs"], strict=True)
    told_apart = over_seeds([held["adapted"]["own"] - one["adapted"]["own"] for one, held in pairs])
    assert told_apart["low"] < 0 < told_apart["high"]
    assert (
        f"changed nothing on `stamps` that five seeds could tell: {points(told_apart)} ([numbers](benchmarks/adapt-stamps-recalled.json), commit `{recalled['commit']}`)"
        in MEASURED
    )
    plain, adapted = (
        100 * fmean(arm["own"] for arm in arms)
        for arms in ([run["beside"]["plain tuning"] for run in starts], [run["adapted"] for run in starts])
    )
    assert f"by Muon names {plain:.0f}% of the stamps where adapting names {adapted:.0f}%" in MEASURED
    assert {run["beside"]["plain tuning"]["by"] for run in starts} == {"Muon at 5e-3"}
    left = [100 * run["beside"]["plain tuning"]["emoji"] for run in starts]
    known = 100 * starts[0]["beside"]["start"]["emoji"]
    assert (
        f"then finds {min(left):.0f} to {max(left):.0f}% of the start's emoji, of which it found {known:.0f}%"
        in MEASURED
    )
    many, by_adamw = (
        [100 * fmean(run["beside"]["plain tuning"]["own"] for run in runs), 100 * fmean(run["adapted"]["own"] for run in runs)]
        for runs in (told[4]["runs"], kept("adapt-digits-adamw")["runs"])
    )  # fmt: skip
    assert f"plain tuning knows {many[0]:.1f}%, above which" in MEASURED
    more = 100 * told[4]["against_best"]["emoji"]["mean"]
    assert f"adapting knows {many[1]:.1f}%, and {more:.1f} points more of the emoji" in MEASURED
    assert max(run["beside"]["plain tuning"]["emoji"] for run in told[4]["runs"]) < 0.06, "all but everything"
    its = f"([numbers](benchmarks/adapt-digits-adamw.json), commit `{kept('adapt-digits-adamw')['commit']}`)"
    assert f"came to {by_adamw[0]:.1f}% (plain) and {by_adamw[1]:.1f}% (adapted) {its}" in MEASURED
    was = kept("adapt-tuxpaint-shown-as-own")
    shown, now = (100 * fmean(run["adapted"]["own"] for run in said["runs"]) for said in (was, kept("adapt-tuxpaint")))
    assert (
        f"had `tuxpaint` at {shown:.1f}% in place of {now:.1f}% ([numbers](benchmarks/adapt-tuxpaint-shown-as-own.json), commit `{was['commit']}`)"
        in MEASURED
    )
    tux = kept("adapt-tuxpaint")["runs"]
    start = 100 * fmean(run["beside"]["start"]["own"] for run in tux)
    assert f"The start finds {start:.1f}% of their sentences" in MEASURED
    five_ways = kept("adapt-designer-five-ways")
    assert f"all five ways race, in steps of {five_ways['batch']}; {five_ways['budget_s']:.0f} s" in MEASURED
    assert f"AdamW in place of Muon, on both sides; {before['budget_s']:.0f} s" in MEASURED
    assert {run["way"] for run in told[0]["runs"]} == {"continued"} != {run["way"] for run in five_ways["runs"]}
    assert (
        f"are found {100 * told[0]['against_best']['gain']['mean']:.1f} points more often than by the best" in MEASURED
    )
    assert (
        f"Claimed are {100 * GAIN:g} points more than the best of the three, and no more than {100 * LOSS:g} point lost"
        in MEASURED
    )


def test_the_quarter_of_an_hour_is_what_was_measured():
    said, before = kept("adapt-quarter"), kept("adapt-quarter-before")
    assert f"(`tests/benchmarks/adapt_quarter.py`): {sentence(said)}" in MEASURED
    assert (
        f"(commit `{before['commit']}`) it was {points(before['whole']['own'])} points here, and {before['whole']['all_s'] / 60:.1f} minutes"
        in MEASURED
    )
    then, now = (f"{100 * one['killed']['own']['difference']:+.1f}" for one in (before, said))
    assert f"with another seed of the pictures {then}, where it is {now}." in MEASURED
    lost = said["killed"]["elsewhere"]["general"]["difference"]
    assert not any(refused(said[run], MOST_LOST) for run in ("whole", "killed"))
    assert f"came to {now} points here and {100 * lost:+.1f} on `general`, which the gate allows" in MEASURED
    furthest = kept("adapt-quarter-furthest")
    was = furthest["killed"]["elsewhere"]["general"]["difference"]
    assert refused(furthest["killed"], MOST_LOST)
    assert (
        f"lost {-100 * was:.1f} points on `general` and was refused ([numbers](benchmarks/adapt-quarter-furthest.json), commit `{furthest['commit']}`)"
        in MEASURED
    )


def test_how_often_the_gate_would_refuse_is_what_was_measured():
    now, furthest, fewer = (kept(f"adapt-kept{which}") for which in ("", "-furthest", "-before"))
    assert over_seeds_kept(now) in MEASURED
    for said in (furthest, fewer):
        assert all(said[name] == now[name] for name in ("pictures", "budget_s", "most_lost"))
        assert [run["seed"] for run in said["runs"]] == list(range(8))
        lost = sum(refused(run, said["most_lost"]) for run in said["runs"])
        general = over_seeds_points(run["elsewhere"]["general"] for run in said["runs"])
        assert f"| `{said['commit']}` | {lost} of {len(said['runs'])} | {general} |" in MEASURED
    assert {run["seed"] for run in now["runs"]}.isdisjoint(range(8))
    assert "1 of 8 either way" in MEASURED
    assert [sum(refused(run, said["most_lost"]) for run in said["runs"]) for said in (now, furthest)] == [1, 1]
    same = [
        all(one[name] == was[name] for name in ("alpha", "own"))
        for one, was in zip(furthest["runs"], fewer["runs"], strict=True)
    ]
    assert f"Of the two rows {sum(same)} of {len(same)} models are the same" in MEASURED
    assert len(same) - sum(same) == 1


def test_the_general_sets_are_those_of_the_recipe():
    listed = read_yaml(REPOSITORY / "components/recipes/adapted.yaml").values["evaluation"]["sets"]
    assert list(listed) == ["general", "drawn", "digits"]
    assert all(f"(`{name}`)" in PAGE for name in listed)


def test_what_options_do_is_what_was_measured():
    said = json.loads((REPOSITORY / "docs/benchmarks/adapt-options.json").read_text())
    assert said["command"] in MEASURED
    start = {run["seed"]: run for run in said["runs"] if run["arm"] == "start"}
    assert len(start) == 3
    assert f"{said['steps']} steps on {said['pictures'] // 2} painted shapes" in MEASURED
    rows = re.findall(r"\| [a-z ]+ \| `--\w+ ([\w-]+)` \| (.*?) \| (.*?) \|", MEASURED)
    arms = {
        run["arm"]: [one for one in said["runs"] if one["arm"] == run["arm"]]
        for run in said["runs"]
        if run["arm"] != "start"
    }
    assert len(rows) == len(arms)
    for (_, *cells), runs in zip(rows, arms.values(), strict=True):
        for cell, name in zip(cells, ("own", "general"), strict=True):
            moved = [100 * (run[name] - start[run["seed"]][name]) for run in runs]
            assert cell == f"{fmean(moved):+.1f} ({min(moved):+.1f} to {max(moved):+.1f})"
