"""A manifest of 60 samples, and features of them that follow from their keys."""

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa

from components.contracts.curation import CurationOp, Report, RowOp
from components.contracts.features import Feature, Features
from components.contracts.progress import silent
from components.curation.embed import vectors
from components.curation.pipeline import curated
from components.data.manifest import SCHEMA
from components.data.pieces import pieces

WORDS = (
    "a red circle",
    "the blue star beside a small green ring",
    "a big yellow heart",
    "many many many words",
    "dos palabras",
)


def row(at: int, **changed: Any) -> dict[str, Any]:
    """One row; every third sample has two texts, every seventh is odd and small, and some are copies of the one before."""
    copied = at - (at % 10 == 9)
    texts = [{"text": f"{WORDS[at % 5]} {copied}", "kind": "alt", "lang": "en"}]
    if at % 3 == 0:
        texts.append({"text": f"number {at} of them", "kind": "short", "lang": "en"})
    return {
        "key": f"k{at:03d}", "split": "train", "source": "toy", "licence": "CC0-1.0", "shard": "train/000000.tar", "offset": 512 * at,
        "size_bytes": 1000 + at * 37 % 101, "sha256": f"{copied:064x}", "pixel_sha256": f"{copied:064x}",
        "width": 32 + at % 7 * 8, "height": 40 + at % 4 * 10, "texts": texts,
        "labels": {"concept": f"c{at % 20}", "category": "odd" if at % 7 == 0 else f"g{at % 3}", "subcategory": None},
    } | changed  # fmt: skip


def manifest(count: int = 60) -> pa.Table:
    return pa.Table.from_pylist([row(at) for at in range(count)], SCHEMA)


def drawn(key: str, width: int) -> np.ndarray:
    """Numbers around 0 that follow from a key."""
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal(width)


class ToyMaker:
    """Makes prints, and embeddings by a model called toy, of anything; remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def make(self, name: str, rows: pa.Table, texts: pa.Array) -> Feature:
        keys = texts.to_pylist() if name.endswith(".text") else rows["key"].to_pylist()
        self.asked.append((name, len(keys)))
        if name != "prints":
            return Feature(name=name, model="toy", table=vectors(keys, np.stack([drawn(key, 8) for key in keys])))
        pictures = rows["pixel_sha256"].to_pylist()
        hashes = [int.from_bytes(hashlib.sha256(picture.encode()).digest()[:8], "big") for picture in pictures]
        return Feature(
            name=name, model="measure",
            table=pa.table({
                "key": keys, "perceptual": pa.array(hashes, pa.uint64()), "contrast": [abs(drawn(key, 1)[0]) for key in keys],
                "colour": pa.array([[0.5, 0.5, 0.5]] * len(keys), pa.list_(pa.float32(), 3)),
            }),
        )  # fmt: skip

    def find(self, op: RowOp, rows: pa.Table, seed: int) -> pa.Table:
        return pa.concat_tables([op.find(piece, seed) for piece in pieces(rows, 7)]).combine_chunks()


def apply(op: CurationOp, table: pa.Table, seed: int = 0) -> tuple[pa.Table, Report]:
    """Run one step as the pipeline does."""
    left, reports = curated([op], table, ToyMaker(), seed, silent)
    return left, reports[0]


def features(**kinds: tuple[list[str], list[list[float]]]) -> Features:
    """Embeddings by name (`image` is `toy.image`), from keys and rows."""
    made = Features()
    for name, (keys, rows) in kinds.items():
        table = vectors(keys, np.array(rows, np.float32))
        made = made.plus(Feature(name=f"toy.{name}", model="toy", table=table))
    return made
