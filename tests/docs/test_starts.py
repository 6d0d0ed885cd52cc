"""docs/starts.md: what it shows can be said in params.yaml, and its command parses."""

import json
import re
import shlex
from pathlib import Path

import yaml

from components.recipes.params import UNTRAINED, Begin
from components.recipes.section import build
from components.recipes.starts import MAKERS, made_by
from components.registry.runs import START_DIGEST
from flows.choices import _number
from flows.cli import _parser

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/starts.md").read_text()


def test_the_starts_it_shows_are_starts():
    shown = yaml.safe_load(PAGE.split("```yaml")[1].split("```")[0])["recipes"]
    begun = {name: build(said, Begin) for name, said in shown.items()}
    assert begun["clip"] == Begin()
    assert made_by(begun["siglip"].start) == ("clip", "finetune")
    assert (made_by(begun["mine"].start), begun["mine"].model) == (None, "start")
    assert (REPOSITORY / UNTRAINED).is_file()


def test_its_command_sets_what_it_says():
    words = shlex.split(PAGE.split("```sh")[1].split("```")[0])
    parsed = _parser().parse_args(words[1:])
    assert _number(words[-1]) == ("recipes.siglip.start", "runs/clip/finetune")
    assert parsed.recipe == "siglip"


def test_the_folders_and_the_tag_are_the_codes():
    assert set(re.findall(r"`runs/NAME/(\w+)`", PAGE)) == set(MAKERS)
    assert f"`{START_DIGEST}`" in PAGE


def test_what_a_locked_tower_costs_is_what_its_proof_found():
    claims = json.loads((REPOSITORY / "docs/proofs/wukong.json").read_text())["claims"]
    found = {one["claim"].split(".")[2]: one for one in claims if one["claim"].startswith("late_interaction")}
    picture, name = (-100 * found[way]["mean"] for way in ("image_to_text", "text_to_image"))
    assert f"R@1 {picture:.1f} points (picture to name) and {name:.1f} points (name to picture) below" in PAGE
    assert all(one["high"] < 0 for one in found.values())
