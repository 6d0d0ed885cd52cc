"""CLIP-Refine: bring the two sides of a trained model together, and let it forget nothing (seed 27).

Source: Yamaguchi et al. 2025, arXiv:2504.12717: random feature alignment (section 4.1) pulls both sides of a pair to one random
point; hybrid contrastive distillation (section 4.2) keeps each row half at its own pair and half at what the start said.
Differs: nothing in the method; logits may be scaled cosines, since raw products suit only features as long as those of
OpenAI's models. Axes: R pairs of this rank, B pairs of all ranks, D shared width.
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import mse_loss, normalize

from components.contracts.batch import Batch
from components.contracts.directions import Directions
from components.contracts.errors import ConfigError, DataError
from components.contracts.gathered import Gathered
from components.contracts.method import Clock, Losses, Method
from components.models.dual_encoder import DualEncoder
from components.objectives.signals.random_reference import RandomReference
from components.objectives.signals.soft_targets import SoftTargets
from components.objectives.softmax import SoftmaxLoss
from components.training.gather import Gather, GatherMode
from components.training.teacher import Teacher

UNLIKE = 5.0  # times as long: rows of one side drown those of the other in raw products


class ClipRefine(Method):
    """A short training after pre-training; the teacher is the model as it began, and stays so.

    Args:
        model: the two towers, with the weights of a start.
        logits: `raw` products of features, as in the paper, or `scaled_cosine`, which does not depend on their lengths.
        teacher_share: of each target row, in [0, 1]; the rest is the pair itself.
        temperature: of both the model's and the teacher's rows.
        align: weight of the random feature alignment, at least 0.
        distil: weight of the hybrid contrastive distillation.
        contrast: weight of CLIP's own loss, 0 in the paper.
        prior: of the random points, as of RandomReference.
        gather: how ranks see each other's rows, as of Gather.

    Raises ConfigError for weights that are negative or all 0, a share or a temperature out of range.
    """

    model: DualEncoder
    wants_start: ClassVar[bool] = True

    def __init__(
        self, model: DualEncoder, logits: Literal["raw", "scaled_cosine"] = "raw", teacher_share: float = 0.5,
        temperature: float = 1.0, align: float = 1.0, distil: float = 1.0, contrast: float = 0.0,
        prior: Literal["normal", "uniform"] = "normal", gather: GatherMode = "features",
    ) -> None:  # fmt: skip
        super().__init__()
        if temperature <= 0:
            raise ConfigError(
                f"temperature is {temperature}, but rows are divided by it. Use 1.0 for the paper's value."
            )
        self.weights = {"align": align, "distil": distil, "contrast": contrast}
        if min(self.weights.values()) < 0 or not any(self.weights.values()):
            said = ", ".join(f"{name} {weight:g}" for name, weight in self.weights.items())
            raise ConfigError(f"the weights are {said}. Give each 0 or more, and one of them more than 0.")
        self.model, self.logits, self.temperature = model, logits, temperature
        self.teacher, self.gather = Teacher(model, kind="frozen"), Gather(gather)
        self.soft, self.reference = SoftTargets(blend=teacher_share), RandomReference(prior)
        self.softmax = SoftmaxLoss()
        self.is_looked_at = False

    def begin(self) -> None:
        """Take the weights that the model begins with as the teacher's."""
        self.teacher.take(self.model)

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Return alignment, distillation and contrast, those that weigh anything."""
        images, texts = batch.images["main"], batch.texts["caption"]
        image, text = self.model.encode_image(images).pooled, self.model.encode_text(texts).pooled
        sides = tuple(self.gather(rows, side.owner, len(batch)) for rows, side in ((image, images), (text, texts)))
        if min(len(side.all) for side in sides) < 2:
            raise ConfigError("the batch is one pair, of which there is nothing to distil. Set batch to 2 or more.")
        terms: dict[str, Tensor] = {}
        if self.weights["align"]:
            terms["align"] = self._align(*sides)
        if self.weights["distil"]:
            with torch.no_grad():
                taught = (self.teacher.encode_image(images).pooled, self.teacher.encode_text(texts).pooled)
                teacher = tuple(
                    self.gather(rows, side.owner, len(batch))
                    for rows, side in zip(taught, (images, texts), strict=True)
                )
            self._look(*taught)
            terms["distil"] = self._distil(sides, teacher)
        scale = self.model.logit_scale()
        if self.weights["contrast"]:
            terms["contrast"] = self.softmax(*sides, scale)
        return Losses(
            terms={name: self.weights[name] * term for name, term in terms.items()}, seen={"scale": scale.detach()},
            embedded={"image": image.detach(), "text": text.detach()},
        )  # fmt: skip

    def after_step(self, clock: Clock) -> None:
        """Keep the scale at or below its bound."""
        self.model.logit_scale.clamp()

    def _align(self, image: Gathered, text: Gathered) -> Tensor:
        of_image, of_text = self.reference(image, text)
        return mse_loss(image.local.float(), of_image) + mse_loss(text.local.float(), of_text)

    def _distil(self, ours: tuple[Gathered, ...], teacher: tuple[Gathered, ...]) -> Tensor:
        """Return the Kullback-Leibler divergence of the targets: the cross-entropy, less what they hold themselves."""
        wanted = self._products(*teacher, self.teacher.logit_scale())
        targets = self.soft(*ours, teacher=wanted)
        said = self._products(*ours, self.model.logit_scale())
        apart = self.softmax.from_scores(said.image_to_text, said.text_to_image, targets=targets)
        return self.temperature**2 * (apart - _entropy(targets))

    def _products(self, image: Gathered, text: Gathered, scale: Tensor) -> Directions:
        """Return logits under the temperature."""
        if self.logits == "scaled_cosine":
            image, text = (
                side.map(lambda rows: scale.sqrt() * normalize(rows.float(), dim=-1)) for side in (image, text)
            )
        of_image, of_text = image.local @ text.all.T, text.local @ image.all.T
        return Directions(image_to_text=of_image / self.temperature, text_to_image=of_text / self.temperature)

    def _look(self, image: Tensor, text: Tensor) -> None:
        """Say once when raw products do not suit the start; raise DataError when the start is not finite."""
        if self.is_looked_at:
            return
        self.is_looked_at = True
        lengths = [float(rows.float().norm(dim=1).mean()) for rows in (image, text)]
        if not all(length < float("inf") for length in lengths):
            raise DataError("the start gives features that are no finite numbers. Begin from another checkpoint of it.")
        if self.logits == "raw" and max(lengths) > UNLIKE * min(lengths):
            print(
                f"features of pictures are {lengths[0]:.3g} long and those of texts {lengths[1]:.3g}, so raw products follow the longer; "
                "logits: scaled_cosine in the recipe does not depend on lengths",
                flush=True,
            )


def _entropy(targets: Directions) -> Tensor:
    """Return what rows of both directions hold, in nats."""
    both = (targets.image_to_text, targets.text_to_image)
    return -sum(torch.xlogy(rows, rows).sum(1).mean() for rows in both) / 2
