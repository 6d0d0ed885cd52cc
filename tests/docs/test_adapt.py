"""docs/adapt.md: its command is one, its numbers are the code's, its files are there."""

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
from flows.cli import _parser
from tests.benchmarks.adapt_beside import GAIN, LOSS, against_best, over_seeds, row_of
from tests.benchmarks.adapt_quarter import sentence

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/adapt.md").read_text()


def test_the_commands_are_those_there_are():
    commands = re.findall(r"```sh\n\.venv/bin/diptych (.*?)\n```", PAGE)
    alone, in_workspace = (_parser().parse_args(shlex.split(command)) for command in commands)
    for asked in (alone, in_workspace):
        assert (asked.data, asked.budget, len(asked.sets), asked.most_lost) == ("pictures", 900.0, 1, None)
    assert (alone.to, in_workspace.to) == (Path("adapted"), None)


def test_the_numbers_are_those_of_the_code():
    assert f"for\n   {FIRST} steps" in PAGE
    assert f"`--most-lost` ({MOST_LOST:g})" in PAGE
    assert RankRule().pair_share + RankRule().val_share == 1 / 5
    assert (len(USUAL), set(USUAL) < set(ways())) == (4, True)
    assert len(ALPHAS) == 5
    assert 0.0 in ALPHAS
    assert f"fewer than {FEW_TO_CHOOSE_BY} pictures many ways do alike" in PAGE
    assert f"fewer than {FEW_TO_CHOOSE_BY} pictures to choose by" in PAGE
    assert (FOLDS, PAGE.count("by five folds of")) == (5, 2)


def test_a_step_is_what_it_is_by_itself():
    assert (OF_CAPTIONS[0], OF_LABELS[0]) == (0.5, 0.75)
    assert (
        f"in steps of {OF_CAPTIONS[1]} half of which are of the start's (of {ROOM} labels or fewer in steps of {OF_LABELS[1]}, three quarters)"
        in PAGE
    )
    assert f"Muon at 5e-3 in our recipes), else by AdamW at {UNKNOWN.lr:.0e}".replace("e-04", "e-4") in PAGE


def test_every_file_that_is_named_is_there():
    named = re.findall(r"`((?:components|tests)/[\w./]+)`", PAGE) + [
        f"docs/{name}" for name in re.findall(r"\]\(([\w-]+\.md)\)", PAGE)
    ]
    assert len(named) > 4
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


def test_the_table_is_what_was_measured():
    said = json.loads((REPOSITORY / "docs/benchmarks/adapt.json").read_text())
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if re.match(r"\| \d", line)
    ]
    assert len(rows) == len(said["runs"])
    for (seed, way, here, emoji, whole, _), run in zip(rows, said["runs"], strict=True):
        assert (int(seed), way) == (run["seed"], f"{run['way']}, {run['steps']} steps, alpha {run['alpha']:g}")
        assert here.startswith(f"{100 * run['own']['difference']:+.1f} ({100 * run['own']['low']:+.1f} to")
        assert emoji.startswith(f"{100 * run['emoji']['difference']:+.1f} (")
        assert whole == f"{100 * run['all_the_way']['emoji']:+.1f}"
    val = [100 * run["all_the_way"]["val"] for run in said["runs"]]
    assert f"gain {min(val):.0f} to {max(val):.0f} points on `val`" in PAGE
    assert said["command"] in PAGE
    assert f"`{said['commit']}`" in PAGE
    was = kept("adapt-shapes-shown-as-own")
    had, kept_of = (", ".join(f"{100 * run[of]['difference']:+.1f}" for run in was["runs"]) for of in ("own", "emoji"))
    assert f"(commit `{was['commit']}`), the start's pictures had it {had} here, and {kept_of} on the emoji" in PAGE
    assert said["runs"][1]["emoji"]["difference"] < -MOST_LOST, "as with seed 1"
    lost_more = [
        now["emoji"]["value"] < then["emoji"]["value"] for now, then in zip(said["runs"], was["runs"], strict=True)
    ]
    assert sum(lost_more) == 2, "with two seeds of three"
    alone = kept("adapt-shapes-alone")
    here, emoji = (", ".join(f"{100 * run[of]['difference']:+.1f}" for run in alone["runs"]) for of in ("own", "emoji"))
    assert (
        f"By the four ways that race else (`{alone['commit']}`, without `--usual`) it was {here} here, and {emoji} on the emoji"
        in PAGE
    )


def kept(name):
    path = REPOSITORY / f"docs/benchmarks/{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def points(of):
    return f"{100 * of['mean']:+.1f} ({100 * of['low']:+.1f} to {100 * of['high']:+.1f})"


def test_what_adapting_is_held_against_is_what_was_measured():
    names = ("designer", "stamps", "tuxpaint", "digits-100", "digits", "designer-alone", "digits-alone")
    before, shown_as_own = kept("adapt-designer-adamw"), kept("adapt-designer-shown-as-own")
    told = [json.loads((REPOSITORY / f"docs/benchmarks/adapt-{name}.json").read_text()) for name in names]
    assert [line for line in PAGE.splitlines() if re.match(r"\| `(designer|stamps|tuxpaint|digits)` ", line)] == [
        *map(row_of, told)
    ]
    assert [len(said["runs"]) for said in (before, shown_as_own, *told)] == [10, 10, 5, 5, 5, 5, 5, 5, 5]
    for said in (before, *told[:5]):
        assert f"`{said['commit']}`" in PAGE
    assert len({told[0]["commit"], told[1]["commit"], told[3]["commit"]}) == 1, "one commit is named for them"
    (by_designer, by_stamps), starts = ([run["steps"] for run in said["runs"]] for said in told[:2]), told[1]["runs"]
    assert f"had {by_designer[0]} steps on the designer's and {by_stamps[0]} on stamps" in PAGE
    assert (set(by_designer), set(by_stamps)) == ({by_designer[0]}, {by_stamps[0]})
    assert all(
        said["command"].split(" --seeds")[0] in PAGE.replace("designer|stamps", said["mine"]) for said in told[:2]
    )
    ten, first = (points(against_best(shown_as_own["runs"][of])["gain"]) for of in (slice(10), slice(5)))
    assert (
        f"Shown as one's own are (commit `{shown_as_own['commit']}`) it was {ten} over ten seeds, and {first} over the first five"
        in PAGE
    )
    took = [run["wall_s"] for said in told[:2] for run in said["runs"]]
    assert f"a race took {min(took):.0f} to {max(took):.0f} s of its 240" in PAGE
    assert f"less of it is taken, with {sum(0 < run['alpha'] < 1 for run in starts)} of the five seeds" in PAGE
    kept_less = kept("adapt-stamps-shown-as-own")
    assert (
        f"(commit `{kept_less['commit']}`), what is learnt from again kept less: it was {points(kept_less['against_best']['gain'])}, and less"
        in PAGE
    )
    assert all(0 < run["alpha"] < 1 for run in kept_less["runs"]), "was taken with each of the seeds"
    of_few = [[100 * run["beside"]["plain tuning"]["own"], 100 * run["adapted"]["own"]] for run in told[3]["runs"]]
    (least, least_adapted), (most, most_adapted) = (map(end, zip(*of_few, strict=True)) for end in (min, max))
    of_before, of_now = (100 * said["runs"][0]["adapted"]["own"] for said in (kept("adapt-digits-100-before"), told[3]))
    assert f"came to {of_before:.0f}% by the cache (commit `{kept('adapt-digits-100-before')['commit']}`, " in PAGE
    assert f"where it comes to {of_now:.0f}%" in PAGE
    assert (
        f"ten to choose by, {least:.0f} to {most:.0f}%, and adapting {least_adapted:.0f} to {most_adapted:.0f}%" in PAGE
    )
    farther, recalled = kept("adapt-stamps-before"), kept("adapt-stamps-recalled")
    assert f"(commit `{farther['commit']}`) it was {points(farther['against_best']['gain'])}" in PAGE
    pairs = zip(farther["runs"], recalled["runs"], strict=True)
    told_apart = over_seeds([held["adapted"]["own"] - one["adapted"]["own"] for one, held in pairs])
    assert told_apart["low"] < 0 < told_apart["high"]
    assert (
        f"(a recall of 3, by itself in commit `{recalled['commit']}` alone) changed nothing that five seeds could tell: {points(told_apart)} here"
        in PAGE
    )
    assert f"it was {points(before['against_best']['gain'])} over ten seeds" in PAGE
    plain, adapted = (
        100 * fmean(arm["own"] for arm in arms)
        for arms in ([run["beside"]["plain tuning"] for run in starts], [run["adapted"] for run in starts])
    )
    assert f"by Muon names {plain:.0f}% of the stamps where adapting names {adapted:.0f}%" in PAGE
    assert {run["beside"]["plain tuning"]["by"] for run in starts} == {"Muon at 5e-3"}
    left = [100 * run["beside"]["plain tuning"]["emoji"] for run in starts]
    known = 100 * starts[0]["beside"]["start"]["emoji"]
    assert f"finds {min(left):.0f} to {max(left):.0f}% of the start's emoji, of which it found {known:.0f}%" in PAGE
    many, by_adamw = (
        [100 * fmean(run["beside"]["plain tuning"]["own"] for run in runs), 100 * fmean(run["adapted"]["own"] for run in runs)]
        for runs in (told[4]["runs"], kept("adapt-digits-adamw")["runs"])
    )  # fmt: skip
    assert f"plain tuning knows {many[0]:.1f}%, above which" in PAGE
    more = 100 * told[4]["against_best"]["emoji"]["mean"]
    assert f"adapting knows {many[1]:.1f}%, and {more:.1f} points more of the emoji" in PAGE
    assert max(run["beside"]["plain tuning"]["emoji"] for run in told[4]["runs"]) < 0.06, "all but everything"
    assert f"(commit `{kept('adapt-digits-adamw')['commit']}`), it was {by_adamw[0]:.1f} and {by_adamw[1]:.1f}%" in PAGE
    was = kept("adapt-tuxpaint-shown-as-own")
    its = 100 * fmean(run["adapted"]["own"] for run in was["runs"])
    assert f"(commit `{was['commit']}`) its pictures kept less, so that adapting came to {its:.1f}%" in PAGE
    tux = kept("adapt-tuxpaint")["runs"]
    start, tuned = (100 * fmean(run["beside"][arm]["own"] for run in tux) for arm in ("start", "plain tuning"))
    assert f"the start finds {start:.1f}% of their sentences" in PAGE
    assert (
        f"Plain tuning comes to {tuned:.1f}%, adapting to {100 * fmean(run['adapted']['own'] for run in tux):.1f}%"
        in PAGE
    )
    five_ways = kept("adapt-designer-five-ways")
    assert f"in steps of {five_ways['batch']}, gained {points(five_ways['against_best']['gain'])}" in PAGE
    assert {run["way"] for run in told[0]["runs"]} == {"continued"} != {run["way"] for run in five_ways["runs"]}
    assert f"are found {100 * told[0]['against_best']['gain']['mean']:.1f} points more often than by the best" in PAGE
    assert (
        f"Claimed are {100 * GAIN:g} points more\nthan the best of the three, and no more than {100 * LOSS:g} point lost"
        in PAGE
    )


def test_the_quarter_of_an_hour_is_what_was_measured():
    assert f"(`tests/benchmarks/adapt_quarter.py`): {sentence(kept('adapt-quarter'))}" in PAGE


def test_the_general_sets_are_those_of_the_recipe():
    listed = read_yaml(REPOSITORY / "components/recipes/adapted.yaml").values["evaluation"]["sets"]
    assert list(listed) == ["general", "drawn", "digits"]
    assert all(f"`{name}`" in PAGE for name in listed)


def test_what_options_do_is_what_was_measured():
    said = json.loads((REPOSITORY / "docs/benchmarks/adapt-options.json").read_text())
    assert said["command"] in PAGE
    start = {run["seed"]: run for run in said["runs"] if run["arm"] == "start"}
    assert len(start) == 3
    assert f"{said['steps']} steps on {said['pictures'] // 2} painted shapes" in PAGE
    rows = re.findall(r"\| [a-z ]+ \| `--\w+ ([\w-]+)` \| (.*?) \| (.*?) \|", PAGE)
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


def test_general_pictures_are_as_many_as_the_page_says():
    assert f"At most {MOST:,} are taken" in PAGE
