"""Snapshots with known dirt, made through the real ingest: ten sound pictures, and whatever a test spoils."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.contracts.progress import Progress
from components.contracts.reject import Reject
from components.contracts.sample import Media, Sample, Text
from components.data.ingest import ingest
from components.validation.validate import validate


class ListedSource:
    """A source that gives the samples and rejects it was made with."""

    def __init__(self, samples: Sequence[Sample | Reject]) -> None:
        self.listed = samples

    def samples(self, seed: int, progress: Progress) -> Iterator[Sample | Reject]:
        yield from self.listed

    def describe(self) -> dict[str, object]:
        designers = {"flat": "CC0-1.0", "chalk": "CC-BY-4.0"}
        return {"name": "listed", "designers": designers, "held_out": "chalk", "languages": ["de", "en", "ja"]}


class Case:
    """One snapshot and what validation makes of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.raw, self.validated, self.evaluation = (folder / name for name in ("raw", "validated", "evaluation"))
        self.failed_report = folder / "failed" / "report.html"

    def ingest(self, samples: Sequence[Sample | Reject]) -> "Case":
        ingest(ListedSource(samples), self.raw, seed=0)
        return self

    def validate(self, max_broken: float = 1.0, **options: object) -> dict:
        return validate(
            self.raw,
            self.validated,
            self.evaluation,
            max_broken=max_broken,
            seed=0,
            failed_report=self.failed_report,
            **options,
        )


def picture(number: int, **options: object) -> bytes:
    """Return a PNG of smooth noise that looks like that of no other number."""
    held = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((32, 32), Image.Resampling.BICUBIC).save(held, "PNG", **options)
    return held.getvalue()


@pytest.fixture
def case(tmp_path) -> Case:
    return Case(tmp_path)


@pytest.fixture
def paint() -> Callable[..., bytes]:
    return picture


@pytest.fixture
def make() -> Callable[..., Sample]:
    """Return what makes a sound sample of a number; keywords replace fields, `data` the picture, `text` the caption."""

    def sample(number: int, data: bytes | None = None, text: str | None = None, **fields: object) -> Sample:
        key = str(fields.get("key", f"k{number}"))
        sound = Sample(
            key=key,
            split="train",
            source="flat",
            licence="CC0-1.0",
            media=(Media(member=f"{key}.png", data=picture(number) if data is None else data),),
            texts=(Text(text=f"gradient {number}" if text is None else text),),
            labels={"concept": f"gradient {number}"},
        )
        return replace(sound, **fields)

    return sample
