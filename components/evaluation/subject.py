"""A trained model with the pictures it is measured on, and everything that more than one evaluator asks for.

Axes: I pictures of a pool, M training pictures, T names, D shared width, F features.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np
from jaxtyping import Float

from components.contracts.evaluator import Encoder, Labelled, Pictures, Space
from components.contracts.progress import Progress, silent
from components.evaluation.neighbour import Lent, describe


class TrainedModel:
    """The Subject of all evaluators; keeps in memory what it has computed, and nothing on disk.

    Args:
        encoder: the model.
        untrained: gives the same architecture with drawn weights; called when somebody asks for it.
        train: what it was trained on.
        pools: split -> pictures, only splits that have any.
        seed: decides every draw of an evaluator.
        progress: is told as pictures are encoded and described.
        to_fit: name of a pool -> other pictures of the same set, to fit on, of those that have such.
    """

    def __init__(
        self,
        encoder: Encoder,
        untrained: Callable[[], Encoder],
        train: Pictures,
        pools: Mapping[str, Pictures],
        seed: int = 0,
        progress: Progress = silent,
        to_fit: Mapping[str, Pictures] | None = None,
    ) -> None:
        self.encoder, self.train, self.pools, self.seed, self.progress = encoder, train, pools, seed, progress
        self.to_fit = to_fit or {}
        self._untrained = untrained
        self._of: TrainedModel | None = None
        self._embedded: dict[str, np.ndarray] = {}
        self._described: dict[str, np.ndarray] = {}
        self._featured: tuple[str, dict[Space, np.ndarray]] = "", {}  # of one set at a time: features of many are large

    def on(self, pools: Mapping[str, Pictures], to_fit: Mapping[str, Pictures] | None = None) -> "TrainedModel":
        """Return the same model on other pictures; what is computed of the model and of what it was trained on is computed once for both."""
        other = TrainedModel(self.encoder, self._untrained, self.train, pools, self.seed, self.progress, to_fit)
        other._of = self
        return other

    @cached_property
    def untrained(self) -> Encoder:
        """The same architecture, untrained."""
        return self._untrained() if self._of is None else self._of.untrained

    def embedded(self, split: str) -> Float[np.ndarray, "I D"]:
        """Return unit rows of a split's pictures in the shared space."""
        if split not in self._embedded:
            self._embedded[split] = self.encoder.pictures(
                self.pools[split].pictures, self.progress, f"encoding {split}"
            )
        return self._embedded[split]

    def featured(self, data: Labelled, spaces: Sequence[Space], doing: str) -> dict[Space, Float[np.ndarray, "I _"]]:
        """Return the pictures of a labelled set as rows in each space; those of the last set that was asked for are kept."""
        digest = data.digest
        if self._featured[0] != digest:
            self._featured = digest, {}
        known = self._featured[1]
        if lacking := [space for space in spaces if space not in known]:
            known |= self.encoder.encoded(data.pictures, lacking, self.progress, doing)
        return {space: known[space] for space in spaces}

    def nearest(self, split: str, owned: Sequence[Sequence[str]], names: Sequence[str]) -> Lent:
        """Return how near the nearest training picture that owns each name is; see `Lent`."""
        if split not in self._described:
            self._described[split] = describe(self.pools[split].pictures, self.progress)
        return Lent.of(self._described[split], self._known, owned, names)

    @cached_property
    def _known(self) -> Float[np.ndarray, "M F"]:
        return describe(self.train.pictures, self.progress) if self._of is None else self._of._known
