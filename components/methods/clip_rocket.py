"""CLIP-rocket: CLIP's contrast on weak views, and on strong ones by heads of their own; four losses of self-supervision beside (seed 38).

Source: Fini et al. 2023, arXiv:2305.08675, section 3 (CL2L) and the baselines SiamLIP, BYOLIP, BarLIP and SwALIP. Differs: a head's batch
norm is over all ranks' rows and has no statistics to keep; those of a tower are of weak views, as what is asked later; sizes are the recipe's.
Axes: R pairs of this rank, A strong views of each, D shared width.
"""

import copy
from dataclasses import dataclass
from itertools import product
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from components.contracts.batch import Batch, Images, Texts
from components.contracts.encoded import Encoded
from components.contracts.errors import ConfigError
from components.contracts.method import Clock, Losses, Method
from components.models.dual_encoder import DualEncoder
from components.models.mlp import Mlp
from components.models.projection import LogitScale
from components.models.unrecorded import unrecorded
from components.objectives.barlow import BarlowLoss
from components.objectives.softmax import SoftmaxLoss
from components.objectives.swap import SwapLoss
from components.training.gather import Gather, GatherMode
from components.training.teacher import Teacher, move_towards

STRONG = "strong"
SHOWN = (
    "training: {views: {main: {...}, strong: {count: 2, ...}}, "
    "texts: {caption: {count: 1}, strong: {of: caption, count: 2, noise: {...}}}}"
)


@dataclass(frozen=True, kw_only=True)
class Local:
    """How strong views are contrasted.

    Args:
        heads: `mlp` of their own with a scale of their own, or `shared`: the model's projections and scale.
        hidden: width of the layers of such a head, in widths of the shared space; 16 in the paper, 4096 to 256.
        temperature: where their scale starts; 0.1 in the paper.
        smoothing: of the labels, in [0, 1); 0.1 in the paper. The contrast of weak views has none.
        drop: share of numbers left out of what each block of the text tower takes, for strong texts; 0 to 0.2 in the paper.
    """

    heads: Literal["mlp", "shared"] = "mlp"
    hidden: int = 16
    temperature: float = 0.1
    smoothing: float = 0.1
    drop: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.drop < 1:
            raise ConfigError(f"drop is {self.drop}, but it is a share. Give 0 for none, or up to 0.2 as in the paper.")


@dataclass(frozen=True, kw_only=True)
class Extra:
    """What is asked of views beside the contrast, between pictures and texts.

    Args:
        kind: `none`; `siam`, a predictor finds the other side's projection; `byol`, the same of a slow copy of the model; `barlow`,
            BarlowLoss; `swap`, SwapLoss of strong views.
        weight: of it; 0.2 for `swap` in the paper, 1 for the others.
        hidden: width of its heads' layers; 2048 in the paper, 3000 for `barlow`. `swap` has no head of its own.
        width: of what they give; 128 in the paper, 8192 for `barlow`.
        momentum: share of its weights that the slow copy keeps at each step; 0.99 in the paper.
    """

    kind: Literal["none", "siam", "byol", "barlow", "swap"] = "none"
    weight: float = 1.0
    hidden: int = 2048
    width: int = 128
    momentum: float = 0.99


class ClipRocket(Method):
    """Weak views in the shared space, each strong picture with each strong text behind heads that are thrown away, and what is extra.

    Args:
        model: the two towers; it is all that is exported.
        local: of strong views.
        extra: beside the contrast.
        total: `mean` of the weak contrast and the A strong ones as in the paper, or their `sum`, which is twice that.
        gather: how ranks see each other's rows, as of Gather.

    Raises ConfigError for numbers out of range, and as of SoftmaxLoss, Mlp and Teacher.
    """

    model: DualEncoder

    def __init__(
        self, model: DualEncoder, local: Local = Local(), extra: Extra = Extra(), total: Literal["mean", "sum"] = "mean",
        gather: GatherMode = "features",
    ) -> None:  # fmt: skip
        super().__init__()
        self.model, self.local, self.extra, self.gather = model, local, extra, Gather(gather)
        self.times = 2.0 if total == "sum" else 1.0
        self.weak, self.strong = SoftmaxLoss(), SoftmaxLoss(smoothing=local.smoothing)
        widths, over_ranks = {"image": model.image.width, "text": model.text.width}, gather != "none"
        self.heads = nn.ModuleDict()
        self.scale: LogitScale | None = None
        if local.heads == "mlp":
            hidden = local.hidden * model.width
            self.heads.update({side: Mlp(own, hidden, model.width, 3, over_ranks) for side, own in widths.items()})
            self.scale = LogitScale(local.temperature)
        self.projectors, self.predictors, self.slow = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        if extra.kind in ("siam", "byol", "barlow"):
            is_barlow = extra.kind == "barlow"
            self.projectors.update(
                {
                    side: Mlp(own, extra.hidden, extra.width, 3 if is_barlow else 2, over_ranks, not is_barlow)
                    for side, own in widths.items()
                }
            )
        if extra.kind in ("siam", "byol"):
            self.predictors.update(
                {side: Mlp(extra.width, extra.hidden, extra.width, 2, over_ranks) for side in widths}
            )
        self.teacher: Teacher | None = None
        if extra.kind == "byol":
            self.teacher = Teacher(model, "ema", extra.momentum)
            self.slow = copy.deepcopy(self.projectors).requires_grad_(False)
        self.barlow, self.swap = BarlowLoss(), SwapLoss()

    def begin(self) -> None:
        """Let the slow copy begin with the weights that the model begins with."""
        if self.teacher is not None:
            self.teacher.take(self.model)

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Return the contrast of weak views, that of strong ones, and what is extra, those that there are."""
        main, caption, count = batch.images["main"], batch.texts["caption"], views_of(batch)
        if self.extra.kind == "swap" and count < 2:
            raise ConfigError(
                f"extra is swap, which finds the codes of one strong view in another, but there are {count} of each sample. Set the counts of "
                "strong views and texts to 2."
            )
        image, text = self.model.encode_image(main), self.model.encode_text(caption)
        scale = self.model.logit_scale()
        of_weak = self.weak(*(self.gather(side.pooled) for side in (image, text)), scale)
        terms, seen = {"weak": self.times * of_weak / (1 + count)}, {"scale": scale.detach()}
        strong: dict[str, Encoded] = {}
        if count:
            with unrecorded(self.model.image):
                seen_strong = self.model.encode_image(batch.images[STRONG])
            strong = {
                "image": seen_strong, "text": self.model.encode_text(batch.texts[STRONG], (), self.local.drop),
            }  # fmt: skip
            views = {side: self._headed(side, encoded, count) for side, encoded in strong.items()}
            own_scale = scale if self.scale is None else self.scale()
            terms["strong"] = self.times * count / (1 + count) * self._contrast(views, own_scale)
            seen["strong_scale"] = own_scale.detach()
            if self.extra.kind == "swap":
                terms["swap"] = self.extra.weight * self._swapped(views, own_scale)
        if self.extra.kind in ("siam", "byol", "barlow"):
            rows = {
                side: [weak.features, *(_views(strong[side].features, count) if count else ())]
                for side, weak in (("image", image), ("text", text))
            }
            terms[self.extra.kind] = self.extra.weight * self._extra(rows, batch)
        return Losses(terms=terms, seen=seen, embedded={"image": image.pooled.detach(), "text": text.pooled.detach()})

    def after_step(self, clock: Clock) -> None:
        """Keep both scales at or below their bound, and let the slow copy follow."""
        self.model.logit_scale.clamp()
        if self.scale is not None:
            self.scale.clamp()
        if self.teacher is not None:
            self.teacher.follow(self.model)
            move_towards(self.slow, self.projectors, self.extra.momentum)

    def _headed(self, side: str, encoded: Encoded, count: int) -> list[Tensor]:
        """Return float [R D] of each strong view."""
        if self.scale is None:
            return _views(encoded.pooled, count)
        return [self.heads[side](rows) for rows in _views(encoded.features, count)]

    def _contrast(self, views: dict[str, list[Tensor]], scale: Tensor) -> Tensor:
        """Return the mean over each strong picture with each strong text."""
        images, texts = ([self.gather(rows) for rows in views[side]] for side in ("image", "text"))
        return torch.stack([self.strong(image, text, scale) for image, text in product(images, texts)]).mean()

    def _swapped(self, views: dict[str, list[Tensor]], scale: Tensor) -> Tensor:
        """Return the mean over all pairs of strong views, each against the codes of the views next to both."""
        images, texts = ([self.gather(rows) for rows in views[side]] for side in ("image", "text"))
        pairs = product(range(len(images)), repeat=2)
        losses = [self.swap(images[a], texts[b], scale, images[a - 1], texts[b - 1]) for a, b in pairs]
        return torch.stack(losses).mean()

    def _extra(self, rows: dict[str, list[Tensor]], batch: Batch) -> Tensor:
        """Return the mean over the pair of weak views and all pairs of strong ones; rows are features, the weak ones first."""
        projected = {side: [self.projectors[side](view) for view in views] for side, views in rows.items()}
        pairs = [(0, 0), *product(range(1, len(rows["image"])), repeat=2)]
        if self.extra.kind == "barlow":
            images, texts = ([self.gather(view) for view in projected[side]] for side in ("image", "text"))
            return torch.stack([self.barlow(images[a], texts[b]) for a, b in pairs]).mean()
        wanted = projected if self.teacher is None else self._taught(batch, len(rows["image"]) - 1)
        found = {side: [self.predictors[side](view) for view in views] for side, views in projected.items()}
        losses = [
            torch.stack([_apart(found["image"][a], wanted["text"][b]), _apart(found["text"][b], wanted["image"][a])])
            for a, b in pairs
        ]
        return torch.stack(losses).mean()

    @torch.no_grad()
    def _taught(self, batch: Batch, count: int) -> dict[str, list[Tensor]]:
        """Return what the slow copy makes of all views."""
        assert self.teacher is not None
        features = {
            "image": [self.teacher.encode_image(batch.images["main"]).features],
            "text": [self.teacher.encode_text(batch.texts["caption"]).features],
        }
        if count:
            features["image"] += _views(self.teacher.encode_image(batch.images[STRONG]).features, count)
            features["text"] += _views(self.teacher.encode_text(batch.texts[STRONG]).features, count)
        return {side: [self.slow[side](view) for view in views] for side, views in features.items()}


def views_of(batch: Batch) -> int:
    """Return A; ConfigError for a batch that has other numbers of strong pictures and texts, or several captions of a picture."""
    images: Images | None = batch.images.get(STRONG)
    texts: Texts | None = batch.texts.get(STRONG)
    rows = [0 if images is None else len(images.pixels), 0 if texts is None else len(texts.ids)]
    if rows[0] != rows[1]:
        raise ConfigError(
            f"batches bring {rows[0] / len(batch):g} strong pictures and {rows[1] / len(batch):g} strong texts of each sample, but CLIP-rocket contrasts "
            f"as many of both, or none. Say in the recipe {SHOWN}."
        )
    if len(batch.texts["caption"].ids) != len(batch):
        raise ConfigError(
            f"batches bring {len(batch.texts['caption'].ids)} captions for {len(batch)} samples, but CLIP-rocket contrasts a picture with one. Set the "
            "count of training.texts.caption to 1."
        )
    return rows[0] // len(batch)


def _views(rows: Tensor, count: int) -> list[Tensor]:
    """Return float [R W] of each view, of rows that come sample by sample."""
    return list(rows.unflatten(0, (-1, count)).unbind(1))


def _apart(found: Tensor, wanted: Tensor) -> Tensor:
    """Return 2 - 2 cos, the mean over rows; what is wanted has no gradient."""
    return 2 - 2 * cosine_similarity(found.float(), wanted.detach().float(), dim=-1).mean()
