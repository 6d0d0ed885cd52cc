"""A package with the towers that `diptych run --recipe clip --scale small` trains, a ViT-S/16 and twelve layers of text, whose weights nobody trained: what an answer costs is the same by any.

`python -m tests.benchmarks.larger_package FROM TO`. Tokenizer, index and labels are those of the package that it is made from, and with them the width of its vectors; what was said of that model is left out.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
import yaml

from components.contracts.model_files import MODEL, TOKENIZER, TRANSFORMS
from components.contracts.sealed import MANIFEST
from components.data.tokenizers import Vocabulary
from components.models.dual_encoder import DualEncoder
from components.recipes.section import build
from components.recipes.trained import save_weights
from components.serving.export import export
from components.serving.pack import seal
from tests.benchmarks.environments import ROOT

OTHERS = ("metrics.json", "model_card.md", "report.html", "examples.png")  # of the model that was
SAID = ("a red heart", "a cat", "two dogs", "a house")


def make_larger(package: Path, folder: Path, size: str = "small") -> Path:
    """Write it into `folder`, which must not exist, from a package of the recipe `clip`."""
    recipe = yaml.safe_load((ROOT / "components/recipes/clip.yaml").read_text(encoding="utf-8"))
    usual, towers = (its["init_args"] for its in (recipe["model"], recipe["sizes"][size]))
    pixels = yaml.safe_load((ROOT / f"components/recipes/scales/{size}.yaml").read_text(encoding="utf-8"))["pixels"]
    shutil.copytree(package, folder, ignore=shutil.ignore_patterns(*OTHERS))
    described = json.loads((folder / MODEL).read_text(encoding="utf-8"))
    described["init_args"]["image"]["init_args"] = usual["image"]["init_args"] | towers["image"]["init_args"]
    described["init_args"]["text"]["init_args"] |= towers["text"]["init_args"]
    (folder / MODEL).write_text(json.dumps(described, indent=2), encoding="utf-8")
    transforms = json.loads((folder / TRANSFORMS).read_text(encoding="utf-8")) | {"size": pixels}
    (folder / TRANSFORMS).write_text(json.dumps(transforms, indent=2), encoding="utf-8")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, shown = build(described, DualEncoder), torch.rand(len(SAID), 3, pixels, pixels)
    save_weights(folder, model)
    words = Vocabulary.load(folder / TOKENIZER)
    export(model, folder, shown, words(SAID), recipe["serving"]["opset"], recipe["serving"]["tolerance"])
    about = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    (folder / MANIFEST).unlink()
    seal(folder, {name: value for name, value in about.items() if name not in ("digest", "files")})
    return folder


if __name__ == "__main__":
    make_larger(Path(sys.argv[1]), Path(sys.argv[2]))
