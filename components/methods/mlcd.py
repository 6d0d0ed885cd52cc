"""MLCD: learn to tell which of very many clusters a picture is near to, several of them, and no word (seed 49).

Source: An et al. 2024, arXiv:2407.17331. Pictures are clustered once, by curation's step Cluster with the features of a model that stays;
what is learnt are rows that begin at random, not the centres. Differs: text comes after, by a strategy that locks the picture side
(finetuning LockedImage), and with it CLIP's contrast, so that one recipe ends with a model that is asked by words.
Axes: R pictures of this rank, B of all ranks, l clusters of each, D shared width.
"""

import torch
from torch import nn

from components.contracts.batch import Batch
from components.contracts.errors import ConfigError
from components.contracts.method import Clock, Losses, Method
from components.data.clusters import COLUMN as CLUSTERS
from components.models.dual_encoder import DualEncoder
from components.objectives.multilabel_disjoint import Form, MultiLabelDisjointLoss
from components.objectives.over_ranks import nearest_is_own
from components.objectives.partial_fc import PartialFC
from components.objectives.softmax import SoftmaxLoss
from components.training.gather import Gather
from components.training.numbers import Optimisation
from components.training.schedules import share_at

ROWS = Optimisation(lr=1.0e-3, weight_decay=0.0, betas=(0.9, 0.999))


class Mlcd(Method):
    """Clusters while the picture side learns, CLIP's contrast while the text side does.

    Before training the text side is locked, so that the first alone is learnt. A strategy that locks pictures learns the second alone,
    one that locks nothing both.

    Args:
        model: the two towers.
        clusters: rows, as many as curation made clusters or more; what is more is of no picture.
        labels: clusters of each picture that are learnt, the nearest first; 0 for all that curation gave. 1 is plain cluster discrimination.
        form: of the loss, as of MultiLabelDisjointLoss.
        ratio: of the rows that a step looks at, as of PartialFC.
        scale: of cosines with the rows.
        rows: how fast rows learn, by AdamW and a schedule as of all else; ROWS where it is left out.

    Raises ConfigError for numbers out of range, and as of PartialFC.
    """

    model: DualEncoder

    def __init__(
        self, model: DualEncoder, clusters: int, labels: int = 0, form: Form = "mlcd", ratio: float = 0.1, scale: float = 64.0,
        rows: Optimisation | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if labels < 0 or labels >= clusters:
            raise ConfigError(
                f"labels is {labels} of {clusters} clusters, but a picture is of some clusters and not of others. Give fewer than clusters, or 0 for all "
                "that curation gave."
            )
        self.model, self.labels, self.optimisation = model, labels, rows or ROWS
        self.rows = PartialFC(clusters, model.width, ratio, scale)
        self.loss, self.contrast, self.gather = MultiLabelDisjointLoss(form), SoftmaxLoss(), Gather("features")
        for part in (model.text, model.text_projection, model.logit_scale):
            part.requires_grad_(False)

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Return the terms of the sides that learn; `seen` has the share of rows looked at and how often the nearest row is one of its own."""
        images = batch.images["main"]
        image = self.model.encode_image(images).pooled
        terms, seen, embedded = {}, {}, {"image": image.detach()}
        if _learns(self.model.image):
            labels = self._labels(batch)
            owner = torch.arange(len(batch), device=image.device)  # a rank may have fewer pictures than the others
            gathered = self.gather(image, owner, len(batch), labels)
            assert gathered.label is not None, "given to it"
            looked = self.rows(gathered.all, gathered.label, torch.initial_seed())
            terms["clusters"] = self.loss(looked.logits, looked.is_positive)
            seen["rows"] = image.new_tensor(looked.share)
            seen["nearest_own"] = nearest_is_own(looked.logits.detach(), looked.is_positive)
        if _learns(self.model.text):
            texts = batch.texts["caption"]
            text, scale = self.model.encode_text(texts).pooled, self.model.logit_scale()
            sides = self.gather(image, images.owner, len(batch)), self.gather(text, texts.owner, len(batch))
            terms["contrast"] = self.contrast(*sides, scale)
            seen["scale"], embedded["text"] = scale.detach(), text.detach()
        return Losses(terms=terms, seen=seen, embedded=embedded)

    def after_step(self, clock: Clock) -> None:
        """Move the rows that the step looked at, and keep the scale at or below its bound."""
        numbers = self.optimisation
        share = share_at(clock.step - 1, numbers, int(numbers.warmup * clock.total_steps), clock.total_steps)
        self.rows.step(numbers.lr * share, numbers.betas, numbers.eps, numbers.weight_decay)
        self.model.logit_scale.clamp()

    def _labels(self, batch: Batch) -> torch.Tensor:
        """Return int [R l]; ConfigError where batches have no clusters, or fewer than are to be learnt."""
        if CLUSTERS not in batch.ids:
            raise ConfigError(
                "batches have no clusters, and MLCD learns from nothing else. Write training: {clusters: true} in the recipe, and the step Cluster with "
                "labels in curation.ops."
            )
        labels = batch.ids[CLUSTERS]
        if self.labels > labels.shape[1]:
            raise ConfigError(
                f"labels is {self.labels}, but curation gave each picture {labels.shape[1]} clusters. Give {labels.shape[1]} or fewer, or more labels to "
                "the step Cluster."
            )
        return labels[:, : self.labels or None]


def _learns(part: nn.Module) -> bool:
    return any(weight.requires_grad for weight in part.parameters())
