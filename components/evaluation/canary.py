"""A model and pictures that never change, measured with every evaluation: what moves here is the evaluation and not the model.

Nothing is learned or drawn: pictures are squares of four colours with grain, all of them whole numbers, and the model is one fixed sheet of
numbers that pixels are multiplied with. They go the way of all pictures, decoded, resized, embedded, ranked; so another Pillow, another
resizer, or a change to how ranks are counted shows here as another number, and two versions of which it differs are not compared
unless they are measured again by the same code.
Axes: I pictures, T texts, S pixels a side, P numbers of a picture, D width.
"""

import io
from functools import cache

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from components.contracts.evaluate import Metric
from components.contracts.evaluator import Evaluator, Findings, Subject
from components.data.transforms.preprocess import Preprocess
from components.evaluation.ranking import Cosines, chance_of
from components.evaluation.retrieval import DIRECTIONS, Gallery, ranked, rights

CONCEPTS, EACH, SIDE, SIZE, WIDTH = 24, 8, 40, 16, 12
GRAIN = 3  # of 5 parts of a picture: near half of the queries are right
DISTANCE = "canary.distance"
WAS = {"image_to_text": 97 / 192, "text_to_image": 18 / 24, "distance": 0.9042}  # when it was frozen


class Canary(Evaluator):
    """R@1 both ways, and the mean distance of a picture to its text. The baseline is what they were when the canary was frozen."""

    def measure(self, subject: Subject) -> Findings:
        """Return `canary.<direction>.recall_at_1` and `canary.distance`, the same whatever the subject."""
        image, text, gallery = frozen()
        scores = Cosines(left=image, right=text)
        apart = float(np.linalg.norm(image - text[gallery.belongs.argmax(1)], axis=1).mean())
        method = "a model and pictures that never change: where it is not the baseline, the evaluation has changed"
        metrics = []
        for direction in DIRECTIONS:
            right, first = rights(gallery, direction), ranked(gallery, scores, direction).rank == 1
            metrics.append(
                Metric(
                    name=f"canary.{direction}.recall_at_1", value=float(first.mean()), unit="fraction", better="up", n=len(first),
                    chance=chance_of(1, right.counts, right.gallery), baseline=WAS[direction], method=method,
                )
            )  # fmt: skip
        metrics.append(
            Metric(
                name=DISTANCE, value=round(apart, 4), unit="distance", better="down", n=len(image), chance=2**0.5, baseline=WAS["distance"],
                method=method,
            )
        )  # fmt: skip
        return Findings(metrics=tuple(metrics))


@cache
def frozen() -> tuple[Float[np.ndarray, "I D"], Float[np.ndarray, "T D"], Gallery]:
    """Return pictures and texts as unit rows, and which belong together."""
    names = [f"thing {number}" for number in range(CONCEPTS)]
    concepts = [name for name in names for _ in range(EACH)]
    keys = [f"{concept}, {place % EACH}" for place, concept in enumerate(concepts)]
    preprocess, sheet = (
        Preprocess(size=SIZE, resizer="pillow"),
        _numbers(3 * SIZE * SIZE * WIDTH, 7).reshape(-1, WIDTH) / 255 - 0.5,
    )

    def embedded(pictures: list[UInt8[np.ndarray, "S S 3"]]) -> Float[np.ndarray, "N D"]:
        pixels = (
            np.stack([preprocess(_png(picture)).reshape(-1) for picture in pictures]).astype(np.float64) / 255 - 0.5
        )
        rows = pixels @ sheet
        unit: Float[np.ndarray, "N D"] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return unit

    plain = [_picture(number) for number in range(CONCEPTS)]
    grained = [_grained(plain[place // EACH], place) for place in range(len(concepts))]
    return embedded(grained), embedded(plain), Gallery.of(keys, [[concept] for concept in concepts], concepts)


def _numbers(count: int, seed: int) -> np.ndarray:
    """Return numbers from 0 to 255 that are the same on every machine: a counter, mixed by splitmix64."""
    with np.errstate(over="ignore"):
        mixed = (np.arange(count, dtype=np.uint64) + np.uint64(seed << 32)) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (mixed ^ (mixed >> np.uint64(31))) & np.uint64(255)


def _picture(number: int) -> UInt8[np.ndarray, "S S 3"]:
    """Return four squares of plain colours."""
    colours = _numbers(12, 100 + number).reshape(2, 2, 3)
    return colours.repeat(SIDE // 2, 0).repeat(SIDE // 2, 1).astype(np.uint8)


def _grained(picture: UInt8[np.ndarray, "S S 3"], seed: int) -> UInt8[np.ndarray, "S S 3"]:
    """Return the picture under grain of five pixels a side."""
    grain = _numbers(3 * (SIDE // 5) ** 2, 1000 + seed).reshape(SIDE // 5, SIDE // 5, 3).repeat(5, 0).repeat(5, 1)
    return (((5 - GRAIN) * picture.astype(np.uint16) + GRAIN * grain.astype(np.uint16)) // 5).astype(np.uint8)


def _png(picture: UInt8[np.ndarray, "S S 3"]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    return out.getvalue()
