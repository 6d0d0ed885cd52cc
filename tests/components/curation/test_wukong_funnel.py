"""Wukong's filters, as its recipe has them, on 3,000 samples with planted faults: each is found under its reason, and nothing else goes."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from components.contracts.progress import silent
from components.curation.ops.mask_names import PERSON
from components.curation.pipeline import curated
from components.data.manifest import SCHEMA
from components.recipes.curation import build_ops
from components.recipes.recipe import load_recipe
from tests.components.curation.toy import ToyMaker, row
from tests.squares import REPOSITORY

COUNT, SHORT, LONG, LATIN, FILE, REPEATED, NAMED = 3000, 300, 150, 300, 100, 50, 100
KINDS = (
    ["a side too short"] * SHORT
    + ["a long strip"] * LONG
    + ["no Han"] * LATIN
    + ["file"] * FILE
    + ["repeated"] * REPEATED
    + ["named"] * NAMED
)
REASONS = {
    "a side too short": "a side too short", "a long strip": "a long strip", "no Han": "fewer than 1 Han characters",
    "file": "the name of a file", "repeated": "text of more than 10 samples",
}  # fmt: skip
THINGS, SHADES, WHERE = "圆方星心月花鸟鱼", "红黄蓝绿黑白紫橙", ("左上", "右上", "左下", "右下", "中间")


@pytest.fixture(scope="module")
def planted() -> list[tuple[str, dict]]:
    """Fault, or none, and row; captions of sound ones come ten times at most."""
    draw = np.random.default_rng(0)
    kinds = KINDS + [""] * (COUNT - len(KINDS))
    draw.shuffle(kinds)
    rows = []
    for at, kind in enumerate(kinds):
        said = f"{WHERE[at % 5]}的{SHADES[at % 8]}{THINGS[at // 8 % 8]},第{at // 9}号"
        width, height = (int(side) for side in draw.integers(200, 500, 2))
        if kind == "a side too short":
            height = int(draw.integers(8, 24))
            width = int(draw.integers(height, 2 * height))
        if kind == "a long strip":
            width = 3 * height + int(draw.integers(1, 900))
        said = {
            "no Han": f"Sale No. {at}", "file": f"图片_{at}", "repeated": "点击查看更多", "named": f"张小明先生与{said}",
        }.get(kind, said)  # fmt: skip
        digest = f"{at:064x}"
        rows.append((kind, row(
            at, key=f"k{at:04d}", width=width, height=height, sha256=digest, pixel_sha256=digest,
            texts=[{"text": said, "kind": "alt", "lang": "zh"}], labels={"concept": said, "category": None, "subcategory": None},
        )))  # fmt: skip
    return rows


@pytest.fixture(scope="module")
def sifted(planted):
    ops = build_ops(load_recipe(REPOSITORY, "wukong", "debug").curation)
    table = pa.Table.from_pylist([one for _, one in planted], SCHEMA)
    return curated(ops, table, ToyMaker(), 0, silent)


def test_every_planted_fault_goes_for_its_reason_and_nothing_else_goes(planted, sifted):
    left, reports = sifted
    stays = set(left["key"].to_pylist())
    went = Counter(kind for kind, one in planted if one["key"] not in stays)
    assert went == {
        "a side too short": SHORT,
        "a long strip": LONG,
        "no Han": LATIN,
        "file": FILE,
        "repeated": REPEATED,
    }
    dropped = {reason: count for report in reports for reason, count in report.dropped.items()}
    assert dropped == {REASONS[kind]: count for kind, count in went.items()}


def test_names_are_masked_and_all_else_is_as_it_was(planted, sifted):
    texts = {one["key"]: one["texts"][0]["text"] for one in sifted[0].select(["key", "texts"]).to_pylist()}
    for kind, one in planted:
        if one["key"] in texts:
            said = one["texts"][0]["text"]
            assert texts[one["key"]] == (said.replace("张小明", PERSON) if kind == "named" else said)
