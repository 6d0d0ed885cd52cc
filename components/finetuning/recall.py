"""Recall: while a model is tuned, what it says of general pictures is held to what the start said of them.

Source: Zheng et al. 2023, arXiv:2303.06628, section 3.1 (ZSCL: similarities of reference pictures and texts are distilled from the model as it was, both
ways). Differs: the divergence and not the cross-entropy, so that it is nought at the start; texts are the captions of the same pictures; the start's
answers are taken once; weights are not averaged on the way, since alphas lie between the ends afterwards.
Axes: G general pairs, R of them a step, S pixels, D shared width.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from components.contracts.batch import Batch, Images, Texts
from components.contracts.errors import ConfigError
from components.contracts.method import Clock, Losses, Method
from components.contracts.progress import Progress
from components.data.selection import Pool
from components.data.transforms.draws import seed_of
from components.data.transforms.preprocess import to_float
from components.evaluation.embedding import Embedder
from components.models.dual_encoder import DualEncoder
from components.objectives.divergence import divergence

AT_ONCE = 256  # pictures that are read between two lines of progress


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class General:
    """General pairs, and what the start says of them.

    Args:
        pixels: as the transform leaves them, a quarter of the numbers that a tower takes.
        texts: a caption each.
        image: unit rows of the start.
        text: the same of texts, times the start's scale, so that products are its logits.
    """

    pixels: UInt8[Tensor, "G 3 S S"]
    texts: Texts
    image: Float[Tensor, "G D"]
    text: Float[Tensor, "G D"]

    @classmethod
    def of(cls, embedder: Embedder, pool: Pool, progress: Progress) -> "General":
        """Return the pairs of a pool, each with its first caption, as the embedder's model has them now; ConfigError for fewer than two."""
        if len(pool) < 2:
            raise ConfigError(
                f"there are {len(pool)} general pictures to recall, but what is held is how near each is to the others. Give two or more."
            )
        captions = [texts[0] for texts in pool.captions]
        size = embedder.preprocess.size
        pixels = np.empty((len(pool), 3, size, size), np.uint8)
        for at in range(0, len(pool), AT_ONCE):
            pixels[at : at + AT_ONCE] = embedder.shown(pool.pictures[at : at + AT_ONCE])
            progress("reading general pictures", min(at + AT_ONCE, len(pool)), len(pool))
        image = embedder.of_shown(pixels)
        text = embedder.logit_scale * embedder.texts(captions)
        return cls(
            pixels=torch.from_numpy(pixels), texts=embedder.vocabulary(captions), image=torch.from_numpy(image),
            text=torch.from_numpy(text.astype(np.float32)),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.pixels)


class Recalled(Method):
    """A method, and beside its terms the divergence from the start on general pairs. The model's parameters keep their names.

    Args:
        method: whose model is tuned.
        general: the pairs.
        weight: of the divergence beside the method's terms, above 0.
        rows: R, pairs a step, at least 2; all there are where these are fewer.
        seed: decides, with the step, which ones.

    Raises ConfigError for numbers out of range.
    """

    model: DualEncoder

    def __init__(self, method: Method, general: General, *, weight: float, rows: int, seed: int) -> None:
        super().__init__()
        if not 0 < weight < float("inf") or rows < 2:
            raise ConfigError(
                f"weight is {weight} and rows {rows}, but the start is recalled by some weight, above 0, and on two pairs at least. 1 and 64 are usual; to "
                "recall nothing, leave it out."
            )
        self.weight, self.rows, self.seed = weight, min(rows, len(general)), seed
        self.inner: Method
        object.__setattr__(self, "inner", method)  # not a part: names of parameters stay those of the method
        object.__setattr__(self, "general", general)
        self.general: General
        self.per_rank = method.per_rank
        for name, part in method.named_children():
            self.add_module(name, part)

    def begin(self) -> None:
        """Do what the method does."""
        self.inner.begin()

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Return the method's terms, and `recall`."""
        losses, its = self.inner.losses(batch, clock), self.general
        draw = torch.Generator().manual_seed(seed_of("recall", self.seed, clock.step))
        places = torch.randperm(len(its), generator=draw)[: self.rows]
        device = self.model.logit_scale.log_scale.device
        images = Images(pixels=torch.from_numpy(to_float(its.pixels[places].numpy())).to(device))
        texts = Texts(ids=its.texts.ids[places].to(device), mask=its.texts.mask[places].to(device))
        image, text = self.model.encode_image(images).pooled, self.model.encode_text(texts).pooled
        start: Any = (its.image[places].to(device), its.text[places].to(device))
        apart = divergence(image, text, self.model.logit_scale(), [start])
        return Losses(
            terms={**losses.terms, "recall": self.weight * apart}, seen={**losses.seen, "apart": apart.detach()},
            embedded=losses.embedded,
        )  # fmt: skip

    def after_step(self, clock: Clock) -> None:
        """Do what the method does."""
        self.inner.after_step(clock)
