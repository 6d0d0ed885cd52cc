"""LightCLIP: three ways for a small model to learn more from a pair, none of which is there when it is served (seed 52).

Source: Nie et al. 2023, arXiv:2312.00674: labels of negatives softened progressively, words matched with patches, and masked words that are
read off the picture. Only the abstract was there to read: formulas and weights are inferred. Differs: over ranks tokens are gathered
as vectors are, so that two ranks see what one process sees.
Axes: N texts of this rank, L tokens.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from components.contracts.batch import Batch, Images, Texts
from components.contracts.directions import Directions
from components.contracts.encoded import TOKENS, Encoded
from components.contracts.errors import CapabilityError, ConfigError
from components.contracts.gathered import Gathered, belong
from components.contracts.method import Clock, Losses, Method
from components.data.transforms.token_masker import TokenMasker, words_of
from components.models.dual_encoder import DualEncoder
from components.models.heads.vocabulary import VocabularyHead
from components.models.hooks.stage_fusion import StageFusion
from components.models.towers.text import TextTower
from components.objectives.signals.progressive_soft_targets import ProgressiveSoftTargets, Weighting
from components.objectives.signals.soft_targets import SoftTargets
from components.objectives.softmax import SoftmaxLoss
from components.objectives.token_match import token_match
from components.training.gather import Gather, GatherMode, place
from components.training.sharding import is_split


class LightClip(Method):
    """CLIP's contrast with soft targets, a contrast of words and patches, and masked words; the last two can be left out.

    Args:
        model: the two towers, of which that of texts is a TextTower.
        soften: part of each row that wrong pairs have in the end; 0 is CLIP's own contrast.
        weighting: how wrong pairs share it, as of ProgressiveSoftTargets.
        token: weight of the contrast of words and patches, at least 0; 0 asks for no tokens.
        capacity: words of a text that a patch may be matched with in its own picture; null is any number, as in FILIP.
        temperature: of a word's shares, which then go to several patches, as of token_match; null matches it with one.
        masked: weight of the masked words, at least 0; 0 leaves fusion and head out.
        mask_share: of the words, in (0, 1).
        fuse_after: blocks of the text tower after which the picture is added, as of StageFusion.
        chunk: pictures whose cosines with words are there at once; it changes no bit of a score.
        gather: how ranks see each other's rows, as of Gather.

    Raises ConfigError for numbers out of range, CapabilityError for a text tower that nothing can be fused into.
    """

    model: DualEncoder

    def __init__(
        self, model: DualEncoder, soften: float = 0.2, weighting: Weighting = "similarity", token: float = 1.0,
        capacity: int | None = 1, temperature: float | None = None, masked: float = 0.5, mask_share: float = 0.15,
        fuse_after: Sequence[int] | None = None, chunk: int = 64, gather: GatherMode = "features",
    ) -> None:  # fmt: skip
        super().__init__()
        if min(token, masked) < 0:
            raise ConfigError(f"the weights are token {token:g}, masked {masked:g}. Give each 0 or more.")
        for name, number in (("capacity", capacity), ("chunk", chunk)):
            if number is not None and number < 1:
                raise ConfigError(f"{name} is {number}. Give at least 1, such as 1 for capacity and 64 for chunk.")
        if temperature is not None and temperature <= 0:
            raise ConfigError(
                f"temperature is {temperature:g}, but cosines are divided by it. Give 0.05, or null to match each word with one patch."
            )
        self.model, self.weights = model, {"token": token, "masked": masked}
        self.capacity, self.temperature, self.chunk = capacity, temperature, chunk
        self.soft, self.who = ProgressiveSoftTargets(soften, weighting=weighting), SoftTargets()
        self.softmax, self.gather = SoftmaxLoss(), Gather(gather)
        if masked:
            tower = _fusible(model)
            vocabulary, width = tower.embedding.weight.shape
            self.masker = TokenMasker(vocabulary, mask=tower.pad, share=mask_share)
            self.fusion = StageFusion(len(tower.blocks), width, model.width, fuse_after)
            self.head = VocabularyHead(width, vocabulary)

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Return the three terms, those that weigh anything. `seen` has how soft the targets are, how many masked words were right,
        and for how many texts a patch was given more words than the capacity."""
        images, texts = batch.images["main"], batch.texts["caption"]
        need = (TOKENS,) if self.weights["token"] else ()
        image, text = self.model.encode_image(images, need), self.model.encode_text(texts, need)
        sides = self.gather(image.pooled, images.owner, len(batch)), self.gather(text.pooled, texts.owner, len(batch))
        scale, share = self.model.logit_scale(), self.soft.share(clock)
        targets = self.soft(*sides, clock=clock) if self.soft.most else None
        terms = {"instance": self.softmax(*sides, scale, targets=targets)}
        seen = {"scale": scale.detach(), "softened": scale.new_tensor(share)}
        if self.weights["token"]:
            terms["token"], seen["crowded"] = self._token(batch, image, text, scale)
        if self.weights["masked"]:
            terms["masked"], seen["masked_right"] = self._masked(batch, image.pooled)
        return Losses(
            terms={name: self.weights.get(name, 1.0) * term for name, term in terms.items()}, seen=seen,
            embedded={"image": image.pooled.detach(), "text": text.pooled.detach()},
        )  # fmt: skip

    def after_step(self, clock: Clock) -> None:
        """Keep the scale at or below its bound."""
        self.model.logit_scale.clamp()

    def _token(self, batch: Batch, image: Encoded, text: Encoded, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Return the contrast of words and patches, and the share of texts with more words than their patches may have."""
        images, texts = batch.images["main"], batch.texts["caption"]
        if image.tokens is None or text.tokens is None:
            raise CapabilityError(
                "a tower gives no tokens, so words cannot be matched with patches. Choose a network that does, or set token to 0."
            )
        mask = texts.mask if text.mask is None else text.mask
        words = _counted(mask)
        patches = self.gather(image.tokens.flatten(1), images.owner, len(batch))  # tokens travel as rows
        rows = self.gather(text.tokens.flatten(1), texts.owner, len(batch))
        scores = self._scores(patches, rows, self.gather(words.float(), texts.owner, len(batch)))
        loss = self.softmax.from_scores(
            scale * scores.image_to_text, scale * scores.text_to_image, targets=self.who(patches, rows)
        )
        room = image.tokens.shape[1] * (self.capacity or mask.shape[1])
        return loss, (words.sum(1) > room).float().mean()

    def _scores(self, image: Gathered, text: Gathered, mask: Gathered) -> Directions:
        """Return the scores of local rows against all, each way; the capacity holds in pairs that belong together."""
        width = (-1, self.model.width)

        def of(pictures: Tensor, texts: Tensor, real: Tensor, own: Tensor) -> Tensor:
            tokens = pictures.unflatten(1, width), texts.unflatten(1, width), real > 0
            return token_match(*tokens, self.capacity, own, self.temperature, self.chunk)

        by_text = of(image.all, text.local, mask.local, belong(text, image))
        if image.is_whole and text.is_whole:
            return Directions(image_to_text=by_text.T, text_to_image=by_text)
        by_picture = of(image.local, text.all, mask.all, belong(image, text).T).T
        return Directions(image_to_text=by_picture, text_to_image=by_text)

    def _masked(self, batch: Batch, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return nats a hidden word, over those of all ranks, and the share of this rank's that is said right."""
        texts, tower = batch.texts["caption"], _fusible(self.model)
        if is_split([tower.embedding.weight]):
            raise CapabilityError(
                "shard is set, so each rank has a part of the table of tokens, but masked words are looked up in all of it. Set shard to "
                "false in the scale, or masked to 0 in the recipe."
            )
        count, own = place(len(texts.ids))
        drawn = torch.rand(TokenMasker.draws, count, texts.ids.shape[1])[
            :, own
        ]  # on the CPU, and on every rank the same
        hidden = self.masker(texts, drawn)
        pictures = image[_pictures_of(texts, batch.images["main"])]
        tokens = tower(hidden.texts, (TOKENS,), inject=self.fusion.of(pictures)).tokens
        assert tokens is not None, "a text tower gives tokens"
        at = tokens[:, : hidden.chosen.shape[1]][hidden.chosen]
        logits, right = self.head(at, tower.embedding.weight).float(), texts.ids[hidden.chosen]
        of_all = self.gather(hidden.chosen.sum(1, keepdim=True).float(), texts.owner, len(batch)).all.mean()
        asked = of_all * len(texts.ids)
        loss = cross_entropy(logits, right, reduction="sum") / torch.where(asked > 0, asked, 1.0)
        return loss, (logits.argmax(1) == right).sum() / max(1, len(right))


def _fusible(model: DualEncoder) -> TextTower:
    """Return the text tower; CapabilityError for one that takes nothing between its blocks."""
    if not isinstance(model.text, TextTower):
        raise CapabilityError(
            f"the text tower is a {type(model.text).__name__}, into which no picture can be fused. Choose TextTower, or set masked to 0."
        )
    return model.text


def _counted(mask: Bool[Tensor, "N L"]) -> Bool[Tensor, "N L"]:
    """Return the words of each text, and of one that has none its start and end."""
    words = words_of(mask)
    return torch.where(words.any(1, keepdim=True), words, mask)


def _pictures_of(texts: Texts, images: Images) -> Int[Tensor, " N"]:
    """Return the row of each text's picture, its sample's first."""
    count = torch.arange(len(texts.ids), device=texts.ids.device)
    samples = count if texts.owner is None else texts.owner
    return samples if images.owner is None else torch.searchsorted(images.owner, samples)
