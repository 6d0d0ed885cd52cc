"""A package of other towers, made from one of the recipe `clip`: whole, servable, and with what else the first had."""

import json
from pathlib import Path

import numpy as np
from safetensors.torch import load_file

from components.contracts.model_files import MODEL, TRANSFORMS, WEIGHTS
from components.models.dual_encoder import DualEncoder
from components.recipes.section import build
from components.serving.encoders import PackageEncoders
from components.serving.package import Package
from tests.benchmarks.larger_package import make_larger
from tests.components.serving.tiny_package import COLOURS, LENGTH, WIDTH, WORDS, make_package, picture, write_manifest


def test_the_towers_are_others_and_the_rest_is_what_it_was(tmp_path: Path) -> None:
    before = make_package(tmp_path / "before")
    towers = "components.models.towers"
    text = {"causal": False, "pool": "mean", "width": 64, "depth": 2, "heads": 4, "vocabulary": len(WORDS), "context": LENGTH}  # fmt: skip
    described = {
        "class_path": "components.models.dual_encoder.DualEncoder",
        "init_args": {
            "width": WIDTH,
            "image": {"class_path": f"{towers}.image.ImageTower", "init_args": {"net": "resnet18"}},
            "text": {"class_path": f"{towers}.text.TextTower", "init_args": text},
            "logit_scale": {"class_path": "components.models.projection.LogitScale", "init_args": {"temperature": 0.07, "most": 100.0}},
        },
    }  # fmt: skip
    (before / MODEL).write_text(json.dumps(described))
    shown = json.loads((before / TRANSFORMS).read_text()) | {"size": 48}
    (before / TRANSFORMS).write_text(json.dumps(shown))
    (before / "metrics.json").write_text("[]")
    write_manifest(before)
    package = Package.verify(make_larger(before, tmp_path / "after", "debug"))
    assert package.digest != Package.verify(before).digest
    after = json.loads((package.path / MODEL).read_text())["init_args"]
    assert (after["text"]["init_args"]["width"], after["text"]["init_args"]["vocabulary"]) == (32, len(WORDS))
    assert after["image"]["init_args"]["net_args"]["channels"] == [8, 16, 16, 32]
    encoders = PackageEncoders(package, threads=1)
    assert (json.loads((package.path / TRANSFORMS).read_text()), encoders.size) == (shown | {"size": 32}, 32)
    build(json.loads((package.path / MODEL).read_text()), DualEncoder).load_state_dict(
        load_file(package.path / WEIGHTS)
    )
    assert "metrics.json" not in package.files
    for rows in (encoders.embed_text(["red", "a square"]), encoders.embed_image([picture(COLOURS["red"])])):
        assert rows.shape[1] == WIDTH
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    for name in ("index.npy", "labels.json", "tokenizer.json"):
        assert (package.path / name).read_bytes() == (before / name).read_bytes()
