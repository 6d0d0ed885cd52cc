"""The table of docs/checks.md is what the catalogue and the reasons say."""

import json
import re
from dataclasses import fields, replace
from pathlib import Path

import yaml

from components.contracts.needs import Needs
from components.contracts.reasons import REASONS
from components.recipes.section import build
from components.validation.check import read_catalogue
from components.validation.fit import BAR, LEAST
from components.validation.needs import samples_suite, texts_suite
from tests.benchmarks.data_check import table
from tests.near_captions import spelled_alike

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "checks.md").read_text(encoding="utf-8")


def test_every_reason_of_a_check_stands_in_the_table_with_its_policy_and_meaning():
    stands = re.findall(r"^\| `(\w+)` \| ([\w ]+) \| (.+) \|$", PAGE, re.MULTILINE)
    codes = [code for entry in read_catalogue().values() for code in entry.reasons]
    assert stands == [(code, REASONS[code].policy or "always set aside", REASONS[code].meaning) for code in codes]


def test_what_a_recipe_may_need_on_the_page_is_taken_and_its_reasons_are_all_there():
    section = PAGE.partition("## What a recipe needs")[2].partition("\n## ")[0]
    shown = yaml.safe_load(section.partition("```yaml\n")[2].partition("```")[0])["curation"]["needs"]
    needs = build(shown, Needs).at(pixels=40, context=24)
    assert {*shown, "seconds"} == {one.name for one in fields(Needs)}
    both = replace(needs, kinds=("documents", "regions", "spans"), seconds=(1.0, 30.0))
    suites = (samples_suite(both), texts_suite(both))
    held = [one.meta["reason"] for suite in suites for one in suite.expectations]
    rows = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
    assert [code for row in rows for code in re.findall(r"`(\w+)`", row)] == held


def test_numbers_of_the_page_are_those_that_were_measured():
    said = json.loads((DOCS / "benchmarks/validate.json").read_text())
    ours, without = said["ours"], said["without_near_captions"]
    assert ours["rows"] == without["rows"] == 1_000_000
    more = ours["cpu_s"] - without["cpu_s"]
    assert f"take {ours['cpu_s']:.0f} s of CPU, {more:.0f} of them for captions that are nearly the same, and" in PAGE
    assert f"and {ours['peak_gb']:.1f} GB" in PAGE


def test_numbers_of_near_captions_are_those_that_were_measured():
    said = json.loads((DOCS / "benchmarks/near-captions.json").read_text())
    text = " ".join(PAGE.split())
    found = [f"{its['found']:,}" for its in said["edits"].values()]
    assert "Of {:,} captions planted".format(*{its["planted"] for its in said["edits"].values()}) in text
    assert f"{found[0]} were found where one word was changed, {found[1]} with two and {found[2]} with three" in text
    assert not any(its["wrong"] for its in (*said["edits"].values(), *said["templates"].values()))
    assert f"of {sum(its['captions'] for its in said['templates'].values())} captions of seven templates, " in text
    assert len(said["templates"]) == 7
    other = said["not_chosen_on"]
    assert other["wrong"] == 0
    one, two, three = (f"{found:,}" for found in other["found"])
    assert f"{one}, {two} and {three} were found, and of six other templates none." in text
    assert "nine captions and six templates that no threshold was chosen on" in other["about"]
    alike = spelled_alike()
    assert said["spelled_alike"] == {"captions": len(alike), "wrong": len(alike)}
    told = ", ".join(f"{alike.count(caption)} *{caption}*" for caption in dict.fromkeys(alike)).replace(", ", " and ")
    assert f"all of {len(alike)} captions, {told}." in text
    assert f"A million take {said['million']['cpu_s']:.0f} s of CPU" in text


def test_numbers_of_misfits_are_those_that_were_measured():
    said = json.loads((DOCS / "benchmarks/misfit.json").read_text())
    known, every = said["trained_on"], said["all"]
    text = " ".join(PAGE.split())
    assert f"600 steps on {known['pairs']} scenes, finds {known['found']} of {known['exchanged']} captions" in text
    assert f"and names {known['others']} other; of all {every['pairs']} scenes" in text
    assert (
        f"it finds {every['found']} of {every['exchanged']} and names {every['others']} others, all of them new" in text
    )
    assert every["others"] == every["others_not_trained_on"]
    assert said["bar"] == BAR
    assert f"more than {BAR} spreads below" in text
    assert f"Of fewer than {LEAST} scores" in text


def test_settings_that_the_page_names_are_those_of_the_catalogue():
    catalogue = read_catalogue()
    leaks, poison = catalogue["leaks"].init_args, catalogue["poison"].init_args
    assert f"at most {leaks['bits']} of the 64 bits" in PAGE
    assert f"by at most {leaks['colour']} of 1" in PAGE
    assert f"at least {poison['least']} training pictures" in PAGE
    assert catalogue["near_duplicates"].init_args == {"bits": leaks["bits"], "colour": leaks["colour"]}
    assert (leaks["words"], leaks["boilerplate"]) == (13, 10)


def test_the_table_beside_other_tools_is_what_was_measured():
    said = json.loads((DOCS / "benchmarks/data-check.json").read_text())
    assert table(said) in PAGE
    assert f"{said['clean']} sound pictures and six of each defect" in PAGE
    assert said["each"] == 6
    assert [tool for tool, its in said["tools"].items() if its["error"]] == ["cleanvision"]
