"""docs/admission.md: its settings, words and reasons are the code's."""

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args, get_type_hints

import yaml

from components.contracts.admit import Admit
from components.contracts.reasons import REASONS
from components.data.admission import YES
from components.data.sources.columns import FLAGS, NAMES

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/admission.md").read_text()


def test_the_example_is_one_that_params_take_and_names_every_setting_and_word():
    said = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0])["admit"]
    assert Admit(**{**said, "licences": tuple(said["licences"])}) != Admit()
    assert list(said) == [field.name for field in fields(Admit)]
    for name, kind in get_type_hints(Admit).items():
        line = next(line for line in PAGE.splitlines() if line.startswith(f"  {name}:"))
        assert all(word in line for word in get_args(kind) if isinstance(word, str))


def test_params_stand_as_the_page_says_with_everything_let_in():
    said = yaml.safe_load((REPOSITORY / "params.yaml").read_text())["admit"]
    assert Admit(**{**said, "licences": tuple(said["licences"])}) == Admit()
    assert list(said) == [field.name for field in fields(Admit)]


def test_reasons_and_words_are_those_of_the_code():
    rows = re.findall(r"^\| `[^|]+` \| .+ \| `(\w+)` \|$", PAGE, re.MULTILINE)
    assert rows == [code for code, its in REASONS.items() if "admit." in its.meaning]
    words = re.findall(r"`(\w+)`", PAGE.partition("a plain yes (")[2].partition(")")[0])
    assert set(words) == YES - {"y", "1.0"}
    assert {name for flag in FLAGS for name in NAMES[flag]} == {"consent", "health", "phi"}
