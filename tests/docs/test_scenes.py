"""docs/scenes.md says what the generator does, and its numbers are those that were measured."""

import json
import re
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from components.data.sources.catalogue import build_source
from components.data.synthetic.scene import ROLES
from components.data.synthetic.scenes import ScenesSource
from components.data.synthetic.words import COLOURS, RELATIONS, SHAPES, SIZES, TEXTURES
from components.data.synthetic.writer import GRAMMARS, KINDS, concept
from tests.docs.scenes_sheet import sheet

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/scenes.md").read_text()


def test_the_example_is_one_that_can_be_asked_for():
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    source = build_source(yaml.safe_load(block)["source"])
    assert source.pictures == 20_000
    assert source.captions["alt"].swapped == 0.4


def test_the_picture_is_what_is_drawn():
    """The file has 64 colours, the sheet some more."""
    kept = np.asarray(Image.open(REPOSITORY / "docs/images/scenes.png").convert("RGB")).astype(int)
    assert kept.shape == sheet().shape
    assert abs(kept - sheet()).mean() < 3
    first = next(iter(ScenesSource().shown(0)))
    assert f"*{concept(first.scene)}*" in PAGE


def test_kinds_words_and_languages_are_those_there_are():
    assert tuple(re.findall(r"^\| `(\w+)` \|", PAGE.split("## What is said")[1].split("## ")[0], re.M)) == KINDS
    counts = f"{len(SHAPES)} shapes, {len(COLOURS)} colours, {len(SIZES)} sizes, {len(TEXTURES)} textures and {len(RELATIONS)} relations"
    assert counts in PAGE
    assert f"of {', '.join(GRAMMARS)}\n" in PAGE
    assert f"Of {len(ROLES)} pictures 2 are of `concept`, 2 of `designer`, 1 of `both`" in PAGE


def test_numbers_are_those_that_were_measured():
    measured = json.loads((REPOSITORY / "docs/benchmarks/scenes.json").read_text())
    said = PAGE.split("## How much, how fast")[1]
    for number in (*measured["pictures_per_cpu_s"].values(), *measured["sentences"].values()):
        if number != measured["pictures_per_cpu_s"]["alt captions of which 4 in 10 are swapped"]:
            assert f"{number:,}" in said
    assert measured["pictures_per_cpu_s"]["as they come, 64 px"] > 1000
    assert measured["sentences"]["of 2 things"] > 100_000


def test_what_a_model_makes_of_them_is_what_was_measured():
    measured = json.loads((REPOSITORY / "docs/benchmarks/scenes-clip.json").read_text())
    build_source(measured["source"])
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+)% \| ([\d.]+)% \| ([\d.]+)% \| ([\d.]+)% \|$", PAGE, re.M)
    assert [split for split, *_ in rows] == ["pair", "concept", "designer", "both"]
    for split, *said in rows:
        there, back = (
            measured["metrics"][f"retrieval.{split}.{way}.recall_at_1"] for way in ("image_to_text", "text_to_image")
        )
        numbers = (there["value"], back["value"], there["chance"], there["baseline"])
        assert said == [f"{100 * number:.1f}" for number in numbers]
