"""RS-M-CLIP: CLIP's contrast with captions in many languages, and beside it a student that says of small crops what its teacher says of large ones (seed 32).

Source: Silva et al. 2024, arXiv:2410.23370, section 3; its self-distillation is that of Caron et al. 2021, arXiv:2104.14294 (DINO). Differs: batch norms
of a tower keep the statistics of `main` alone, as what is asked later. Translations are curation's, and which language a step reads is `training.texts`'.
Axes: R pairs of this rank; G large crops of each picture, `main` first; M small ones; F features; K prototypes.
"""

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from components.contracts.batch import Batch, Images
from components.contracts.errors import ConfigError
from components.contracts.method import Clock, Losses, Method
from components.models.dual_encoder import DualEncoder
from components.models.heads.dino import DinoHead
from components.models.unrecorded import unrecorded
from components.objectives.dino import DinoLoss, signs_of_life
from components.objectives.softmax import SoftmaxLoss
from components.training.gather import Gather, GatherMode
from components.training.teacher import Teacher, move_towards

GLOBAL, LOCAL = "global", "local"
SHOWN = "training: {views: {main: {crop: [0.4, 1.0]}, global: {crop: [0.4, 1.0]}, local: {count: 6, side: 0.43, crop: [0.05, 0.4]}}}"


@dataclass(frozen=True, kw_only=True)
class Distil:
    """What is asked of crops beside the contrast.

    Args:
        weight: of it; 0 leaves CLIP.
        hidden: width of the layers of the head.
        bottleneck: of the space that prototypes lie in.
        prototypes: K.
        student_temperature: as of DinoLoss, as the next four.
        teacher_temperature: the same.
        start_temperature: the same.
        warmup: the same, a share of the training.
        centre_momentum: the same.
        momentum: share of its weights that the teacher keeps at the first step; it comes to 1 at the last, along half a cosine.
        still: share of the training in which the prototypes stay as they were drawn; 0.01 in DINO.

    Raises ConfigError for a weight below 0 and shares that are none.
    """

    weight: float = 1.0
    hidden: int = 2048
    bottleneck: int = 256
    prototypes: int = 65536
    student_temperature: float = 0.1
    teacher_temperature: float = 0.07
    start_temperature: float = 0.04
    warmup: float = 0.3
    centre_momentum: float = 0.9
    momentum: float = 0.996
    still: float = 0.01

    def __post_init__(self) -> None:
        if self.weight < 0 or not 0 <= self.momentum < 1 or not 0 <= self.still <= 1:
            raise ConfigError(
                f"weight is {self.weight}, momentum {self.momentum} and still {self.still}, but the first is at least 0 and the others are shares. Use "
                "1, 0.996 and 0.01."
            )

    def kept_at(self, clock: Clock) -> float:
        """Return the share of its weights that the teacher keeps at a step."""
        return 1 - (1 - self.momentum) * (1 + math.cos(math.pi * clock.step / clock.total_steps)) / 2


class RsMClip(Method):
    """The contrast of `main` with its caption, and the student's answers for all crops against the teacher's for large ones.

    Args:
        model: the two towers; it is all that is exported.
        distil: beside the contrast.
        gather: how ranks see each other's rows, as of Gather.

    Raises ConfigError as of DinoHead and DinoLoss.
    """

    model: DualEncoder

    def __init__(self, model: DualEncoder, distil: Distil = Distil(), gather: GatherMode = "features") -> None:
        super().__init__()
        self.model, self.distil, self.gather, self.contrast = model, distil, Gather(gather), SoftmaxLoss()
        self.head: DinoHead | None = None
        if distil.weight:
            self.head = DinoHead(model.image.width, distil.hidden, distil.bottleneck, distil.prototypes)
            self.slow = copy.deepcopy(self.head).requires_grad_(False)
            self.teacher = Teacher(model, "ema", distil.momentum)
            self.loss = DinoLoss(
                distil.prototypes, distil.student_temperature, distil.teacher_temperature, distil.start_temperature, distil.warmup,
                distil.centre_momentum,
            )  # fmt: skip

    def begin(self) -> None:
        """Let the teacher begin with the weights that the model begins with."""
        if self.head is not None:
            self.teacher.take(self.model)

    def losses(self, batch: Batch, clock: Clock) -> Losses:
        """Return the contrast and, where it has a weight, the distance of the student from its teacher; in training the centre moves."""
        main, caption = batch.images["main"], batch.texts["caption"]
        image, text = self.model.encode_image(main), self.model.encode_text(caption)
        sides = (
            self.gather(image.pooled, main.owner, len(batch)), self.gather(text.pooled, caption.owner, len(batch)),
        )  # fmt: skip
        scale = self.model.logit_scale()
        terms, seen = {"contrast": self.contrast(*sides, scale=scale)}, {"scale": scale.detach()}
        if self.head is not None:
            large, small = crops(batch)
            done = clock.step / clock.total_steps
            teacher = torch.stack([self.slow(rows) for rows in self._taught([main, *large])])
            targets = self.loss.targets(teacher, done)
            rows = [image.features, *self._seen(large), *self._seen(small)]
            student = torch.stack([self.head(one, still=done < self.distil.still) for one in rows])
            terms["distil"] = self.distil.weight * self.loss(student, targets)
            seen |= {f"teacher_{name}": value for name, value in signs_of_life(targets).items()}
            if self.training:
                self.loss.follow(teacher)
        return Losses(terms=terms, seen=seen, embedded={"image": image.pooled.detach(), "text": text.pooled.detach()})

    def after_step(self, clock: Clock) -> None:
        """Keep the scale at or below its bound, and let the teacher follow."""
        self.model.logit_scale.clamp()
        if self.head is not None:
            kept = self.distil.kept_at(clock)
            self.teacher.follow(self.model, kept)
            move_towards(self.slow, self.head, kept)

    def _seen(self, views: list[Images]) -> list[Tensor]:
        """Return what the student's tower says of each view, float [R F]; ConfigError where it takes no pictures of that size."""
        found = []
        for view in views:
            with unrecorded(self.model.image):
                try:
                    found.append(self.model.encode_image(view).features)
                except AssertionError as err:  # timm's, of a transformer whose positions are of one size
                    raise ConfigError(
                        f"the image tower takes no crops of {view.pixels.shape[-1]} pixels a side ({err}). Set dynamic_img_size: true in its net_args, and "
                        f"a side of {LOCAL} that its patches divide."
                    ) from err
        return found

    def _taught(self, views: list[Images]) -> list[Tensor]:
        """Return what the teacher's tower says of each view, without gradient."""
        return [self.teacher.encode_image(view).features for view in views]


def crops(batch: Batch) -> tuple[list[Images], list[Images]]:
    """Return the large crops beside `main`, and the small ones, R rows each; ConfigError for a batch without either, or with several of `main`."""
    if len(batch.images["main"].pixels) != len(batch):
        raise ConfigError(
            f"batches bring {len(batch.images['main'].pixels)} pictures for {len(batch)} samples, but a crop is of the one picture of each. Leave further "
            "pictures out, or set method.init_args.distil.weight to 0."
        )
    large, small = (_views(batch, name) for name in (GLOBAL, LOCAL))
    if not large and not small:
        raise ConfigError(
            f"batches bring the view {', '.join(batch.images)} alone, and a student has no other to be taught by. Say in the recipe {SHOWN}."
        )
    return large, small


def _views(batch: Batch, name: str) -> list[Images]:
    if name not in batch.images:
        return []
    pixels = batch.images[name].pixels
    return [Images(pixels=one) for one in pixels.unflatten(0, (len(batch), -1)).unbind(1)]
