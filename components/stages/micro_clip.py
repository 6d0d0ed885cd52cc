"""A small CLIP on scenes for proofs to begin from: trained once in a few CPU-minutes, then taken from its folder.

    python -m components.stages.micro_clip --seed 1 --patch 8     # its folder, and what it is worth

Recipe `clip` with its text tower and loss, on pictures of one or two things; no caption that is tested on was trained on.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentParser

from components.contracts.encoded import Tower
from components.contracts.method import Method
from components.contracts.progress import Progress, silent
from components.contracts.source import Source
from components.data.batches import StepBatches
from components.data.ingest import ingest
from components.data.manifest import read_manifest
from components.data.rows.decoded import decode_pairs
from components.data.samplers.distinct import Distinct
from components.data.samplers.ordering import Rows
from components.data.selection import Pool, distinct, of_split, read_pool
from components.data.synthetic.scenes import ScenesSource
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.data.transforms.views import Views
from components.evaluation.embedding import Embedder
from components.evaluation.prompts import asked_by
from components.evaluation.retrieval import Gallery, chance_at, recall_at_1
from components.models.dual_encoder import DualEncoder
from components.models.projection import Projection
from components.recipes.micro_clip import MicroClip
from components.recipes.recipe import Recipe, load_recipe, overlay
from components.recipes.section import build
from components.recipes.trained import save_trained
from components.stages.code import files_of
from components.stages.learnt import BESIDE, MANIFEST, Learnt
from components.stages.made_once import made_once
from components.training.numbers import Scale
from components.training.train import train

SCENE: dict[str, Any] = {"things": [1, 2], "size_px": 48}
VIEWS: dict[str, Any] = {"shift": 0.06, "zoom": (0.9, 1.1)}  # colours and places are spoken of, so they stay
DECIDING = (
    "contracts",
    "data",
    "methods",
    "models",
    "objectives",
    "training",
)  # packages of which a byte may change the weights
LAYING = (
    "data/ingest.py",
    "data/shard_writer.py",
    "data/versions/repacked.py",
    "stages/learnt.py",
    "stages/recalled.py",
)  # and what lies beside them


def micro_clip(
    root: Path, which: MicroClip | None = None, progress: Progress = silent, kept_in: Path | None = None
) -> Path:
    """Return the folder of a model that a run can begin from, with metrics.json beside its files; trained where it is not there.

    It is known by a digest over recipe, numbers, scenes and the code that makes them; see `made_once`.

    Args:
        root: the workspace whose recipe and code it follows from.
        kept_in: the workspace that keeps it; the same unless given.
    """
    which = which or MicroClip()
    recipe = described(root, which)
    source = ScenesSource(pictures=which.scenes, scene=SCENE, regions=False)
    decides = {
        "which": asdict(which), "model": recipe.model, "method": recipe.method, "training": _plain(asdict(recipe.training)),
        "views": _plain(VIEWS), "scenes": source.describe(), "code": _code(root), "torch": torch.__version__,
    }  # fmt: skip
    return made_once(
        kept_in or root,
        "micro_clip",
        decides,
        lambda out, resumes: _train(which, recipe, source, out, resumes, progress),
    )


def described(root: Path, which: MicroClip) -> Recipe:
    """Return recipe clip at laptop, with the image tower and the temperature that are asked for."""
    recipe = load_recipe(root, "clip", "laptop")
    changed: dict[str, Any] = {}
    if which.patch is not None:
        sizes = {"img_size": which.pixels, "patch_size": which.patch, "embed_dim": 96, "depth": 4, "num_heads": 3}
        net = {"net": "vit_tiny_patch16_224", "net_args": sizes}
        changed["image"] = {**recipe.model["init_args"]["image"], "init_args": net}
    if which.temperature is not None:
        scale = recipe.model["init_args"]["logit_scale"]
        kept = {**scale["init_args"], "temperature": which.temperature, "learn": False}
        changed["logit_scale"] = {**scale, "init_args": kept}
    return replace(recipe, model={**recipe.model, "init_args": {**recipe.model["init_args"], **changed}})


def _train(which: MicroClip, recipe: Recipe, source: Source, out: Path, resumes: Path, progress: Progress) -> None:
    shutil.rmtree(drawn := resumes / "drawn", ignore_errors=True)  # of one that was killed
    drawn.mkdir()
    ingest(source, drawn, which.seed, progress)
    manifest, training = read_manifest(drawn / MANIFEST), recipe.training
    pool, held = (read_pool(of_split(manifest, split), drawn) for split in ("train", "pair"))
    captions = distinct([text for texts in pool.captions for text in texts])
    vocabulary = Vocabulary.train(captions, training.vocabulary, training.context)
    sized = {"init_args": {"text": {"init_args": {"vocabulary": len(vocabulary), "context": vocabulary.context}}}}
    model = _apart(overlay(recipe.model, sized), which.offset)
    torch.manual_seed(which.seed)
    method = build(overlay(recipe.method, {"init_args": {"model": model}}), Method)
    assert isinstance(method.model, DualEncoder)
    preprocess = Preprocess(size=which.pixels)
    order = Distinct().order(Rows.of(pool, lambda: [0] * len(pool)), which.batch, which.seed)
    pairs = decode_pairs(pool, preprocess, progress)
    batches = StepBatches(pairs, vocabulary, Views(pixels=which.pixels, **VIEWS), order, seed=which.seed)
    scale = Scale(
        batch=which.batch,
        steps=which.steps,
        pixels=which.pixels,
        watch_every=which.steps,
        checkpoint_every=50,
        curve_every=10,
    )
    train(
        method, batches, training.optimisation, scale, seed=which.seed, folder=resumes, progress=progress,
        log=lambda step, values: None, watch=lambda model: {},
    )  # fmt: skip
    save_trained(out, method.model, model, vocabulary, preprocess)
    _learnt(drawn, recipe).lay(out / BESIDE)
    worth = _worth(Embedder(method.model.eval(), vocabulary, preprocess), pool, held)
    (out / "metrics.json").write_text(json.dumps(worth, indent=2) + "\n", encoding="utf-8")


def _learnt(drawn: Path, recipe: Recipe) -> Learnt:
    """Return what it learnt from, and how, so that whoever adapts it can learn from that again, as from what a run learnt from."""
    return Learnt(
        selection="micro_clip", manifest=drawn / MANIFEST, raw=drawn,
        optimisation=replace(recipe.training.optimisation, rates={}), views=_plain(VIEWS),
    )  # fmt: skip


def _apart(model: Mapping[str, Any], offset: float) -> dict[str, Any]:
    """Return the model with a bias of that length in each projection; as it is where the length is 0."""
    if not offset:
        return dict(model)
    arguments = model["init_args"]
    widths = {side: build(arguments[side], Tower).width for side in ("image", "text")}
    projections = {
        f"{side}_projection": {
            "class_path": f"{Projection.__module__}.{Projection.__qualname__}",
            "init_args": {"width_in": width, "width_out": arguments["width"], "kind": "affine", "offset": offset},
        }
        for side, width in widths.items()
    }
    return overlay(model, {"init_args": projections})


def _worth(embedder: Embedder, pool: Pool, held: Pool) -> dict[str, dict[str, float]]:
    """Return recall at 1 on held-out pictures, and how often the shape of a lone thing is chosen right, beside chance."""
    pictures, gallery = embedder.pictures(held.pictures), Gallery.of(held.keys, held.captions, held.concepts)
    recalls = recall_at_1(pictures @ embedder.texts(gallery.texts).T, gallery.belongs)
    found = {
        f"retrieval.pair.{way}.recall_at_1": {"value": value, "chance": chance_at(1, belongs), "n": len(belongs)}
        for (way, value), belongs in zip(recalls.items(), (gallery.belongs, gallery.belongs.T), strict=True)
    }
    members: dict[str, dict[str, None]] = {}
    for texts, shape in zip(pool.captions, pool.labelled("category"), strict=True):
        if shape is not None:
            members.setdefault(shape, {}).update(dict.fromkeys(texts))
    shapes, truth = list(members), held.labelled("category")
    asked = asked_by({shape: tuple(texts) for shape, texts in members.items()}, embedder.texts, "mean")
    chosen = (pictures @ asked.vectors.T).argmax(1)
    right = [shapes[int(at)] == shape for at, shape in zip(chosen, truth, strict=True) if shape is not None]
    found["zero_shot.pair.category.top1"] = {
        "value": sum(right) / len(right),
        "chance": 1 / len(shapes),
        "n": len(right),
    }
    return found


def _code(root: Path) -> str:
    """Return a digest over the code that may change the weights: of what pretraining depends on, and of scenes."""
    folders = tuple(f"components/{name}/" for name in DECIDING)
    named = {root / path for path in files_of(root)["pretrain"] if path.startswith(folders)}
    named |= set((root / "components/data/synthetic").rglob("*.py")) | {Path(__file__)}
    named |= {root / "components" / path for path in LAYING}
    total = hashlib.sha256()
    for path in sorted(named, key=lambda one: one.name + str(one)):
        total.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _plain(values: object) -> Any:
    """Return values as JSON has them, tuples being lists."""
    return json.loads(json.dumps(values))


def main() -> int:
    """Print the folder and what the model in it is worth."""
    parser = ArgumentParser(description="A small CLIP on scenes, for proofs to begin from.")
    parser.add_class_arguments(MicroClip, as_group=False)
    parser.add_argument(
        "--kept-in", type=Path, default=Path(), help="the workspace that keeps it; this one unless given"
    )
    asked = vars(parser.parse_args())
    kept_in = asked.pop("kept_in").resolve()
    folder = micro_clip(Path.cwd(), MicroClip(**asked), kept_in=kept_in)
    print(folder)
    for name, found in json.loads((folder / "metrics.json").read_text(encoding="utf-8")).items():
        print(f"{name}: {found['value']:.1%}, chance {found['chance']:.1%} of {found['n']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
