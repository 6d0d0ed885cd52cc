"""ConceptCLIP: SigLIP, and of every concept that a caption names: which pictures have a patch of it (seed 13).

Source: Nie et al. 2025, arXiv:2501.15579, image-text alignment and patch-concept alignment; what the paper leaves open is as in
JerrryNie/ConceptCLIP. Differs: a batch without a concept loses nothing by them, where the released code divides by 0; which patches
are compared is the model's (`patches` of DualEncoder). The paper's first stage is `siglip`, from whose model this one begins.
Axes: R pairs of this rank, S concepts of all ranks, D shared width.
"""

from copy import deepcopy

from torch import Tensor

from components.contracts.batch import Batch, Spans
from components.contracts.encoded import TOKENS, Encoded
from components.contracts.errors import CapabilityError, ConfigError
from components.contracts.gathered import Gathered
from components.contracts.method import Clock, Losses, Method
from components.contracts.text_pick import CAPTION
from components.models.dual_encoder import DualEncoder
from components.models.poolers import span_mean
from components.objectives.sigmoid import SigmoidLoss
from components.objectives.similarity import nearest_patch
from components.training.gather import Gather, GatherMode

MENTIONS = "training: {texts: {caption: {mentions: true}}}, and the step Link last in curation.ops"


class ConceptClip(Method):
    """The sigmoid loss of pictures and texts, and one of concepts and pictures, whose score is that of the nearest patch.

    Args:
        model: two towers that give tokens, with a logit scale that has a bias.
        concept: weight of the second loss, at least 0; 0.5 in the paper, and 0 is SigLIP, which asks for no tokens.
        chunk: concepts whose cosines with all patches are there at once; it changes no bit of a score.
        gather: how ranks see each other's rows, as of Gather. Concepts travel and patches do not, but for `detached`, where every rank
            takes the whole loss.

    Raises ConfigError for a weight or a chunk out of range, and for a logit scale without a bias.
    """

    model: DualEncoder

    def __init__(
        self, model: DualEncoder, concept: float = 0.5, chunk: int = 64, gather: GatherMode = "features"
    ) -> None:
        super().__init__()
        if concept < 0:
            raise ConfigError(f"concept is {concept}, but it weighs a loss. Give 0.5 as in the paper, or 0 for SigLIP.")
        if chunk < 1:
            raise ConfigError(f"chunk is {chunk} concepts at once. Give at least 1, such as 64.")
        if model.logit_scale.bias is None:
            raise ConfigError(
                "the sigmoid loss asks of every pair alone whether it matches, and most do not, but logit_scale has no bias to say so. "
                "Set model.init_args.logit_scale.init_args.bias in the recipe; -10 is the paper's."
            )
        self.model, self.concept, self.chunk, self.gather = model, concept, chunk, Gather(gather)
        self.sigmoid = SigmoidLoss()
        self.concept_scale = (
            deepcopy(model.logit_scale) if concept else None
        )  # begins as the recipe says, and learns by itself

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Return both terms, or the first where concepts weigh nothing; `seen` has how many concepts a text brings."""
        need = (TOKENS,) if self.concept else ()
        images, texts = batch.images["main"], batch.texts[CAPTION]
        image, text = self.model.encode_image(images, need), self.model.encode_text(texts, need)
        pictures = self.gather(image.pooled, images.owner, len(batch))
        scale, bias = self.model.logit_scale(), self.model.logit_scale.bias
        assert bias is not None, "asked for at the start"
        said = self.gather(text.pooled, texts.owner, len(batch))
        terms, seen = {"contrast": self.sigmoid(pictures, said, scale, bias)}, {"scale": scale, "bias": bias}
        if self.concept_scale is not None:
            spans = _spans(batch)
            owner = spans.row if texts.owner is None else texts.owner[spans.row]
            concepts = self.gather(_concepts(text, spans), owner, len(batch))
            terms["concept"] = self.concept * self._concept(image, pictures, concepts)
            seen |= {"concepts": terms["concept"].new_tensor(len(spans) / len(texts.ids))}
            seen |= {"concept_scale": self.concept_scale(), "concept_bias": self.concept_scale.bias}
        return Losses(
            terms=terms, seen={name: one.detach() for name, one in seen.items()},
            embedded={"image": image.pooled.detach(), "text": text.pooled.detach()},
        )  # fmt: skip

    def after_step(self, clock: Clock) -> None:
        """Keep both scales at or below their bound."""
        self.model.logit_scale.clamp()
        if self.concept_scale is not None:
            self.concept_scale.clamp()

    def _concept(self, image: Encoded, pictures: Gathered, concepts: Gathered) -> Tensor:
        """Return nats per concept: each of all ranks against this rank's pictures."""
        assert self.concept_scale is not None, "concepts weigh nothing"
        assert self.concept_scale.bias is not None, "a copy of one that has a bias"
        if image.tokens is None:
            raise CapabilityError(
                "the picture tower gives no tokens, so no patch can be of a concept. Choose a network that does, or set concept to 0."
            )
        scale, bias = self.concept_scale(), self.concept_scale.bias
        if not len(concepts.all):
            return 0 * (scale + bias)  # of all parameters there is a gradient, or ranks would wait for it
        patches = image.tokens
        if self.gather.mode == "detached":
            patches = self.gather(patches.flatten(1)).all.unflatten(1, patches.shape[1:])
        match = concepts.samples()[:, None] == pictures.local_samples()[None]
        scores = nearest_patch(patches, concepts.all, self.chunk)
        return self.sigmoid.from_scores(scale * scores + bias, match) * concepts.ranks


def _concepts(text: Encoded, spans: Spans) -> Tensor:
    """Return float [S D] of this rank: the mean of each concept's tokens."""
    if text.tokens is None:
        raise CapabilityError(
            "the text tower gives no tokens, so there is nothing that is said of a concept. Choose one that does, or set concept to 0."
        )
    return span_mean(text.tokens, spans.row, spans.first, spans.last)


def _spans(batch: Batch) -> Spans:
    if CAPTION not in batch.spans:
        raise ConfigError(
            f"batches do not say where concepts stand in captions, and ConceptCLIP learns from nothing else beside SigLIP. Write in the recipe {MENTIONS}."
        )
    return batch.spans[CAPTION]
