"""Chinese texts of the web through the whole of dvc.yaml at `debug`: Wukong's tables sifted, an image tower begun from clip and locked, packaged."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from components.contracts.model_files import WEIGHTS
from components.data.tokenizers import Vocabulary
from components.recipes.params import UNTRAINED
from tests.own_pictures import paint
from tests.workspace import dvc, leave_out_probe, make_workspace
from tests.wukong_tables import line_of, write_table, write_wukong

pytestmark = pytest.mark.timeout(900)
PICTURES, TABLE = 60, 40
ODD = ["Sale 2024", "图片_12.jpg"]
NAMED = "张小明先生的红色图形"
LOCKED, START = "image.tower.tower.", "image."


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A workspace of which wukong is packaged; the second table has texts that its funnel is for."""
    home = tmp_path_factory.mktemp("wukong")
    said = paint(home / "mine", PICTURES)
    write_wukong(home / "tables", [(home / "mine" / name).read_bytes() for name in said])
    odd = [*ODD * 5, *[f"{NAMED}{number}" for number in range(10)]]
    write_table(
        home / "tables", 1, (line_of(f"https://img.example.cn/odd/{at}.jpg", text) for at, text in enumerate(odd))
    )
    root = make_workspace(
        home / "job", source={"name": "wukong", "path": "../tables"}, gates={"max_broken": 0.0},
        recipes={"clip": {"start": UNTRAINED}, "wukong": {"start": "runs/clip/pretrain"}},
    )  # fmt: skip
    leave_out_probe(root, "wukong")
    ran = dvc(root, "repro", "package@wukong")
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
    return root


def test_what_the_funnel_is_for_is_left_out_for_its_reason_and_names_are_masked(root):
    steps = {op["op"]: op for op in json.loads((root / "data/curated/wukong/report.json").read_text())["ops"]}
    told = pq.read_table(root / "data/validated/manifest.parquet").to_pylist()
    train = [row["texts"][0]["text"] for row in told if row["split"] == "train"]
    assert {*ODD} < set(train)
    assert sum(steps["MinScriptChars"]["dropped"].values()) == train.count(ODD[0])
    assert sum(steps["Blocklist"]["dropped"].values()) == train.count(ODD[1])
    assert steps["MaskNames"]["stats"]["names"] == sum(text.startswith(NAMED) for text in train) > 0
    kept = pq.read_table(root / "data/curated/wukong/manifest.parquet").to_pylist()
    texts = [row["texts"][0]["text"] for row in kept if row["split"] == "train"]
    assert sum(text.startswith("<人名>先生的红色图形") for text in texts) == steps["MaskNames"]["stats"]["names"]
    assert not {ODD[0], ODD[1]} & set(texts)


def test_the_locked_tower_is_the_starts_to_the_last_bit_and_the_words_are_its_own(root):
    began, ended = (load_file(root / folder / WEIGHTS) for folder in ("runs/clip/pretrain", "runs/wukong/package"))
    locked = {name.removeprefix(LOCKED): one for name, one in ended.items() if name.startswith(LOCKED)}
    theirs = {name.removeprefix(START): one for name, one in began.items() if name.startswith(START)}
    assert locked.keys() == theirs.keys()
    assert all(torch.equal(one, theirs[name]) for name, one in locked.items())
    own, clips = (Vocabulary.load(root / f"runs/{name}/pretrain/tokenizer.json") for name in ("wukong", "clip"))
    assert own(["<人名>"]).mask.sum() == 3
    assert clips(["<人名>"]).mask.sum() > 3


def test_it_is_measured_by_tokens_and_packaged(root):
    measured = json.loads((root / "runs/wukong/evaluate/metrics.json").read_text())
    assert 0 <= measured["late_interaction.pair.text_to_image.recall_at_1"]["value"] <= 1
    manifest = json.loads((root / "runs/wukong/package/manifest.json").read_text())
    assert "image_encoder.onnx" in manifest["files"]
