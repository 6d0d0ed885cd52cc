"""The emoji for every side of the time to quality, as each likes them: what peers read is prepared, and not counted.

The captions and pictures that the recipe `clip` is trained on, and the pools that are looked at. Peers get pictures of 53 px as
ours are kept, trimmed and laid on white, where ours begins with what ingest left: so peers decode less.
"""

import csv
import gzip
import json
from pathlib import Path

import numpy as np
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from components.contracts.errors import DataError
from components.data.manifest import read_manifest
from components.data.selection import Pool, distinct, of_split, read_pool
from components.data.transforms.preprocess import Preprocess
from components.evaluation.retrieval import Gallery

KEPT_PX = 53
MERGES = 1024 - 2 * 256 - 2  # of CLIP's tokenizer: bytes, bytes that end a word, start and end are there without


def selection(workspace: Path, split: str) -> Pool:
    """Return `train`, `val` or `pair`; DataError where the data was not made."""
    manifest = workspace / ("data/evaluation/pair" if split == "pair" else "data/curated/clip") / "manifest.parquet"
    if not manifest.exists():
        raise DataError(
            f"{manifest} is not there. Run `dvc repro curate@clip` in {workspace.resolve()}, about half a minute."
        )
    return read_pool(of_split(read_manifest(manifest), split), workspace / "data/raw")


def write(folder: Path, workspace: Path, sizes: tuple[int, ...]) -> None:
    """Write train.csv with its pictures, merges, and each pool at each size, as `<split>-<pixels>`."""
    train, kept = selection(workspace, "train"), Preprocess(size=KEPT_PX, trim=True)
    (folder / "train").mkdir()
    with (folder / "train.csv").open("w", encoding="utf-8", newline="") as opened:
        lines = csv.writer(opened, delimiter="\t")
        lines.writerow(["filepath", "title"])
        for number, (picture, texts) in enumerate(zip(train.pictures, train.captions, strict=True)):
            path = folder / f"train/{number:05}.png"
            Image.fromarray(kept(picture).transpose(1, 2, 0)).save(path)
            lines.writerows([path, text] for text in texts)
    merges = merges_of(distinct([text for texts in train.captions for text in texts]))
    (folder / "merges.txt.gz").write_bytes(gzip.compress("\n".join(["#version", *merges]).encode()))
    for split in ("val", "pair"):
        pool = selection(workspace, split)
        gallery = Gallery.of(pool.keys, pool.captions, pool.concepts)
        for pixels in sizes:
            shown = Preprocess(size=pixels, trim=True)
            np.savez(
                folder / f"{split}-{pixels}.npz",
                pixels=np.stack([shown(data) for data in pool.pictures]),
                belongs=gallery.belongs,
            )
            (folder / f"{split}-{pixels}.json").write_text(json.dumps(gallery.texts), encoding="utf-8")


def merges_of(captions: list[str]) -> list[str]:
    """Return the merges that CLIP's tokenizer learns from captions, a pair a line."""
    learned = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learned.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    learned.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=2 * len(alphabet) + MERGES, initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False
    )
    learned.train_from_iterator(captions, trainer)
    merges = json.loads(learned.to_str())["model"]["merges"][:MERGES]
    return [" ".join(merge) for merge in merges]
