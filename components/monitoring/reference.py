"""What requests are held against: texts and pictures of the served index, as its own encoders see them; or what was asked before.

The text of a picture finds that picture easily, so the score of a text is that of the best picture which does not have it.
Axes: N texts, M pictures of the sample, I pictures of the index, D embedding width.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float

from components.data.script import language_by_script
from components.monitoring.place import monitor_folder
from components.monitoring.requests import Requests
from components.serving.endpoint import Endpoint
from components.serving.search.entry import entries_of

KEPT = 3  # references on disk, the last used
_AT_ONCE = 64  # texts that are held against the index
Embed = Callable[[Sequence[str]], np.ndarray]
"""Texts to float32 [N D] of unit length, as the served model embeds them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """A sample of what is usual.

    Args:
        means: what it is, in words.
        sides: `text` and `image` -> vectors [N D], each of them once; a side may be missing.
        scores: language -> the best score of each text; a text counts for the language that was said and for its script.
    """

    means: str
    sides: Mapping[str, Float[np.ndarray, "_ _"]]
    scores: Mapping[str, Float[np.ndarray, "_"]]


def of_requests(before: Requests, most_rows: int, seed: int) -> Reference:
    """Return what was asked before as a reference, at most so many vectors a side."""
    sides = {side: before.vectors(side, most_rows, seed) for side in ("text", "image")}
    return Reference(means="what was asked of it before", sides=sides, scores=before.scores())


def of_training(root: Path, endpoint: Endpoint, most_rows: int, seed: int, embed: Embed) -> Reference | None:
    """Return the sample of the served index, computed once for a package; None where it was packaged without one.

    Args:
        root: of the workspace.
        endpoint: what is served.
        most_rows: texts, and pictures.
        seed: of the draw.
        embed: the text encoder of that package.
    """
    index = endpoint.repository / "image_retrieval" / "1" / "index.npy"
    if not index.exists():
        return None
    named = hashlib.sha256(json.dumps([endpoint.package_digest, most_rows, seed]).encode()).hexdigest()[:16]
    path = monitor_folder(root) / f"reference-{named}.npz"
    found = _read(path)
    if found is None:
        found = _made(root, endpoint, np.load(index, mmap_mode="r"), most_rows, seed, embed)
        _write(path, found)
    langs, scores = found["langs"], found["scores"]
    by_language = {str(lang): scores[(langs == lang).any(1)] for lang in np.unique(langs)}
    sides = {"text": found["text"], "image": found["image"]}
    return Reference(means="what it was trained on", sides=sides, scores=by_language)


def _made(
    root: Path, endpoint: Endpoint, index: Float[np.ndarray, "I D"], most_rows: int, seed: int, embed: Embed
) -> dict[str, np.ndarray]:
    rng, having, said = np.random.default_rng(seed), dict[str, list[int]](), dict[str, str]()
    for row, entry in enumerate(entries_of(endpoint.repository, root)):
        for lang, text in entry.said:
            having.setdefault(text, []).append(row)
            said.setdefault(text, lang)
    every = list(having)
    texts = [every[at] for at in sorted(rng.permutation(len(every))[:most_rows].tolist())]
    vectors, scores = np.asarray(embed(texts), np.float32), np.empty(len(texts), np.float32)
    for start in range(0, len(texts), _AT_ONCE):
        cosines = vectors[start : start + _AT_ONCE] @ index.T
        for at in range(len(cosines)):
            cosines[at, having[texts[start + at]]] = -np.inf
        scores[start : start + _AT_ONCE] = cosines.max(1)
    langs = np.array([[said[text], language_by_script(text)] for text in texts])
    pictures = np.unique(index[np.sort(rng.permutation(len(index))[: 2 * most_rows])], axis=0)
    image = pictures[np.sort(rng.permutation(len(pictures))[:most_rows])]
    there = np.isfinite(scores)  # not of a text that all pictures have
    return {"text": np.unique(vectors, axis=0), "image": image, "langs": langs[there], "scores": scores[there]}


def _read(path: Path) -> dict[str, np.ndarray] | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in ("text", "image", "langs", "scores")}
    except (FileNotFoundError, BadZipFile, ValueError, KeyError, EOFError):
        return None  # it is made again
    path.touch()
    return found


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    partial = path.with_name(f".{path.name}")
    with partial.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    partial.replace(path)
    oldest_first = sorted(path.parent.glob("reference-*.npz"), key=lambda one: one.stat().st_mtime)
    for old in oldest_first[:-KEPT]:
        old.unlink(missing_ok=True)
