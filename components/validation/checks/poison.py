"""Signs of poisoning in what is trained on: one patch pasted into unlike pictures, or one caption given to many of them, or nearly.

Source: Carlini and Terzis 2022, arXiv:2106.09667: a patch of 16 pixels on few pictures, all captioned as one thing, is
enough to make a contrastive model see that thing wherever the patch is. Differs: these are signs, not proof, so rows are
told of for a person to look at. A watermark is a patch too. What lies off the corners, or is smaller, is not found.
"""

from collections.abc import Iterator
from textwrap import shorten

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from components.data.personal import masked
from components.validation.check import Check
from components.validation.findings import Finding
from components.validation.near import Nearness, Prints, bits_apart
from components.validation.rows import Rows, groups
from components.validation.said_alike import kernels_of, said_alike

CORNERS = ("top left", "top right", "bottom left", "bottom right")
_SEED = 5  # pictures with the very same patch, around which those nearly the same are gathered
_SAMPLE = 64  # pictures of a group that are compared with each other


class Poison(Check):
    """Groups of training rows that have one thing in common and look unlike otherwise.

    Args:
        least: pictures of a group; fewer are chance.
        unlike: bits of the 64 that two pictures of the group differ in, in the median; of unrelated ones it is 32.
        bits: of the 64 of a patch's hash that may differ.
        beyond: how many times more pictures a caption and those near it must have than the caption of the median row, so
            that data of few labels is no poison.
    """

    def __init__(self, least: int = 20, unlike: int = 24, bits: int = 4, beyond: int = 20) -> None:
        self.least = least
        self.unlike = unlike
        self.near = Nearness(bits=bits, colour=1.0)
        self.beyond = beyond

    def find(self, rows: Rows) -> list[Finding]:
        """Return `poison_patch` and `poison_captions` for every row of such a group, with how many they are."""
        trained = np.flatnonzero(rows.trained)
        return [*self._patches(rows, trained), *self._captions(rows, trained)]

    def _patches(self, rows: Rows, trained: NDArray[np.int64]) -> list[Finding]:
        findings: dict[int, Finding] = {}
        for place, corner in enumerate(CORNERS):
            hashes, some = rows.corner(place, trained)
            for group in self._alike(hashes):
                if self._is_odd(rows, some[group]):
                    detail = f"{len(group)} unlike pictures have the same {corner} corner"
                    for at in some[group].tolist():
                        findings.setdefault(at, rows.finding(at, "poison_patch", detail))
        return list(findings.values())

    def _alike(self, hashes: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
        """Yield positions of the hashes that lie around one which several have, first seen first."""
        values, counts = np.unique(hashes, return_counts=True)
        seeds = values[counts >= _SEED]
        seed, _ = self.near.nearest(_grey(hashes), _grey(seeds))
        yield from groups(pa.array(seed, pa.int64(), mask=seed < 0))

    def _captions(self, rows: Rows, trained: NDArray[np.int64]) -> list[Finding]:
        captions = rows.first_texts().take(pa.array(trained))
        group = said_alike(captions, self.least)
        said = pa.array(group, mask=group < 0)
        often = pc.value_counts(said.drop_null())
        counts = np.asarray(often.field("counts"))
        usual = float(np.median(np.repeat(counts, counts))) if len(counts) else 0.0  # of the median row
        findings = []
        for some in groups(said):
            if len(some) >= self.beyond * usual and self._is_odd(rows, trained[some]):
                detail = f"{len(some)} unlike pictures have {_alike(captions.take(pa.array(some)))}"
                findings += [rows.finding(at, "poison_captions", detail) for at in trained[some]]
        return findings

    def _is_odd(self, rows: Rows, group: NDArray[np.int64]) -> bool:
        """Return whether there are many, and they look unlike."""
        if len(group) < self.least:
            return False
        return bits_apart(rows.prints(group[:_SAMPLE])) >= self.unlike


def _grey(hashes: NDArray[np.uint64]) -> Prints:
    return Prints(hashes=hashes, colours=np.zeros((len(hashes), 3), np.float32))


def _alike(captions: pa.Array) -> str:
    """Return in words what the captions of a group have in common."""
    if len(kernels_of(captions).unique()) == 1:
        return "the same caption, but for case, numbers and marks"
    often = max(
        sorted(pc.value_counts(captions).to_pylist(), key=lambda one: one["values"]), key=lambda one: one["counts"]
    )
    return f"nearly the same caption, such as {shorten(masked(often['values']), 80)!r}"
