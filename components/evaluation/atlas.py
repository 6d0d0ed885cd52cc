"""The shared space on two axes: where the pictures and the texts of a split lie to one another.

Source: Pearson 1901, principal components. Differs: pictures and texts are each moved to their own mean first. What lies between the two means
is said as a number (Liang et al. 2022, arXiv:2203.02053), since it would be the first axis, and all else a heap on either side of it.
An axis points to where its largest loading is positive, and places are rounded, so that the same rows give the same map.
Axes: I pictures, T texts, D shared width, N both, K picked.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

MOST, PICTURED = 300, 16  # of pictures, and of texts, that are drawn; of pictures that are shown
DIGITS = 3

Kind = Literal["picture", "text"]
KINDS: tuple[Kind, Kind] = ("picture", "text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One picture or one text on the map.

    Args:
        name: what it is called, or says.
        kind: which of the two.
        group: its group by a label; None where it has none.
        x: to the right, -1 to 1.
        y: upwards, -1 to 1.
        picture: encoded bytes, of those few that are shown.
    """

    name: str
    kind: Kind
    group: str | None
    x: float
    y: float
    picture: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Atlas:
    """A map.

    Args:
        split: of the pictures.
        points: pictures first.
        shown: share of the variance that each of the two axes has.
        gap: distance of the pictures' mean to the texts' mean.
        left_out: pictures and texts that are not drawn.
    """

    split: str
    points: tuple[Point, ...]
    shown: tuple[float, float]
    gap: float
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What is put on the map of one kind.

    Args:
        names: of each.
        groups: of each, or None.
        rows: unit rows in the shared space.
    """

    names: Sequence[str]
    groups: Sequence[str | None]
    rows: Float[np.ndarray, "N D"]


def atlas(split: str, shown: Placed, said: Placed, picture: Callable[[int], bytes]) -> Atlas | None:
    """Return the map of the pictures `shown` and the texts `said`; None of fewer than three in all.

    Args:
        picture: the encoded bytes of one of what is shown, by its place; asked for the few that are drawn themselves.
    """
    if len(shown.names) + len(said.names) < 3 or not len(shown.names) or not len(said.names):
        return None
    means = [one.rows.astype(np.float64).mean(0) for one in (shown, said)]
    centred = np.concatenate([one.rows - mean for one, mean in zip((shown, said), means, strict=True)])
    places, shares = principal(centred)
    kept = [_even(len(one.names)) for one in (shown, said)]
    places_of = places[: len(shown.names)], places[len(shown.names) :]
    seen = {kept[0][at] for at in _apart(places_of[0][kept[0]], PICTURED)}
    points = [
        Point(
            name=one.names[at], kind=kind, group=one.groups[at], x=float(where[at, 0]), y=float(where[at, 1]),
            picture=picture(at) if kind == "picture" and at in seen else None,
        )
        for kind, one, where, chosen in zip(KINDS, (shown, said), places_of, kept, strict=True)
        for at in chosen
    ]  # fmt: skip
    return Atlas(
        split=split, points=tuple(points), shown=(round(shares[0], DIGITS), round(shares[1], DIGITS)),
        gap=round(float(np.linalg.norm(means[0] - means[1])), DIGITS), left_out=len(places) - len(points),
    )  # fmt: skip


def principal(rows: Float[np.ndarray, "N D"]) -> tuple[Float[np.ndarray, "N 2"], tuple[float, float]]:
    """Return centred rows on their two principal axes, the furthest at 1, and the share of the variance of each axis.

    Where all are the same, all lie in the middle.
    """
    spreads, axes = np.linalg.eigh(rows.T @ rows)  # D x D, however many rows there are; the smallest spread first
    two = np.zeros((2, rows.shape[1]))
    two[: min(2, rows.shape[1])] = axes.T[::-1][:2]
    signs = np.sign(two[np.arange(2), np.abs(two).argmax(1)])
    found = rows @ (two * np.where(signs == 0, 1, signs)[:, None]).T
    furthest, whole = np.abs(found).max(), float(spreads.sum())
    squares = [*(spreads[::-1][:2] / whole if whole > 0 else [0.0, 0.0]), 0.0]
    return (found / (furthest or 1.0)).round(DIGITS) + 0.0, (float(squares[0]), float(squares[1]))


def _even(count: int) -> list[int]:
    """Return at most MOST places, as far apart as can be."""
    picked = min(count, MOST)
    return [(2 * place + 1) * count // (2 * picked) for place in range(picked)]


def _apart(places: Float[np.ndarray, "K 2"], count: int) -> list[int]:
    """Return places that lie far from one another: each next is the furthest from all before, the first the furthest out."""
    picked = [int((places**2).sum(1).argmax())]
    distance = ((places - places[picked[0]]) ** 2).sum(1)
    while len(picked) < min(count, len(places)) and distance.max() > 0:
        picked.append(int(distance.argmax()))
        distance = np.minimum(distance, ((places - places[picked[-1]]) ** 2).sum(1))
    return picked
