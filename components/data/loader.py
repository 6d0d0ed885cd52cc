"""Training batches, each a pure function of (seed, step): no worker holds state, and a resume needs only the step.

Axes: M samples of the selection, S pixels of the kept pictures, K captions a sample, L tokens.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from components.contracts.batch import Batch, Images, Texts, stack_ids
from components.data.samplers.distinct import DistinctBatches, fitting
from components.data.tokenizers import Vocabulary
from components.data.transforms.views import Views


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """A selection, decoded once.

    Args:
        keys: M names.
        pictures: uint8 [M 4 S S], RGBA.
        captions: the captions of each sample, at least one.
        concepts: what each sample shows.
    """

    keys: tuple[str, ...]
    pictures: UInt8[Tensor, "M 4 S S"]
    captions: tuple[tuple[str, ...], ...]
    concepts: tuple[str, ...]


class StepBatches(Dataset[Batch]):
    """Batch number `step`, made when it is asked for.

    Args:
        pairs: the training selection.
        vocabulary: makes rows of the captions.
        views: what each picture goes through.
        batch: rows a step; a selection with fewer concepts has batches of as many as it has.
        seed: decides order, caption and view of every step.
    """

    def __init__(self, pairs: Pairs, vocabulary: Vocabulary, views: Views, batch: int, seed: int) -> None:
        self.pairs, self.views, self.seed = pairs, views, seed
        self.order = DistinctBatches(pairs.concepts, fitting(batch, pairs.concepts), seed)
        self.first = torch.tensor([0, *torch.tensor([len(c) for c in pairs.captions]).cumsum(0).tolist()])
        self.texts = vocabulary([text for captions in pairs.captions for text in captions])
        names = {concept: number for number, concept in enumerate(sorted(set(pairs.concepts)))}
        self.concepts = stack_ids([names[concept] for concept in pairs.concepts])

    def __getitem__(self, step: int) -> Batch:
        draw = torch.Generator().manual_seed(seed_of(self.seed, "batch", step))
        rows = torch.tensor(self.order.at(step))
        kinds = self.first[rows + 1] - self.first[rows]
        chosen = self.first[rows] + (torch.rand(len(rows), generator=draw) * kinds).long()
        longest = int(self.texts.mask[chosen].sum(1).max())
        return Batch(
            keys=tuple(self.pairs.keys[row] for row in rows.tolist()),
            images={"main": Images(pixels=self.views(self.pairs.pictures[rows], draw))},
            texts={"caption": Texts(ids=self.texts.ids[chosen, :longest], mask=self.texts.mask[chosen, :longest])},
            ids={"concept": self.concepts[rows]},
        )


class Steps(Sampler[int]):
    """The steps from `start` to `stop`, of which the ones before `start` count as taken.

    Its length is `stop`: Lightning adds the batches behind a checkpoint to those it fetched, and compares with the length.
    """

    def __init__(self, start: int, stop: int) -> None:
        self.start, self.stop = start, stop

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.start, self.stop))

    def __len__(self) -> int:
        return self.stop


def loader(batches: StepBatches, start: int, stop: int) -> DataLoader[Batch]:
    """Return the batches of steps [start, stop), in order, made in this process."""
    return DataLoader(batches, batch_size=None, sampler=Steps(start, stop))


def seed_of(*parts: object) -> int:
    """Return a seed below 2**63 that depends on every part, so that neighbouring steps share nothing."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1
