"""The pointing game: of all patches of a picture, does the one nearest to a word lie in what the word names?

Source: Zhang et al. 2016, arXiv:1608.00507, section 4.2 (a hit is a maximum that lies in one of the objects of the class). Differs:
the maximum is a patch, and one hits whose centre lies in the box, or that holds most of it, in place of their margin of 15 pixels;
masks are asked for beside boxes, and chance and the middle of the picture stand beside each number.
Axes: Q queries, K = h x w patches.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.contracts.evaluate import Metric, Tally
from components.contracts.evaluator import Evaluator, Findings, Pictures, Subject
from components.contracts.sample import Region
from components.evaluation.bootstrap import mean_interval
from components.evaluation.patches import ASK, Ask, Patches, best, centre, held, in_boxes, in_masks, points

BY = ("label", "text")  # what a region is asked for by: its noun, or what is said of it alone
MAP = pa.list_(pa.list_(pa.float32()))  # h rows of w cosines, from the top left


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question: where in the picture is this?

    Args:
        picture: its place in the pool.
        text: that is asked.
        word: of the text, that is looked for.
        regions: of the picture, each a right answer.
    """

    picture: int
    text: str
    word: str
    regions: tuple[Region, ...]


class Pointing(Evaluator):
    """The share of words whose nearest patch lies in what they name, by box and by mask.

    Args:
        ask: by what a patch is compared: `word`, the tokens of the noun, as token-wise models learn it, or `text`, the one vector.
        maps: whether rows keep the cosine of every patch, as a map to be laid over the part of the picture that the model is shown.
    """

    def __init__(self, ask: Ask = "word", maps: bool = False) -> None:
        self.ask, self.maps = ask, maps

    def measure(self, subject: Subject) -> Findings:
        """Return `pointing.<split>.<label|text>.<in_box|in_mask>` and a row a query, with `map` [h w] where maps are kept."""
        patches = Patches.of(subject, self.ask)
        if isinstance(patches, str):
            return Findings(without={"pointing": patches})
        metrics: list[Metric] = []
        rows: dict[str, pa.Table] = {}
        for split, pool in subject.pools.items():
            windows = patches.encoder.windows(pool.pictures if pool.regions else ())
            tables = []
            for by in BY:
                asked = list(questions(pool, by))
                if asked and (found := _answered(subject, split, patches, asked, windows)):
                    table = _table(split, by, pool, found, self.maps)
                    metrics += list(
                        _metrics(split, by, found, table, ASK[self.ask], len(asked) - len(found), subject.seed)
                    )
                    tables.append(table)
            if tables:
                rows[f"pointing.{split}"] = pa.concat_tables(tables)
        without = {} if metrics else {"pointing": "no region has a noun or words, so none can be asked for"}
        return Findings(metrics=tuple(metrics), rows=rows, without=without)


def questions(pool: Pictures, by: str) -> Iterator[Asked]:
    """Yield what is asked of each picture: each of its labels, or texts, once; all regions that have it are right."""
    for picture, regions in enumerate(pool.regions):
        said: dict[str, list[Region]] = {}
        for region in regions:
            text = region.label if by == "label" else region.text
            if text:
                said.setdefault(text, []).append(region)
        for text, its in said.items():
            yield Asked(picture=picture, text=text, word=its[0].label or text, regions=tuple(its))


def _answered(
    subject: Subject, split: str, patches: Patches, asked: Sequence[Asked], windows: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """Return what came of each question; one whose regions were all cut off by the transform is left out."""
    texts = sorted({(one.text, one.word) for one in asked})
    place = {text: number for number, text in enumerate(texts)}
    near = patches.nearness(subject, split, *map(list, zip(*texts, strict=True)))  # type: ignore[arg-type]  # two lists
    grid, middle, found = patches.grid, centre(patches.grid), []
    for one in asked:
        across, down = points(grid, windows[one.picture])
        ways = {"in_box": in_boxes(one.regions, across, down)}
        if all(region.mask and region.of_px for region in one.regions):
            ways["in_mask"] = in_masks(one.regions, across, down)
        if not ways["in_box"].any():
            continue
        (map_,) = near(one.picture, [place[one.text, one.word]])
        row: dict[str, Any] = {"asked": one, "at": np.unravel_index(map_.argmax(), grid), "map": map_}
        for way, inside in ways.items():
            if inside.any():
                right = held(inside, grid)
                row[way] = best(map_, right), float(right.mean()), best(middle, right)
        found.append(row)
    return found


def _metrics(
    split: str, by: str, found: Sequence[Mapping[str, Any]], table: pa.Table, how: str, lost: int, seed: int
) -> Iterator[Metric]:
    method = f"{how}{f'; {lost} of {lost + len(found)} are cut off by the transform and left out' if lost else ''}"
    for way in ("in_box", "in_mask"):
        numbers = np.array([row[way] for row in found if way in row])
        if len(numbers):
            value, chance, baseline = map(float, numbers.mean(0))
            asked = table.filter(table[way].is_valid())
            low, high = mean_interval(asked[way].to_numpy(), asked["group"].to_pylist(), seed)
            yield Metric(
                name=f"pointing.{split}.{by}.{way}", value=value, unit="fraction", better="up", n=len(numbers), chance=chance,
                baseline=baseline, method=method, low=low, high=high,
                tallies=(Tally(rows=f"pointing.{split}", where={"by": by}, column=way),),
            )  # fmt: skip


def _table(split: str, by: str, pool: Pictures, found: Sequence[Mapping[str, Any]], maps: bool) -> pa.Table:
    places = [row["asked"].picture for row in found]
    texts = [row["asked"].text for row in found]
    heat = {"map": pa.array([row["map"].tolist() for row in found], MAP)} if maps else {}
    return pa.table(
        {
            "split": [split] * len(found), "by": [by] * len(found), "key": [pool.keys[place] for place in places],
            "query": [f"{pool.keys[place]}: {text}" for place, text in zip(places, texts, strict=True)],
            "group": [pool.concepts[place] for place in places], "text": texts, "row": pa.array([row["at"][0] for row in found], pa.int32()),
            "column": pa.array([row["at"][1] for row in found], pa.int32()),
            "in_box": pa.array([row["in_box"][0] for row in found], pa.float32()),
            "in_mask": pa.array([row.get("in_mask", (None,))[0] for row in found], pa.float32()), **heat,
        }
    )  # fmt: skip
