"""Training batches, each a pure function of (seed, step): no worker holds state, and a resume needs only the step.

An order says which rows, the rows lie decoded on disk or in memory, views make a batch of them.
"""

import hashlib

import torch
from torch.utils.data import Dataset

from components.contracts.batch import Batch, Images, Texts, stack_ids
from components.contracts.order import Order
from components.data.rows.captions import Captions
from components.data.rows.pairs import Pairs
from components.data.share import Share
from components.data.tokenizers import Vocabulary
from components.data.transforms.views import Views


class StepBatches(Dataset[Batch]):
    """Batch number `step`, made when it is asked for.

    Args:
        pairs: the training selection.
        vocabulary: makes tokens of the captions.
        views: what each picture goes through.
        order: which rows come at which step.
        seed: decides caption and view of every row of every step.
        share: the part of each batch that is made here; the others' parts have the same bits as if it were made whole.
    """

    def __init__(
        self, pairs: Pairs, vocabulary: Vocabulary, views: Views, order: Order, *, seed: int, share: Share | None = None
    ) -> None:
        self.pairs, self.views, self.order, self.seed = pairs, views, order, seed
        self.part = (share or Share()).of(order.batch)
        self.captions = Captions(vocabulary, pairs.captions)
        names = {concept: number for number, concept in enumerate(sorted(set(pairs.concepts)))}
        self.concepts = stack_ids([names[concept] for concept in pairs.concepts])

    def __getitem__(self, step: int) -> Batch:
        draw = torch.Generator().manual_seed(seed_of(self.seed, "batch", step))
        rows = torch.tensor(self.order.at(step))
        texts = self.captions.texts(self.captions.choose(rows, draw))  # as wide on every rank
        drawn = self.views.drawn(len(rows), draw).part(self.part)
        rows = rows[self.part]
        return Batch(
            keys=tuple(self.pairs.keys[row] for row in rows.tolist()),
            images={"main": Images(pixels=self.views.show(self.pairs.pictures[rows], drawn))},
            texts={"caption": Texts(ids=texts.ids[self.part], mask=texts.mask[self.part])},
            ids={"concept": self.concepts[rows]},
        )


def seed_of(*parts: object) -> int:
    """Return a seed below 2**63 that depends on every part, so that neighbouring steps share nothing."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1
