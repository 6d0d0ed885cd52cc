"""Zero-shot segmentation: each pixel gets the class whose name the patches around it are nearest to, or is background.

Source: Xu et al. 2022, arXiv:2202.11094, section 4.1 (mean intersection over union, background where no class is near enough). Differs:
classes are the labels of the data's own regions, similarities are of a dual encoder's patches and laid out evenly over the picture,
and the bound for background is the best on `val`, so that no test pixel is looked at. By picture as in Wang et al. 2023, arXiv:2310.19252 (the mean over
pictures of the overlap of the classes there): there a picture's number is its own, so that two models can be compared picture by picture.
Axes: C classes, G with background, which is 0; P pixels that are shown; K = h x w patches.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, Int
from torch.nn.functional import grid_sample

from components.contracts.errors import ConfigError
from components.contracts.evaluate import Metric, Tally
from components.contracts.evaluator import Evaluator, Findings, Subject
from components.contracts.sample import Region
from components.data.masks import unpack
from components.evaluation.bootstrap import interval, mean_interval
from components.evaluation.patches import ASK, Ask, Patches, Window

CHOSEN_BY = "val"
BOUNDS = np.linspace(0.02, 0.98, 25)  # quantiles of the nearest class's cosine that are tried


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """All pixels of a split that are shown and known.

    Args:
        truth: what each shows, 0 for background.
        nearest: the class whose name is nearest, from 1.
        cosine: how near it is.
        sizes: how many are of each picture, in their order.
        about: what each picture shows.
        keys: their names.
    """

    truth: Int[np.ndarray, "P"]
    nearest: Int[np.ndarray, "P"]
    cosine: Float[np.ndarray, "P"]
    sizes: Int[np.ndarray, "I"]
    about: tuple[str, ...]
    keys: tuple[str, ...] = ()

    def answered(self, bound: float) -> Int[np.ndarray, "P"]:
        """Return the class of each, background where nothing is as near as the bound."""
        return np.where(self.cosine >= bound, self.nearest, 0)


class Segmentation(Evaluator):
    """Mean intersection over union of the data's own labels and of background, by the masks of its regions.

    Args:
        ask: by what a patch is compared, see Pointing.
        bound: the cosine below which a pixel is background, -1 to 1; null takes the one that is best on `val`.
    """

    def __init__(self, ask: Ask = "word", bound: float | None = None) -> None:
        if bound is not None and not -1 <= bound <= 1:
            raise ConfigError(
                f"bound is {bound}, but it is a cosine. Give a number from -1 to 1, or null to have it chosen."
            )
        self.ask, self.bound = ask, bound

    def measure(self, subject: Subject) -> Findings:
        """Return `segmentation.<split>.miou` with a row a class, and `.by_picture.miou` with a row a picture."""
        patches = Patches.of(subject, self.ask)
        if isinstance(patches, str):
            return Findings(without={"segmentation": patches})
        classes = sorted({label for pool in subject.pools.values() for label in _labels(pool.regions)})
        if not classes:
            return Findings(
                without={"segmentation": "no picture has masks with labels. Boxes alone say of no pixel what it shows"}
            )
        bound, chosen = self.bound, {}
        if bound is None:
            if CHOSEN_BY not in subject.pools or not any(_labels(subject.pools[CHOSEN_BY].regions)):
                return Findings(
                    without={
                        "segmentation": "no picture of val has masks, by which the bound for background would be chosen. Give bound"
                    }
                )
            chosen[CHOSEN_BY] = self._pixels(subject, CHOSEN_BY, patches, classes)
            bound = chosen_bound(chosen[CHOSEN_BY], len(classes))
        metrics, rows, how = [], {}, f"{ASK[self.ask]}; background below a cosine of {bound:.3f}"
        for split, pool in subject.pools.items():
            if any(_labels(pool.regions)):
                pixels = chosen.get(split) or self._pixels(subject, split, patches, classes)
                answer = pixels.answered(bound)
                ious = overlap(pixels.truth, answer, len(classes))
                low, high = overlap_interval(pixels, answer, len(classes), subject.seed)
                there = ~np.isnan(ious)
                metrics.append(
                    Metric(
                        name=f"segmentation.{split}.miou", value=float(ious[there].mean()), unit="fraction", better="up", n=len(pixels.sizes),
                        chance=by_lot(pixels.truth, len(classes)), method=how, low=low, high=high,
                        baseline=float(np.nanmean(overlap(pixels.truth, np.zeros_like(pixels.truth), len(classes)))),
                    )
                )  # fmt: skip
                rows[f"segmentation.{split}"] = _table(split, ("background", *classes), ious)
                name = f"segmentation.{split}.by_picture"
                rows[name] = by_picture(split, pixels, answer, len(classes))
                metrics.append(_mean_metric(name, rows[name], how, subject.seed))
        return Findings(metrics=tuple(metrics), rows=rows)

    def _pixels(self, subject: Subject, split: str, patches: Patches, classes: Sequence[str]) -> Pixels:
        """Return all pixels of a split, of the pictures of which all is known."""
        pool, all_classes = subject.pools[split], range(len(classes))
        windows, near = patches.encoder.windows(pool.pictures), patches.nearness(subject, split, classes, classes)
        found, about, keys = list[tuple[np.ndarray, ...]](), list[str](), list[str]()
        for picture, regions in enumerate(pool.regions):
            if _known(regions):
                truth = drawn(regions, classes)
                cosines, shown = spread(near(picture, all_classes), windows[picture], truth.shape)
                found.append((truth[shown], 1 + cosines[:, shown].argmax(0), cosines[:, shown].max(0)))
                about.append(pool.concepts[picture])
                keys.append(pool.keys[picture])
        sizes = np.array([len(of) for of, *_ in found])
        truth, nearest, cosine = map(np.concatenate, zip(*found, strict=True))
        return Pixels(truth=truth, nearest=nearest, cosine=cosine, sizes=sizes, about=tuple(about), keys=tuple(keys))


def drawn(regions: Sequence[Region], classes: Sequence[str]) -> Int[np.ndarray, "H W"]:
    """Return the class of each pixel, from 1, or 0; of two regions that meet the smaller one lies above."""
    width, height = regions[0].of_px or (1, 1)
    truth = np.zeros((height, width), np.int64)
    masks = [(unpack(region.mask or "", (height, width)), str(region.label)) for region in regions]
    for mask, label in sorted(masks, key=lambda one: -one[0].sum()):
        truth[mask] = 1 + classes.index(label)
    return truth


def spread(
    near: Float[np.ndarray, "C h w"], window: Window, size: tuple[int, int]
) -> tuple[Float[np.ndarray, "C H W"], np.ndarray]:
    """Return the similarities at each pixel of the picture, even between the centres of patches, and which pixels are shown."""
    left, top, right, bottom = window
    down = ((np.arange(size[0]) + 0.5) / size[0] - top) / (bottom - top)
    across = ((np.arange(size[1]) + 0.5) / size[1] - left) / (right - left)
    shown = ((down >= 0) & (down <= 1))[:, None] & (across >= 0) & (across <= 1)
    rows, columns = np.meshgrid(2 * down - 1, 2 * across - 1, indexing="ij")
    places = torch.from_numpy(np.stack([columns, rows], -1))[None]
    maps = torch.from_numpy(np.ascontiguousarray(near, np.float64))[None]
    return grid_sample(maps, places, padding_mode="border", align_corners=False)[0].numpy(), shown


def overlap(truth: Int[np.ndarray, "P"], answer: Int[np.ndarray, "P"], classes: int) -> Float[np.ndarray, "G"]:
    """Return intersection over union of each class, background first; NaN for one that is not there in truth."""
    count = classes + 1
    met = np.bincount(truth * count + answer, minlength=count * count).reshape(count, count)
    there, said = met.sum(1), met.sum(0)
    with np.errstate(invalid="ignore"):
        return np.where(there > 0, np.diag(met) / (there + said - np.diag(met)), np.nan)


def overlap_interval(
    pixels: Pixels, answer: Int[np.ndarray, "P"], classes: int, seed: int
) -> tuple[float, float] | tuple[None, None]:
    """Return the interval of the mean overlap, pictures of one thing drawn together; None twice where all are of one."""
    groups = {one: number for number, one in enumerate(dict.fromkeys(pixels.about))}
    if len(groups) < 2:
        return None, None
    count = classes + 1
    of = np.repeat([groups[one] for one in pixels.about], pixels.sizes) * count

    def counts(kept: Int[np.ndarray, "_"]) -> Float[np.ndarray, "_ G"]:
        return np.bincount(kept, minlength=len(groups) * count).reshape(len(groups), count).astype(np.float64)

    met = counts((of + answer)[answer == pixels.truth])
    sums = np.concatenate([met, counts(of + pixels.truth), counts(of + answer)], 1)  # (groups, 3 G)

    def mean_overlap(drawn: Float[np.ndarray, "R S"]) -> Float[np.ndarray, "R"]:
        right, there, said = (drawn[:, begin : begin + count] for begin in (0, count, 2 * count))
        return np.nanmean(np.where(there > 0, right / (there + said - right), np.nan), 1)

    return interval(sums, mean_overlap, seed)


def by_picture(split: str, pixels: Pixels, answer: Int[np.ndarray, "P"], classes: int) -> pa.Table:
    """Return a row a picture: the mean overlap of what is there in it, where all is background, and by lot. One of which nothing is shown has no row."""
    ends = np.cumsum(pixels.sizes)
    rows = []
    for key, about, end, size in zip(pixels.keys, pixels.about, ends, pixels.sizes, strict=True):
        if size:
            truth, said = pixels.truth[end - size : end], answer[end - size : end]
            ours, blank = (float(np.nanmean(overlap(truth, one, classes))) for one in (said, np.zeros_like(truth)))
            rows.append((key, about, ours, blank, by_lot(truth, classes)))
    columns = zip(*rows, strict=True)
    names = ("query", "group", "overlap", "baseline_overlap", "overlap_by_lot")
    return pa.table({"split": [split] * len(rows), **dict(zip(names, map(list, columns), strict=True))})


def _mean_metric(name: str, rows: pa.Table, how: str, seed: int) -> Metric:
    """Return the mean over the rows of pictures."""
    ours, blank, lot = (rows[column].to_numpy() for column in ("overlap", "baseline_overlap", "overlap_by_lot"))
    low, high = mean_interval(ours, rows["group"].to_pylist(), seed)
    return Metric(
        name=f"{name}.miou", value=float(ours.mean()), unit="fraction", better="up", n=len(rows), chance=float(lot.mean()),
        baseline=float(blank.mean()), method=f"{how}; of each picture the classes that are there", low=low, high=high,
        tallies=(Tally(rows=name, column="overlap"),),
    )  # fmt: skip


def by_lot(truth: Int[np.ndarray, "P"], classes: int) -> float:
    """Return the mean overlap of answers that are drawn, each class and background as often, in the limit of many pixels."""
    share = np.bincount(truth, minlength=classes + 1) / len(truth)
    share, lot = share[share > 0], 1 / (classes + 1)
    return float((share * lot / (share + lot - share * lot)).mean())


def chosen_bound(pixels: Pixels, classes: int) -> float:
    """Return the cosine, of quantiles of those there are, below which background gives the best mean overlap."""
    tried = np.quantile(pixels.cosine, BOUNDS)
    means = [np.nanmean(overlap(pixels.truth, pixels.answered(bound), classes)) for bound in tried]
    return float(tried[int(np.argmax(means))])


def _known(regions: Sequence[Region]) -> bool:
    """Return whether it is known of each pixel of a picture what it shows: all regions have masks of one size, and labels."""
    return (
        bool(regions)
        and all(one.mask and one.label and one.of_px == regions[0].of_px for one in regions)
        and bool(regions[0].of_px)
    )


def _labels(pool: Sequence[Sequence[Region]]) -> Iterator[str]:
    return (str(region.label) for regions in pool if _known(regions) for region in regions)


def _table(split: str, names: Sequence[str], ious: Float[np.ndarray, "G"]) -> pa.Table:
    rows = [(name, iou) for name, iou in zip(names, ious, strict=True) if not np.isnan(iou)]
    return pa.table(
        {
            "split": [split] * len(rows), "query": [name for name, _ in rows],
            "iou": pa.array([iou for _, iou in rows], pa.float32()),
        }
    )  # fmt: skip
