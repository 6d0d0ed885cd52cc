"""Any contrast, a slot at a time: where a picture has several texts, the first of all, the second of all, and so on, and their mean.

Source: Zheng et al. 2024, arXiv:2403.17007, section 3 (seed 10), whose texts are a caption and sentences of longer ones. Differs: a
picture with fewer texts than another comes again with those it has, where theirs always have as many.
Golden: open_clip ClipLoss of each slot, value and gradient, float32, rtol 1e-5.
Axes: B samples, T texts, K slots, D shared width, R rows of this rank, Q further columns.
"""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from components.contracts.directions import Directions
from components.contracts.errors import ConfigError
from components.contracts.gathered import Gathered, sides
from components.contracts.objective import Contrast, Wrapper


class SlotWise(Wrapper):
    """The mean of a contrast over slots. Texts of one picture are so never held against each other: no slot has two of them.

    Args:
        objective: the contrast.
    """

    def __init__(self, objective: Contrast) -> None:
        super().__init__(objective)

    def forward(
        self,
        image: Float[Tensor, "B D"] | Gathered,
        text: Float[Tensor, "T D"] | Gathered,
        scale: Float[Tensor, ""],
        bias: Float[Tensor, ""] | None = None,
        *,
        weights: Float[Tensor, " R"] | None = None,
        mask: Directions | Bool[Tensor, "R T"] | None = None,
        more_images: Float[Tensor, "Q1 D"] | None = None,
        more_texts: Float[Tensor, "Q2 D"] | None = None,
    ) -> Float[Tensor, ""]:
        """Return nats per row; what may be given besides is handed on, the mask of each slot's texts and of further rows.

        Raises ConfigError for a sample without a text.
        """
        pictures, texts = sides(image, text)
        besides = {"bias": bias, "weights": weights, "more_images": more_images, "more_texts": more_texts}
        given: dict[str, Tensor | Directions] = {name: one for name, one in besides.items() if one is not None}
        open_ = Directions.both(mask) if isinstance(mask, Tensor) else mask
        rows = slots(texts, len(pictures.all) if pictures.owner is None else int(pictures.owner.max()) + 1)
        losses: list[Tensor] = []
        for slot in rows:
            own = slice(None) if texts.is_whole else _own(texts)
            of_slot = _taken(texts, slot, own, by_number=pictures.owner is None)
            if open_ is not None:
                by_picture = open_.image_to_text
                given["mask"] = Directions(
                    image_to_text=torch.cat([by_picture[:, slot], by_picture[:, len(texts.all) :]], 1),
                    text_to_image=open_.text_to_image[slot[own] - texts.offset],
                )  # fmt: skip
            losses.append(self.objective(pictures, of_slot, scale, **given))
        return torch.stack(losses).mean()


def slots(texts: Gathered, samples: int) -> Int[Tensor, "K B"]:
    """Return which row of `all` each sample has in each slot; one with fewer texts than slots begins with them again.

    Raises ConfigError for a sample without a text.
    """
    owner = texts.samples()
    count = torch.bincount(owner, minlength=samples)
    if len(count) > samples or not bool(count.all()):
        raise ConfigError(
            f"{samples} samples have {count.tolist()} texts, but each slot has a text of every sample. Give each sample of the "
            "batch at least one, and no text to a sample that is not there."
        )
    begin, order = count.cumsum(0) - count, owner.argsort(stable=True)
    place = torch.arange(int(count.max()), device=owner.device)[:, None] % count
    return order[begin + place]


def _own(texts: Gathered) -> slice:
    """Return which samples are this rank's."""
    ours = texts.local_samples()
    return slice(int(ours.min()), int(ours.max()) + 1)


def _taken(texts: Gathered, slot: Int[Tensor, " B"], own: slice, *, by_number: bool) -> Gathered:
    """Return one text a sample; row numbers say whose, unless the other side has owners."""
    every = texts.all[slot]
    return replace(
        texts,
        local=every if texts.is_whole else texts.local[slot[own] - texts.offset],
        all=every,
        offset=own.start or 0,
        owner=None if by_number else torch.arange(len(slot), device=slot.device),
        label=None if texts.label is None else texts.label[slot],
    )  # fmt: skip
