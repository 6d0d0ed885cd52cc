"""PriorCLIP: a network that knows scenes says where to look, and kinds of scenes are kept apart (seed 44).

Source: Pan et al. 2024, arXiv:2405.10160, and jaychempan/PIR: belief filter and progressive attention are of the towers of the closed domain
(components/models/towers/prior_guided.py, cycled.py), beliefs as weights and the instruction of that of the open one (prior_instructed.py),
affiliation loss and temperatures are here. Differs: centres are of all ranks' rows,
where the released code has one of each rank; one column a kind may stand for those of its samples, so that the least loss is 0.
Axes: R pairs of this rank, B pairs of all ranks, C kinds, D shared width.
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, one_hot

from components.contracts.batch import Batch
from components.contracts.directions import Directions
from components.contracts.errors import ConfigError, DataError
from components.contracts.gathered import Gathered, belong
from components.contracts.method import Clock, Losses, Method
from components.models.dual_encoder import DualEncoder
from components.models.group_mean import group_mean
from components.models.projection import LogitScale
from components.models.towers.prior import PriorTower
from components.objectives.softmax import SoftmaxLoss
from components.training.gather import Gather, GatherMode


class PriorClip(Method):
    """CLIP's contrast, and one of each row with the means of kinds on the other side.

    Args:
        model: two towers, that of pictures guided by a prior, for which the start's weights are.
        centre: weight of the second contrast, at least 0; 1 in the paper.
        label: what kind a sample is of, `category` or `subcategory`.
        dedupe: whether a kind is one column. In the paper each sample brings the column of its kind, so that the least loss is the logarithm
            of how many samples share it.
        scale: of the second contrast: the model's, `shared`, or its `own`, which begins as the usual one.
        gather: how ranks see each other's rows, as of Gather.

    Raises ConfigError for a weight below 0, and for a picture tower without a prior.
    """

    model: DualEncoder
    wants_start: ClassVar[bool] = True

    def __init__(
        self, model: DualEncoder, centre: float = 1.0, label: Literal["category", "subcategory"] = "category", dedupe: bool = False,
        scale: Literal["shared", "own"] = "own", gather: GatherMode = "features",
    ) -> None:  # fmt: skip
        super().__init__()
        if centre < 0:
            raise ConfigError(f"centre is {centre}, but it weighs a loss. Give 1 as in the paper, or 0 for none.")
        if not isinstance(model.image, PriorTower):
            raise ConfigError(
                f"the picture tower is a {type(model.image).__name__}, which no prior guides. Put components.models.towers.prior_guided.PriorGuided or prior_instructed.PriorInstructed around it."
            )
        self.model, self.centre, self.label, self.dedupe = model, centre, label, dedupe
        self.gather, self.softmax = Gather(gather), SoftmaxLoss()
        self.centre_scale = LogitScale() if scale == "own" and centre else None

    def begins_from(self) -> tuple[nn.Module, str]:
        """Return the prior's network, for which the image tower of the start is."""
        assert isinstance(self.model.image, PriorTower), "asked for at the start"
        return self.model.image.prior.tower, "image."

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Return both terms, those that weigh anything; `seen` has how many kinds there are."""
        images, texts = batch.images["main"], batch.texts["caption"]
        image, text = self.model.encode_image(images).pooled, self.model.encode_text(texts).pooled
        kinds = self._kinds(batch) if self.centre else None
        sides = [
            self.gather(rows, owner, len(batch), _of_rows(kinds, owner))
            for rows, owner in ((image, images.owner), (text, texts.owner))
        ]
        scale = self.model.logit_scale()
        terms, seen = {"contrast": self.softmax(*sides, scale)}, {"scale": scale.detach()}
        if self.centre:
            own_scale = scale if self.centre_scale is None else self.centre_scale()
            pictures, said = (side.map(lambda rows: normalize(rows.float(), dim=-1)) for side in sides)
            (of_image, right_image), (of_text, right_text) = (
                self._against(pictures, said),
                self._against(said, pictures),
            )
            terms["centre"] = self.centre * self.softmax.from_scores(
                own_scale * of_image, own_scale * of_text,
                targets=Directions(image_to_text=right_image, text_to_image=right_text),
            )  # fmt: skip
            assert pictures.label is not None, "kinds were gathered"
            seen |= {"centre_scale": own_scale.detach(), "kinds": image.new_tensor(len(pictures.label.unique()))}
        return Losses(
            terms=terms, seen=seen, embedded={"image": image.detach(), "text": text.detach()},
        )  # fmt: skip

    def after_step(self, clock: Clock) -> None:
        """Keep both scales at or below their bound."""
        self.model.logit_scale.clamp()
        if self.centre_scale is not None:
            self.centre_scale.clamp()

    def _against(self, rows: Gathered, other: Gathered) -> tuple[Tensor, Tensor]:
        """Return the products [R C] of local rows with the centres of the other side, and which of them is right, 1 or 0."""
        assert rows.label is not None, "kinds were gathered"
        assert other.label is not None, "kinds were gathered"
        centres, own = group_mean(other.all, other.label)
        names = torch.unique(other.label)
        kind = torch.searchsorted(names, rows.label[rows.offset : rows.offset + len(rows.local)])
        if self.dedupe:
            return rows.local @ centres.T, one_hot(kind, len(names)).float()
        right = belong(rows, other).float()
        return rows.local @ centres[own].T, right / right.sum(1, keepdim=True)

    def _kinds(self, batch: Batch) -> Tensor:
        kinds = batch.ids.get(self.label)
        if kinds is None:
            raise DataError(
                f"no sample says of which {self.label} it is, and centre keeps these apart. Bring data with such labels, name another in "
                "method.init_args.label, or set centre to 0."
            )
        if bool((kinds < 0).any()):
            key = batch.keys[int((kinds < 0).nonzero()[0])]
            raise DataError(
                f"sample {key} is of no {self.label}, and centre keeps these apart. Leave such samples out (the step Keep with {self.label} is not "
                "None), or set centre to 0."
            )
        return kinds


def _of_rows(kinds: Tensor | None, owner: Tensor | None) -> Tensor | None:
    return kinds if kinds is None or owner is None else kinds[owner]
