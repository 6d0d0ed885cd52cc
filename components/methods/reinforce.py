"""Reinforced training: any contrastive method, and what teachers said of its batches, read from side shards.

Source: Vasu et al. 2023, arXiv:2311.17049 (MobileCLIP), section 4: L = (1 - share) L_contrast + share L_distill.
Differs: the contrast may be any; a batch has one caption a picture, drawn among its own and those that were added, where the
paper takes one of each kind.
Axes: B samples, E width of a teacher.
"""

from collections.abc import Callable

from torch import Tensor

from components.contracts.batch import Batch
from components.contracts.errors import ConfigError
from components.contracts.gathered import Side
from components.contracts.method import Clock, Losses, Method
from components.contracts.objective import Contrast
from components.models.dual_encoder import DualEncoder
from components.objectives.divergence import divergence
from components.training.gather import Gather


class Reinforce(Method):
    """A contrastive method whose contrast is drawn towards its teachers'.

    No teacher is here: batches bring what they said (`training.reinforce` of a recipe). The model's parameters keep their names.

    Args:
        model: the two towers.
        method: makes the method of the model; it has an `objective`, a Contrast, and a `gather`.
        share: of the distillation against the contrast, in (0, 1]; 0.75 in the paper's MobileCLIP-B, 1 in its smaller models.
        sharpness: what the teachers' logits are multiplied with, above 0; 1 takes them as they learned to say them.

    Raises ConfigError for a method without such a contrast, and for a share or sharpness outside.
    """

    model: DualEncoder
    inner: Method

    def __init__(
        self, model: DualEncoder, method: Callable[[DualEncoder], Method], share: float = 0.75, sharpness: float = 1.0
    ) -> None:
        super().__init__()
        if not 0 < share <= 1:
            raise ConfigError(
                f"share is {share}, but it is the share of the teachers against the contrast. 0.75 is usual, 1 leaves the contrast "
                "out; for 0 take the method without Reinforce."
            )
        if not 0 < sharpness < float("inf"):
            raise ConfigError(
                f"sharpness is {sharpness}, but the teachers' logits are multiplied with it. 1 takes them as they are."
            )
        inner = method(model)
        objective, gather = getattr(inner, "objective", None), getattr(inner, "gather", None)
        if not isinstance(objective, Contrast) or not isinstance(gather, Gather):
            raise ConfigError(
                f"method is {type(inner).__name__}, which has no contrast (`objective`) and `gather` of its own, so there is no matrix of "
                "similarities to draw towards the teachers'. Name a contrastive method, such as components.methods.clip.Clip."
            )
        self.gather, self.per_rank = gather, inner.per_rank
        inner.objective = self.objective = _Taught(objective, share, sharpness)
        object.__setattr__(self, "inner", inner)  # not a part: names of parameters stay those of the method
        for name, part in inner.named_children():
            self.add_module(name, part)

    def begin(self) -> None:
        """Do what the method does."""
        self.inner.begin()

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Return the method's terms, its contrast drawn towards the teachers'; how far it is from them is logged."""
        count = sum(name.startswith("image") for name in batch.said)
        if not count:
            raise ConfigError(
                "the batches bring nothing that teachers said, so there is nothing to learn from them. Write side shards (diptych data "
                "reinforce) and name their folder as training.reinforce.side in the recipe."
            )
        images, texts = batch.images["main"].owner, batch.texts["caption"].owner
        self.objective.teachers = [
            (
                self.gather(batch.said[f"image{number}"], images, len(batch)),
                self.gather(batch.said[f"text{number}"], texts, len(batch)),
            )
            for number in range(count)
        ]
        losses = self.inner.losses(batch, clock)
        self.objective.teachers = []
        return Losses(
            terms=losses.terms, seen={**losses.seen, "distillation": self.objective.seen}, embedded=losses.embedded
        )

    def after_step(self, clock: Clock) -> None:
        """Do what the method does."""
        self.inner.after_step(clock)


class _Taught(Contrast):
    """A contrast and the divergence from the teachers of this step."""

    seen: Tensor

    def __init__(self, contrast: Contrast, share: float, sharpness: float) -> None:
        super().__init__()
        self.contrast, self.share, self.sharpness = contrast, share, sharpness
        self.wants_bias, self.wants_labels = contrast.wants_bias, contrast.wants_labels
        self.teachers: list[tuple[Side, Side]] = []

    def forward(self, image: Side, text: Side, scale: Tensor, **more: Tensor) -> Tensor:
        """Return nats; `more` is the contrast's."""
        apart = divergence(image, text, scale, self.teachers, self.sharpness, getattr(self.contrast, "block", None))
        self.seen = apart.detach()
        return (1 - self.share) * self.contrast(image, text, scale, **more) + self.share * apart
