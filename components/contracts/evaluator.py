"""What measures a model. An evaluator is one file, one test and one row of components/evaluation/catalogue.yaml.

It is handed a Subject, the trained model with the pictures it may be measured on, and gives Findings. It writes no file.
Axes: N rows, D width of the asked space, I pictures of a pool, T texts, H pixels a side,
Q queries, G gallery, B queries of a block.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.contracts.evaluate import Metric
from components.contracts.progress import Progress
from components.contracts.sample import Region
from components.contracts.sealed import digest_of

Space = Literal["pooled", "features"]  # projected into the shared space, or as the tower leaves them
Part = Literal["train", "val", "test"]


@runtime_checkable
class Pictures(Protocol):
    """The pictures of a split, with what is known of each."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Return their names."""

    @property
    def pictures(self) -> Sequence[bytes]:
        """Return their encoded bytes."""

    @property
    def captions(self) -> tuple[tuple[str, ...], ...]:
        """Return what is said of each, at least one text."""

    @property
    def concepts(self) -> tuple[str, ...]:
        """Return what each shows."""

    def labelled(self, label: str) -> tuple[str | None, ...]:
        """Return the group of each by that label, such as `category`, or `source`, who made it; None where it has none."""

    @property
    def languages(self) -> tuple[tuple[str, ...], ...]:
        """Return the ISO 639-1 code of what is said of each, a code a text; empty where it is not known of any."""

    @property
    def kinds(self) -> tuple[tuple[str, ...], ...]:
        """Return of which kind each text is, such as `alt`; empty where it is not known of any."""

    @property
    def series(self) -> tuple[str | None, ...]:
        """Return which pictures are of one series, such as a product, and err together; None of one that is of none, and empty where it is not known of any."""

    @property
    def regions(self) -> Sequence[Sequence[Region]]:
        """Return what is known of parts of each; empty where nothing is known of any."""


@runtime_checkable
class Encoder(Protocol):
    """A model with its own transform and tokenizer."""

    @property
    def logit_scale(self) -> float:
        """Return what cosines are multiplied with before a softmax, as it was learned."""

    def pictures(self, pictures: Sequence[bytes], progress: Progress, doing: str) -> NDArray[np.float32]:
        """Return unit rows [N D] in the shared space."""

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit rows [N D] in the shared space."""

    def encoded(
        self, pictures: Sequence[bytes], spaces: Sequence[Space], progress: Progress, doing: str
    ) -> dict[Space, NDArray[np.float32]]:
        """Return rows [N D] in each space, of the length that the model gives them."""


@runtime_checkable
class TokenEncoder(Protocol):
    """A model that gives tokens beside its one vector."""

    def picture_tokens(self, pictures: Sequence[bytes], progress: Progress, doing: str) -> NDArray[np.float32]:
        """Return the patches of each picture in the shared space [N K D], not of unit length."""

    def text_tokens(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the words of each text in the shared space [N L D], not of unit length, and which are real [N L]."""


@runtime_checkable
class ShownEncoder(Protocol):
    """A model that hands out what it is shown of a picture, and takes it back changed."""

    def shown(self, pictures: Sequence[bytes]) -> NDArray[np.uint8]:
        """Return pixels [N 3 H H] as its transform leaves them."""

    def of_shown(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return unit rows [N D] in the shared space, of pixels as `shown` gives them."""


Counted = Literal["parameters", "bytes", "flops"]


@runtime_checkable
class CostedEncoder(Protocol):
    """A model that knows how large it is."""

    def cost(self) -> Mapping[Literal["image", "text"], Mapping[Counted, int]]:
        """Return of each side the parameters, the bytes they lie in, and the operations that one picture, and one text of the full length, take."""


@runtime_checkable
class PlacingEncoder(TokenEncoder, Protocol):
    """A model of whose tokens it is known where they lie."""

    def grid(self) -> tuple[int, int] | None:
        """Return rows and columns in which the patches of a picture lie, row by row; None where they lie in no grid.

        Raises CapabilityError when it gives no patches.
        """

    def windows(self, pictures: Sequence[bytes]) -> NDArray[np.float64]:
        """Return the part of each picture that the model is shown [N 4]: left, top, right, bottom, from 0 to 1 of its sides."""

    def named(self, texts: Sequence[str], words: Sequence[str]) -> NDArray[np.bool_]:
        """Return which of a text's tokens are of its word [N L]: all but start and end where the text has no such word."""


@runtime_checkable
class Scores(Protocol):
    """A matrix [Q G], higher is closer, of which some rows are asked for at a time: an array, or one that is computed as it is asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return Q and G."""

    def __getitem__(self, rows: slice, /) -> NDArray[np.float32]:
        """Return some rows [B G]; `[:]` is all of them."""

    @property
    def T(self) -> "Scores":  # as numpy calls it
        """Return it the other way round: answers ask for queries."""


@runtime_checkable
class Subject(Protocol):
    """A trained model, and what it may be measured on. What several evaluators ask for is computed once."""

    seed: int
    progress: Progress

    @property
    def encoder(self) -> Encoder:
        """Return the model."""

    @property
    def untrained(self) -> Encoder:
        """Return the same architecture with weights drawn from the seed: what training has to beat."""

    @property
    def train(self) -> Pictures:
        """Return what the model was trained on."""

    @property
    def pools(self) -> Mapping[str, Pictures]:
        """Return split -> its pictures, of those this data has: `val` to choose by, the others to test on."""

    @property
    def to_fit(self) -> Mapping[str, Pictures]:
        """Return name of a pool -> other pictures of the same set, to fit on, of those that have such: an evaluation set's own `train`."""

    def embedded(self, split: str) -> NDArray[np.float32]:
        """Return the split's pictures as unit rows [I D] in the shared space."""

    def featured(self, data: "Labelled", spaces: Sequence[Space], doing: str) -> dict[Space, NDArray[np.float32]]:
        """Return the pictures of a labelled set as rows [N D] in each space, of the length that the model gives them."""

    def nearest(self, split: str, owned: Sequence[Sequence[str]], names: Sequence[str]) -> Scores:
        """Return the no-training baseline [I T]: how near the nearest training picture that owns each name is.

        Args:
            split: whose pictures are asked.
            owned: names of each training picture.
            names: T names; one that no training picture owns scores -1, below all others.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What an evaluator found.

    Args:
        metrics: numbers that can stand alone.
        rows: name -> a row a query, kept as rows/<name>.parquet; tables of one name are joined.
        files: name -> JSON value, for what later stages need as it is.
        without: what could not be measured -> why, in words.
    """

    metrics: tuple[Metric, ...] = ()
    rows: Mapping[str, pa.Table] = field(default_factory=dict)
    files: Mapping[str, Any] = field(default_factory=dict)
    without: Mapping[str, str] = field(default_factory=dict)


class Evaluator:
    """Base of all evaluators: settings go in the constructor, the model in the call."""

    @property
    def fits(self) -> bool:
        """Return whether it fits something on the set itself, for which the set's other split, `Subject.to_fit`, is to be read."""
        return False

    def measure(self, subject: Subject) -> Findings:
        """Return what was found; what this data does not allow is said in `without`, never left out in silence."""
        raise NotImplementedError(
            f"{type(self).__name__} is an Evaluator without measure(subject); write what it does."
        )


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A small set of pictures to fit and test a probe on.

    Args:
        pictures: encoded bytes.
        keys: their names.
        labels: what each shows.
        parts: which part each is of: fitted on, chosen by, or tested on once.
        groups: what each is about, where several are about one thing and err together; none: each is a thing of its own.
        told: how the parts came about, in words, where that is not the set's own affair.
    """

    pictures: Sequence[bytes]
    keys: tuple[str, ...]
    labels: tuple[str, ...]
    parts: tuple[Part, ...]
    groups: tuple[str, ...] = ()
    told: str = ""

    @cached_property
    def digest(self) -> str:
        """Return the sha256 of all of it, for which every picture is read once."""
        rows = zip(self.keys, self.labels, self.parts, self.pictures, strict=True)
        return digest_of({key: f"{label} {part} {hashlib.sha256(data).hexdigest()}" for key, label, part, data in rows})


class Downstream:
    """Base of all downstream sets: pictures the model was not trained on, the same at every call.

    `name` names the metrics, `about` says in words what it is and under which licence. One that depends on what is measured has `of` in place of both.
    """

    name: str
    about: str
    of_subject = False  # whether `of` looks at the subject

    def read(self) -> Labelled:
        """Return the whole set."""
        raise NotImplementedError(
            f"{type(self).__name__} is a Downstream without read(); write one that gives Labelled."
        )

    def of(self, subject: Subject) -> Mapping[str, Labelled | str]:
        """Return name in metrics -> the set, or in words why there is none."""
        return {self.name: self.read()}
