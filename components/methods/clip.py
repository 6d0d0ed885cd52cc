"""CLIP: each picture is closest to its own caption within the batch (seed 56); SigLIP's wiring too, with another contrast.

Sources: Radford et al. 2021, arXiv:2103.00020, figure 3; Zhai et al. 2023, arXiv:2303.15343, algorithm 1.
Differs: nothing in the method; sizes are the recipe's. Texts that people said do not fit a picture, where the recipe brings some, are further wrong
answers of that picture (the hard negatives of Yuksekgonul et al. 2023, arXiv:2210.01936, section 4, theirs made of captions).
"""

from inspect import signature

import torch
from torch import Tensor

from components.contracts.batch import Batch
from components.contracts.directions import Directions
from components.contracts.errors import ConfigError
from components.contracts.gathered import Gathered
from components.contracts.method import Clock, Losses, Method
from components.contracts.objective import Contrast, Wrapper
from components.contracts.text_pick import NEGATIVE
from components.models.dual_encoder import DualEncoder
from components.training.gather import Gather, GatherMode


class Clip(Method):
    """Contrast over the batch with a learned, clamped scale, and a learned bias where the contrast wants one.

    Args:
        model: the two towers.
        objective: the contrast.
        gather: how ranks see each other's rows, as of Gather; with one rank all the same.

    Raises ConfigError when the contrast wants a bias and the model has none, or the other way round, and as of its check_width.
    """

    model: DualEncoder

    def __init__(self, model: DualEncoder, objective: Contrast, gather: GatherMode = "features") -> None:
        super().__init__()
        self.model, self.objective, self.gather = model, objective, Gather(gather)
        _check_bias(objective, model.logit_scale.bias is not None)
        objective.check_width(model.width)

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Return the contrast of this batch; scale and bias are only logged."""
        images, texts = batch.images["main"], batch.texts["caption"]
        image, text = self.model.encode_image(images).pooled, self.model.encode_text(texts).pooled
        shown, said = labels(batch) if self.objective.wants_labels else (None, None)
        sides = (
            self.gather(image, images.owner, len(batch), shown),
            self.gather(text, texts.owner, len(batch), said),
        )
        logits = {"scale": self.model.logit_scale()}
        if self.model.logit_scale.bias is not None:
            logits["bias"] = self.model.logit_scale.bias
        against: dict[str, Tensor | Directions] = {}
        if (wrong := batch.texts.get(NEGATIVE)) is not None:
            unfit = self.gather(self.model.encode_text(wrong).pooled, wrong.owner, len(batch))
            against = {"more_texts": unfit.local, "mask": own_alone(*sides, unfit)}
        return Losses(
            terms={"contrast": self.objective(*sides, **logits, **against)},
            seen={name: value.detach() for name, value in logits.items()},
            embedded={"image": image.detach(), "text": text.detach()},
        )

    def check_negatives(self) -> None:
        """Raise ConfigError for a contrast that takes no further texts, or has no square matrix to keep them apart in."""
        contrast = self.objective.innermost if isinstance(self.objective, Wrapper) else self.objective
        takes = signature(contrast.forward).parameters
        if not {"more_texts", "mask"} <= takes.keys() or getattr(contrast, "block", None) is not None:
            raise ConfigError(
                f"training.negatives brings texts that do not fit some pictures, but {type(contrast).__name__} cannot hold each against its own picture "
                "alone, as it is set here. Take SoftmaxLoss with block null, or leave training.negatives out."
            )

    def after_step(self, clock: Clock) -> None:
        """Keep the scale at or below its bound, as the paper does."""
        self.model.logit_scale.clamp()


def labels(batch: Batch) -> tuple[Tensor | None, Tensor]:
    """Return what the pictures show, where the batch says it, and which captions are the same."""
    shown, owner = batch.ids.get("concept"), batch.images["main"].owner
    return shown if shown is None or owner is None else shown[owner], batch.texts["caption"].labels()


def own_alone(images: Gathered, texts: Gathered, unfit: Gathered) -> Directions:
    """Return a mask in which all pairs take part, and each of N further texts stands before its own pictures alone; True [R C + N] and [R2 C2].

    Args:
        unfit: whose local rows they are.
    """
    own = images.local_samples()[:, None] == unfit.local_samples()[None]
    return Directions(
        image_to_text=torch.cat([own.new_ones(len(images.local), len(texts.all)), own], 1),
        text_to_image=own.new_ones(len(texts.local), len(images.all)),
    )


def _check_bias(objective: Contrast, is_there: bool) -> None:
    name = type(objective.innermost if isinstance(objective, Wrapper) else objective).__name__
    if objective.wants_bias and not is_there:
        raise ConfigError(
            f"{name} asks of every pair alone whether it matches, and most do not, but logit_scale has no bias to say so. "
            "Set model.init_args.logit_scale.init_args.bias in the recipe; -10 is the paper's."
        )
    if is_there and not objective.wants_bias:
        raise ConfigError(
            f"logit_scale has a bias, but {name} compares pairs with each other: a bias would change nothing and learn "
            "nothing. Take model.init_args.logit_scale.init_args.bias out of the recipe."
        )
