"""DreamLIP: a picture is contrasted with its caption and with sentences of longer ones, and each text with the patches it speaks of.

Source: Zheng et al. 2024, arXiv:2403.17007, section 3 (seed 10). Differs: patches are pooled on the rank that has them, so that only
what they are pooled to travels; towers and sizes are the recipe's.
Axes: R pairs of this rank, K sentences of each, D shared width.
"""

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from components.contracts.batch import Batch
from components.contracts.encoded import TOKENS, Encoded
from components.contracts.errors import CapabilityError, ConfigError
from components.contracts.method import Clock, Losses, Method
from components.models.dual_encoder import DualEncoder
from components.models.projection import LogitScale
from components.models.text_grouped import Norm, text_grouped
from components.objectives.slot_wise import SlotWise
from components.objectives.softmax import SoftmaxLoss
from components.training.gather import Gather, GatherMode

TEXTS = "training: {texts: {caption: {kinds: [alt]}, sentence: {kinds: [long, short], count: 3, sentences: true}}}"


class DreamLip(Method):
    """CLIP's contrast a slot at a time, the caption first and then each sentence, and one of texts with their own patches.

    Args:
        model: two towers; that of pictures gives tokens.
        contrast: weight of the first, at least 0.
        group: weight of the second; 0 asks for no tokens.
        norm: how a text's cosines to patches become shares, as of text_grouped.
        threshold: share below which a patch counts nothing, in [0, 1]; null is 1 / patches.
        detach_weights: whether the shares are taken as they are; in the paper's code the gradient goes through them.
        scale: of the second contrast: the model's, `shared`, or its `own`, which begins as the usual one.
        gather: how ranks see each other's rows, as of Gather.

    Raises ConfigError for weights that are negative or all 0, and a threshold out of range.
    """

    model: DualEncoder

    def __init__(
        self, model: DualEncoder, contrast: float = 1.0, group: float = 1.0, norm: Norm = "min_max",
        threshold: float | None = None, detach_weights: bool = False, scale: Literal["shared", "own"] = "own",
        gather: GatherMode = "features",
    ) -> None:  # fmt: skip
        super().__init__()
        if min(contrast, group) < 0 or not contrast + group:
            raise ConfigError(
                f"the weights are contrast {contrast:g}, group {group:g}. Give each 0 or more, and one of them more than 0."
            )
        if threshold is not None and not 0 <= threshold <= 1:
            raise ConfigError(
                f"threshold is {threshold}, but shares lie between 0 and 1. Use null for the paper's, 1 / patches."
            )
        self.model, self.weights = model, {"contrast": contrast, "group": group}
        self.norm, self.threshold, self.detach_weights = norm, threshold, detach_weights
        self.slot_wise, self.softmax, self.gather = SlotWise(SoftmaxLoss()), SoftmaxLoss(), Gather(gather)
        self.group_scale = LogitScale() if scale == "own" and group else None

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Return both terms, those that weigh anything, and the share of pictures without a sentence of their own."""
        image = self.model.encode_image(batch.images["main"], (TOKENS,) if self.weights["group"] else ())
        said = self._said(batch)
        rows, count = said.flatten(0, 1), said.shape[1]
        owner = torch.arange(len(batch), device=rows.device).repeat_interleave(count)
        texts, scale = self.gather(rows, owner, len(batch)), self.model.logit_scale()
        terms, seen = {}, {"scale": scale.detach()}
        if self.weights["contrast"]:
            terms["contrast"] = self.slot_wise(self.gather(image.pooled), texts, scale)
        if self.weights["group"]:
            own_scale = scale if self.group_scale is None else self.group_scale()
            grouped = self.gather(self._grouped(image, said).flatten(0, 1), owner, len(batch))
            # By row number: a text belongs to its own patches, and to no other of its picture.
            by_number = [replace(side, owner=None) for side in (grouped, texts)]
            terms["group"] = self.softmax(*by_number, own_scale)
            seen["group_scale"] = own_scale.detach()
        if (given := batch.ids.get("sentence_given")) is not None:
            seen["fallback_raw"] = 1 - given.float().mean()
        return Losses(
            terms={name: self.weights[name] * term for name, term in terms.items()}, seen=seen,
            embedded={"image": image.pooled.detach(), "text": said[:, 0].detach()},
        )  # fmt: skip

    def after_step(self, clock: Clock) -> None:
        """Keep both scales at or below their bound."""
        self.model.logit_scale.clamp()
        if self.group_scale is not None:
            self.group_scale.clamp()

    def _said(self, batch: Batch) -> Tensor:
        """Return float [R 1+K D]: the caption of each picture, and its sentences."""
        if "sentence" not in batch.texts:
            raise ConfigError(
                "the batch has no sentences, and DreamLIP contrasts each picture with several. Say in the recipe of which captions they "
                f"are, and how many: {TEXTS}."
            )
        caption = self.model.encode_text(batch.texts["caption"]).pooled
        sentence = self.model.encode_text(batch.texts["sentence"]).pooled
        return torch.cat([caption[:, None], sentence.reshape(len(batch), -1, sentence.shape[-1])], 1)

    def _grouped(self, image: Encoded, said: Tensor) -> Tensor:
        """Return float [R 1+K D], of each text the patches it speaks of."""
        if image.tokens is None:
            raise CapabilityError(
                "the picture tower gives no tokens, so no patches can be grouped. Choose a network that does, or set group to 0."
            )
        return text_grouped(image.tokens, said, self.norm, self.threshold, self.detach_weights)
