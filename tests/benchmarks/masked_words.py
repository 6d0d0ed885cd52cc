"""Whether hidden words are read off the picture: `python -m tests.benchmarks.masked_words --arms lightclip blind`.

Trains arms of lightclip's proof in this process, with the data and numbers of its card, and hides each word of colour in turn in the
captions of `pair`; the share that the model says right is compared with `blind`, into whose text tower no picture is fused. Recall at 1 is
that of the exported model, both ways. Prints one JSON object as its last line.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from components.contracts.batch import Texts
from components.contracts.method import Method
from components.contracts.progress import silent
from components.data.batches import StepBatches
from components.data.rows.decoded import decode_pairs
from components.data.samplers.distinct import DistinctBatches
from components.data.selection import Pool, distinct
from components.data.synthetic.scenes import ScenesSource
from components.data.synthetic.words import COLOURS
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.data.transforms.views import Views
from components.evaluation.embedding import Embedder
from components.evaluation.retrieval import Gallery, recall_at_1
from components.methods.lightclip import LightClip
from components.recipes.recipe import load_card, load_recipe, load_scale, overlay
from components.recipes.section import build
from components.training.train import train
from tests.benchmarks.loader import commit
from tests.squares import REPOSITORY

BLIND: dict[str, Any] = {"method": {"init_args": {"fuse_after": []}}}


def main() -> None:
    """Train, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", nargs="+", default=["lightclip", "blind"])
    parser.add_argument("--seed", type=int, default=9, help="none of the claim's")
    parser.add_argument("--steps", type=int, default=400)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    pools = drawn(asked.seed)
    found = {arm: turn(pools, arm, asked.seed, asked.steps) for arm in asked.arms}
    print(json.dumps({
        "bench": "masked_words", **vars(asked), "train": len(pools["train"]), "pool": len(pools["pair"]), "arms": found,
        "torch": torch.__version__, "machine": f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}",
        "commit": commit(),
    }))  # fmt: skip


def drawn(seed: int) -> dict[str, Pool]:
    """Return the splits `train` and `pair` of the card's scenes."""
    numbers = {key: value for key, value in load_card(REPOSITORY, "lightclip").proof.source.items() if key != "name"}
    samples = list(ScenesSource(**numbers).samples(seed, silent))
    pools = {}
    for split in ("train", "pair"):
        rows = [sample for sample in samples if sample.split == split]
        pools[split] = Pool(
            keys=tuple(row.key for row in rows), pictures=tuple(row.media[0].data for row in rows),
            captions=tuple(tuple(text.text for text in row.texts) for row in rows),
            concepts=tuple(row.labels["concept"] for row in rows), sources=tuple(row.source for row in rows),
            groups=tuple({} for _ in rows),
        )  # fmt: skip
    return pools


def turn(pools: Mapping[str, Pool], arm: str, seed: int, steps: int) -> dict[str, float]:
    """Return what one arm comes to."""
    arms = load_card(REPOSITORY, "lightclip").proof.arms
    proven = arms["lightclip" if arm == "blind" else arm]
    given = overlay(proven.overrides, BLIND) if arm == "blind" else proven.overrides
    recipe, pool, numbers = load_recipe(REPOSITORY, proven.recipe, "laptop"), pools["train"], given["training"]
    names = distinct([text for texts in pool.captions for text in texts])
    vocabulary = Vocabulary.train(names, recipe.training.vocabulary, recipe.training.context)
    sized = {"init_args": {"text": {"init_args": {"vocabulary": len(vocabulary), "context": vocabulary.context}}}}
    model = overlay(overlay(recipe.model, given["model"]), sized)
    torch.manual_seed(seed)
    described = overlay(recipe.method, given.get("method", {}))
    method = build(overlay(described, {"init_args": {"model": model}}), Method)
    preprocess = Preprocess(size=numbers["pixels"])
    pairs = decode_pairs(pool, preprocess, silent)
    views = build({**recipe.training.views, **numbers["views"], "pixels": numbers["pixels"]}, Views)
    batches = StepBatches(pairs, vocabulary, views, DistinctBatches(pairs.concepts, numbers["batch"], seed), seed=seed)
    scale = replace(
        load_scale(REPOSITORY, "laptop"), batch=numbers["batch"], steps=steps, pixels=numbers["pixels"], watch_every=steps,
        checkpoint_every=steps, curve_every=50,
    )  # fmt: skip
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        train(
            method, batches, replace(recipe.training.optimisation, **numbers["optimisation"]), scale, seed=seed,
            folder=Path(folder), progress=silent, watch=lambda model: {},
            log=lambda step, values: print(arm, step, {k: round(float(v), 3) for k, v in values.items()}, file=sys.stderr, flush=True),
        )  # fmt: skip
    cpu = time.process_time() - began
    embedder = Embedder(method.model.eval(), vocabulary, preprocess)
    gallery = Gallery.of(pools["pair"].keys, pools["pair"].captions, pools["pair"].concepts)
    both = recall_at_1(embedder.pictures(pools["pair"].pictures) @ embedder.texts(gallery.texts).T, gallery.belongs)
    hidden = colours_right(method, vocabulary, embedder, pools["pair"]) if isinstance(method, LightClip) else {}
    said = {**{way: round(value, 4) for way, value in both.items()}, **hidden, "cpu_s": round(cpu, 1)}
    print(arm, said, file=sys.stderr, flush=True)
    return said


@torch.no_grad()
def colours_right(method: LightClip, vocabulary: Vocabulary, embedder: Embedder, pool: Pool) -> dict[str, float]:
    """Return the share of words of colour that are said right, one hidden at a time, and how many were asked for."""
    if not method.weights["masked"]:
        return {}
    asked = [
        (row, text, colour)
        for row, texts in enumerate(pool.captions)
        for text in texts[:1]
        for colour in COLOURS
        if text.split().count(colour) == 1
    ]
    rows, tower = vocabulary([text for _, text, _ in asked]), method.model.text
    named = torch.from_numpy(vocabulary.named([text for _, text, _ in asked], [colour for *_, colour in asked]))
    ids = torch.where(named, tower.pad, rows.ids)
    pictures = torch.from_numpy(embedder.pictures(pool.pictures))[[row for row, *_ in asked]]
    tokens = tower(Texts(ids=ids, mask=rows.mask), inject=method.fusion.of(pictures)).tokens
    right = method.head(tokens[named], tower.embedding.weight).argmax(1) == rows.ids[named]
    return {"colours_right": round(float(right.float().mean()), 4), "colours": len(asked)}


if __name__ == "__main__":
    main()
