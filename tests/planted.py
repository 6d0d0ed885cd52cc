"""For every check of the catalogue, rows with its defects planted among sound ones, and what has to be found."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.rows import row


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """Rows and the truth about them.

    Args:
        rows: as tests/rows.py makes them.
        defects: key -> reason.
    """

    rows: list[dict]
    defects: dict[str, str]


def duplicate_pixels() -> Plant:
    """A train picture twice, a pool's picture that is trained on, and two pools that name one picture otherwise."""
    return Plant(
        rows=[
            *(row(f"sound{i}", split=split) for i, split in enumerate(("train", "val", "pair", "designer"))),
            row("first", pixel_sha256="aa"),
            row("second", pixel_sha256="aa"),
            row("pool", "first", split="pair", pixel_sha256="aa"),
            row("one", split="pair", pixel_sha256="bb"),
            row("other", split="designer", pixel_sha256="bb"),
            row("same", "name", split="pair", pixel_sha256="cc"),
            row("again", "name", split="designer", pixel_sha256="cc"),
        ],
        defects={
            "first": "twin_in_train", "second": "twin_in_train", "pool": "duplicate_pixels", "one": "duplicate_pixels",
            "other": "duplicate_pixels",
        },
    )  # fmt: skip


def same_concept() -> Plant:
    """Three hearts in one pool, of which seed 0 keeps one; elsewhere a concept may come twice."""
    hearts = [row(f"heart{i}", split="concept", concept="heart") for i in range(3)]
    return Plant(
        rows=[
            *hearts,
            row("nothing", split="concept"),
            row("neither", split="concept"),
            *(row(f"sound{i}", split="train", concept="star") for i in range(2)),
            row("star", split="both", concept="heart"),
        ],
        defects={"heart0": "same_concept", "heart1": "same_concept"},
    )


PLANTED: dict[str, Callable[[], Plant]] = {"duplicate_pixels": duplicate_pixels, "same_concept": same_concept}
